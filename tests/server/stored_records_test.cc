// What the broker stores, byte for byte, as storage/FORMAT.md has it. Who changes this changes the
// format.
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/escaping.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "storage/commit_builder.h"
#include "storage/key_codec.h"
#include "storage/log_store.h"
#include "tests/server/broker_rig.h"

namespace eventhub {
namespace {

using absl::BytesToHexString;
using Records = std::map<std::string, std::string>;

TEST(StoredRecords, OfTheBroker) {
  BrokerRig rig;
  ASSERT_THAT(rig.Open(), IsOk());
  v1::Topic topic;
  topic.set_name("t");
  topic.set_partitions(3);
  topic.set_description("d");
  ASSERT_THAT(rig.Create(topic), IsOk());
  v1::PublishStreamRequest request = MakeRequest("t", {"a", "b"});
  request.set_partition(2);
  request.set_producer_id("pr");
  request.set_producer_epoch(0x0102);
  ASSERT_THAT(rig.Publish(request), IsOk());
  request.set_sequence(1);
  ASSERT_OK_AND_ASSIGN(const v1::PublishResult answer, rig.Publish(request));
  rig.Close();

  LogStoreOptions options;
  options.directory = rig.disk.directory() + "/hub";
  options.env = rig.disk.env();
  ASSERT_OK_AND_ASSIGN(const auto store, LogStore::Open(options));
  const auto dump = [&](Column column) {
    Records records;
    EXPECT_THAT(store->Scan(column, "",
                            [&](absl::string_view key, absl::string_view value) {
                              records[BytesToHexString(key)] = BytesToHexString(value);
                              return true;
                            }),
                IsOk());
    return records;
  };
  EXPECT_EQ(dump(Column::kMeta), (Records{
                                     {"6e", "02000000"},
                                     {"7400000001",
                                      "0a0174"              // name: "t"
                                      "1003"                // partitions: 3
                                      "2002"                // default_durability: SYNCED
                                      "28808040"            // max_event_bytes: 1 MiB
                                      "320164"              // description: "d"
                                      "3a060880e2cfaa06"},  // create_time: 1,700,000,000 s
                                 }));
  const Records producers = dump(Column::kProducers);
  ASSERT_EQ(producers.size(), 2u);
  const std::string prefix =
      "00000001"
      "0002"
      "7072";
  EXPECT_TRUE(producers.contains(prefix + "00"));
  EXPECT_EQ(producers.at(prefix + "01"),
            "01000000"          // Version.
            "0201000000000000"  // Epoch.
            "0100000000000000"  // Sequence.
            "00401e18240a0600" +
                BytesToHexString(answer.SerializeAsString()));
  const Records events = dump(Column::kEvents);
  ASSERT_EQ(events.size(), 2u);
  const std::string region = EncodeEvent(MakeEvent("a")) + EncodeEvent(MakeEvent("b"));
  EXPECT_EQ(events.at("00000001"
                      "00000002"
                      "0000000000000002"),
            BytesToHexString(region));
}

// Records that are not what the format says are refused at the start, by name.
TEST(StoredRecords, DamagedOnesAreRefused) {
  const std::vector<std::pair<std::string, std::string>> records = {
      {std::string(kNextTopicIdKey), "\x01\x02"},
      {TopicKey(TopicId(1)), "\xff"},
      {LogStartKey(TopicId(1), PartitionId(0)), std::string(20, '\x02')},
  };
  for (const auto& [key, value] : records) {
    BrokerRig rig;
    ASSERT_THAT(rig.Open(), IsOk());
    ASSERT_THAT(rig.Create("t"), IsOk());
    rig.Close();
    LogStoreOptions options;
    options.directory = rig.disk.directory() + "/hub";
    options.env = rig.disk.env();
    {
      ASSERT_OK_AND_ASSIGN(const auto store, LogStore::Open(options));
      CommitBuilder commit(*store, rig.clock.Now(), 100);
      commit.Put(Column::kMeta, key, value);
      ASSERT_THAT(commit.Write(*store), IsOk());
    }
    EXPECT_THAT(rig.Open(), StatusIs(absl::StatusCode::kDataLoss)) << BytesToHexString(key);
  }
}

}  // namespace
}  // namespace eventhub
