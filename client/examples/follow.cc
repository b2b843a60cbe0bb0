// Follows a topic forever, and resumes where it stopped when it is started again: the offsets are
// stored in a file.
//
//   follow [address] [topic] [file]

#include <fstream>
#include <iostream>
#include <string>

#include "eventhub/error.h"
#include "eventhub/reader.h"

using eventhub::client::Connect;
using eventhub::client::EventBatch;
using eventhub::client::PartitionOffset;
using eventhub::client::Reader;
using eventhub::client::ReaderOptions;

namespace {

std::vector<PartitionOffset> Load(const std::string& path) {
  std::vector<PartitionOffset> positions;
  std::ifstream file(path);
  PartitionOffset position;
  while (file >> position.partition >> position.offset) positions.push_back(position);
  return positions;
}

void Save(const std::string& path, const std::vector<PartitionOffset>& positions) {
  std::ofstream file(path, std::ios::trunc);
  for (const PartitionOffset& position : positions) {
    file << position.partition << " " << position.offset << "\n";
  }
}

}  // namespace

int main(int argc, char** argv) {
  const std::string address = argc > 1 ? argv[1] : "localhost:7070";
  const std::string path = argc > 3 ? argv[3] : "offsets.txt";
  const ReaderOptions options = {
      .topic = argc > 2 ? argv[2] : "orders", .offsets = Load(path), .follow = true};

  auto reader = Reader::Create(Connect(address), options);
  if (!reader.ok()) {
    std::cerr << reader.status().message() << "\n";
    return 1;
  }
  while (true) {
    const absl::StatusOr<EventBatch> batch = (*reader)->Next();
    if (!batch.ok()) {
      std::cerr << batch.status().message() << "\n";
      if (const auto info = eventhub::client::GetErrorInfo(batch.status());
          info && info->earliest_offset) {
        std::cerr << "the first event that is kept: " << *info->earliest_offset << "\n";
      }
      return 1;
    }
    std::cout << batch->size() << " events" << std::endl;
    // Processed. If this process dies before the offsets are saved, the batch is read again.
    Save(path, (*reader)->positions());
  }
}
