// Reads a topic from its beginning to its present end, and prints each event.
//
//   read [address] [topic]

#include <iostream>
#include <string>

#include "eventhub/reader.h"

using eventhub::client::Connect;
using eventhub::client::EventBatch;
using eventhub::client::Reader;
using eventhub::client::ReceivedEvent;

int main(int argc, char** argv) {
  const std::string address = argc > 1 ? argv[1] : "localhost:7070";
  const std::string topic = argc > 2 ? argv[2] : "orders";

  auto reader = Reader::Create(Connect(address), {.topic = topic});
  if (!reader.ok()) {
    std::cerr << reader.status().message() << "\n";
    return 1;
  }

  eventhub::v1::Event event;  // Reused, so that its memory is.
  while (true) {
    const absl::StatusOr<EventBatch> batch = (*reader)->Next();
    if (!batch.ok()) {
      std::cerr << batch.status().message() << "\n";
      return 1;
    }
    if (batch->done()) return 0;
    for (const ReceivedEvent& received : *batch) {
      if (!received.ParseTo(event).ok()) return 1;
      std::cout << received.partition() << "/" << received.offset() << "  " << event.type() << "  "
                << event.id() << "  " << event.data() << "\n";
    }
  }
}
