// A damaged directory: torn and flipped bytes are found and reported, and lose nothing else.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "tests/client/outbox/outbox_fixture.h"

namespace eventhub::client {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

class DamageTest : public OutboxTest {
 protected:
  // The largest file of this kind.
  std::string File(const std::string& extension) const {
    std::string largest;
    uintmax_t size = 0;
    for (const auto& file : std::filesystem::directory_iterator(directory_ / "outbox")) {
      if (file.path().extension() != extension || file.file_size() < size) continue;
      largest = file.path();
      size = file.file_size();
    }
    return largest;
  }
  static void Flip(const std::string& file, uintmax_t at) {
    std::fstream stream(file, std::ios::in | std::ios::out | std::ios::binary);
    stream.seekg(static_cast<std::streamoff>(at));
    const char byte = static_cast<char>(stream.get() ^ 1);
    stream.seekp(static_cast<std::streamoff>(at));
    stream.put(byte);
    ASSERT_TRUE(stream.good());
  }
  // Leaves events in the directory, each written on its own. If they are more than the store keeps
  // in memory, they are in tables and blobs afterwards.
  std::vector<std::string> Leave(int count, size_t bytes) {
    hub_->SetDown(true);
    Open();
    std::vector<std::string> ids;
    for (int i = 0; i < count; ++i) {
      ids.push_back(absl::StrCat("e", i));
      EXPECT_THAT(outbox_->Publish("t", MakeEvent(ids.back(), "", std::string(bytes, 'x'))),
                  IsOk());
    }
    outbox_.reset();
    // What was not written to a table yet is written by the next start.
    OutboxOptions options = Options();
    options.send = false;
    Open(options);
    outbox_.reset();
    hub_->SetDown(false);
    return ids;
  }
  void ExpectInOrderWithout(const std::vector<std::string>& ids, uint64_t lost) {
    const std::vector<std::string> found = hub_->Ids("t");
    EXPECT_EQ(found.size() + lost, ids.size());
    auto at = ids.begin();
    for (const std::string& id : found) {
      at = std::find(at, ids.end(), id);
      ASSERT_TRUE(at != ids.end()) << id << " is twice, or out of order";
      ++at;
    }
  }
};

TEST_F(DamageTest, TornEndLosesOnlyTheLastWrite) {
  std::vector<std::string> ids = Leave(20, 100);
  const std::string log = File(".log");
  std::filesystem::resize_file(log, std::filesystem::file_size(log) - 7);
  Open();
  EXPECT_THAT(outbox_->Drain(), IsOk());
  ids.pop_back();
  EXPECT_EQ(hub_->Ids("t"), ids);
  EXPECT_THAT(Publish("more"), IsOk());
  EXPECT_THAT(outbox_->Drain(), IsOk());
  EXPECT_EQ(hub_->Ids("t").back(), "more");
}

TEST_F(DamageTest, FlippedBitInTheLogLosesItsBlockAndIsReported) {
  const std::vector<std::string> ids = Leave(100, 2000);
  const std::string log = File(".log");
  Flip(log, std::filesystem::file_size(log) / 2);
  Open();
  const uint64_t lost = TopicStatus().lost_events;
  EXPECT_GT(lost, 0u);
  EXPECT_LT(lost, 20u);  // RocksDB gives up a block of 32 KiB.
  EXPECT_THAT(lines(), ElementsAre(HasSubstr(absl::StrCat("damaged: ", lost))));
  EXPECT_THAT(outbox_->Drain(), IsOk());
  ExpectInOrderWithout(ids, lost);
  Reopen();
  EXPECT_EQ(TopicStatus().lost_events, 0u);
}

TEST_F(DamageTest, FlippedBitInABlobLosesItsEventsAndIsReported) {
  // More than the memory of the store.
  const std::vector<std::string> ids = Leave(90, 200'000);
  const std::string blob = File(".blob");
  ASSERT_FALSE(blob.empty());
  Flip(blob, std::filesystem::file_size(blob) / 2);
  ASSERT_OK_AND_ASSIGN(const auto reader, OutboxReader::Open(directory_ / "outbox"));
  uint64_t lost = 0;
  uint64_t seen = 0;
  EXPECT_THAT(reader->ForEachPending(
                  [&](const std::string&, const v1::Event&) {
                    ++seen;
                    return absl::OkStatus();
                  },
                  &lost),
              IsOk());
  EXPECT_EQ(lost, 1u);
  EXPECT_EQ(seen, ids.size() - 1);
  Open();
  EXPECT_THAT(outbox_->Drain(), IsOk());
  EXPECT_EQ(TopicStatus().lost_events, 1u);
  EXPECT_THAT(lines(), ElementsAre(HasSubstr("damaged: 1")));
  ExpectInOrderWithout(ids, 1);
}

TEST_F(DamageTest, MissingFileIsAnError) {
  Leave(90, 200'000);
  std::filesystem::remove(File(".sst"));
  EXPECT_THAT(Outbox::Open(hub_, Options()), StatusIs(absl::StatusCode::kDataLoss));
}

}  // namespace
}  // namespace eventhub::client
