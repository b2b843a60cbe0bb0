// The stored records of the broker, byte for byte, as storage/FORMAT.md describes them. Changing
// this test changes the format.
#include <future>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/escaping.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "server/core/archive/archives.h"
#include "server/core/topic/compaction_state.h"
#include "storage/commit_builder.h"
#include "storage/key_codec.h"
#include "storage/log_store.h"
#include "tests/server/broker_rig.h"
#include "tests/server/fake_lake.h"
#include "tests/server/subscription_rig.h"
#include "tests/support/caller.h"

namespace eventhub {
namespace {

using absl::BytesToHexString;
using Records = std::map<std::string, std::string>;

TEST(StoredRecords, BrokerRecordsAreStable) {
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
  Records meta = dump(Column::kMeta);
  EXPECT_EQ(meta["68"].size(), 32u);  // The hub's id: 16 random bytes.
  meta.erase("68");
  const std::string run =
      "69"
      "00000001"
      "00000002"
      "0000000000000000";
  EXPECT_EQ(meta[run].substr(0, 8), "01000000");  // Then 8 random bytes.
  EXPECT_EQ(meta[run].size(), 24u);
  meta.erase(run);
  EXPECT_EQ(meta, (Records{
                      {"67", "0100000000000000"},  // Opened once.
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

TEST(StoredRecords, DelayedEventRecordsAreStable) {
  BrokerRig rig;
  ASSERT_THAT(rig.Open(), IsOk());
  ASSERT_THAT(rig.Create("t", 4), IsOk());
  v1::PublishStreamRequest request = MakeRequest("t", {"a"});
  request.mutable_events(0)->mutable_deliver_after()->set_seconds(1);
  ASSERT_THAT(rig.Publish(request), IsOk());
  request.set_partition(3);
  ASSERT_THAT(rig.Publish(request), IsOk());
  rig.Close();

  LogStoreOptions options;
  options.directory = rig.disk.directory() + "/hub";
  options.env = rig.disk.env();
  ASSERT_OK_AND_ASSIGN(const auto store, LogStore::Open(options));
  Records records;
  // The lower 40 bits of the sequence count from a random number.
  std::optional<DelayedKey> first;
  ASSERT_THAT(
      store->Scan(
          Column::kDelayed, "",
          [&](absl::string_view key, absl::string_view value) {
            std::optional<DelayedKey> event = ParseDelayedKey(key);
            if (event.has_value()) {
              if (!first.has_value()) first = event;
              event->sequence -= first->sequence & 0xff'ffff'ffff;
            }
            records[BytesToHexString(event.has_value() ? event->Encode() : std::string(key))] =
                BytesToHexString(value);
            return true;
          }),
      IsOk());
  const std::string event = BytesToHexString(EncodeEvent(MakeEvent("a")));
  EXPECT_EQ(records, (Records{
                         {"00000001",  // The topic.
                          "01000000"   // Version.
                          "0200000000000000"},
                         {"00000001"
                          "00060a24182d8240"   // Due: 1,700,000,001 s.
                          "0000010000000000",  // The first event of the first generation.
                          "01000000"           // Version.
                          "00401e18240a0600"   // Accepted: 1,700,000,000 s.
                          "00"
                          "ffffffff" +
                              event},
                         {"00000001"
                          "00060a24182d8240"
                          "0000010000000001",
                          "01000000"
                          "00401e18240a0600"
                          "01"
                          "03000000" +  // The partition.
                              event},
                     }));
}

TEST(StoredRecords, SubscriptionRecordsAreStable) {
  BrokerRig rig;
  ASSERT_THAT(rig.Open(), IsOk());
  ASSERT_THAT(rig.Create("t", 2), IsOk());
  ASSERT_THAT(rig.Publish("t", {"a", "b"}, 1), IsOk());
  v1::CreateSubscriptionRequest request;
  request.mutable_subscription()->set_name("s");
  request.mutable_subscription()->set_topic("t");
  request.mutable_subscription()->set_kind(v1::Subscription::KIND_QUEUE);
  std::promise<absl::StatusOr<v1::Subscription>> created;
  rig.broker().subscriptions().Create(kTester, request,
                                      [&](auto result) { created.set_value(std::move(result)); });
  ASSERT_OK_AND_ASSIGN(const v1::Subscription subscription, created.get_future().get());
  v1::CreateSnapshotRequest snapshot;
  snapshot.set_subscription("s");
  snapshot.set_name("kept");
  std::promise<absl::Status> kept;
  rig.broker().subscriptions().snapshots().Create(
      kTester, snapshot, [&](auto result) { kept.set_value(result.status()); });
  ASSERT_THAT(kept.get_future().get(), IsOk());
  rig.Close();

  LogStoreOptions options;
  options.directory = rig.disk.directory() + "/hub";
  options.env = rig.disk.env();
  ASSERT_OK_AND_ASSIGN(const auto store, LogStore::Open(options));
  const auto dump = [&](Column column, absl::string_view prefix) {
    Records records;
    EXPECT_THAT(store->Scan(column, prefix,
                            [&](absl::string_view key, absl::string_view value) {
                              records[BytesToHexString(key)] = BytesToHexString(value);
                              return true;
                            }),
                IsOk());
    return records;
  };
  EXPECT_EQ(dump(Column::kMeta, kNextSubscriptionIdKey), (Records{{"76", "02000000"}}));
  EXPECT_EQ(dump(Column::kMeta, kSubscriptionKeyPrefix),
            (Records{{"7500000001",
                      "0801"                              // version
                      "1001"                              // topic_id
                      "1a33"                              // settings
                      "0a0173"                            // name: "s"
                      "120174"                            // topic: "t"
                      "1802"                              // kind: QUEUE
                      "2a02081e"                          // ack_deadline: 30 s
                      "320b0a051080c2d72f1202083c"        // retry_policy: 100 ms to 1 min
                      "420e732e646561642d6c657474657273"  // "s.dead-letters"
                      "6002"                              // ack_durability: SYNCED
                      "72060880e2cfaa06"                  // create_time
                      "288080f9c0c1c48203"}}));           // last_used_micros
  EXPECT_EQ(dump(Column::kCursors, ""),
            (Records{
                {"000000010100000000", "0801"},      // At the start of an empty partition.
                {"000000010100000001", "08011002"},  // next_offset: 2
                {"00000001036b657074",               // The snapshot "kept".
                 "0801"                              // version
                 "108080f9c0c1c48203"                // create_time_micros
                 "2200"                              // partition 0
                 "220408011002"},                    // partition 1, next_offset: 2
            }));
}

TEST(StoredRecords, PendingRangeRecordsAreStable) {
  SubscriptionRig rig;
  ASSERT_THAT(rig.Open(), IsOk());
  ASSERT_THAT(rig.Create("t"), IsOk());
  ASSERT_THAT(rig.Publish("t", {"a", "b", "c"}), IsOk());
  v1::Subscription queue = SubscriptionOf("s", "t", v1::Subscription::KIND_QUEUE);
  ASSERT_THAT(rig.Subscribe(queue), IsOk());
  {
    const auto consumer = rig.Consume("s", "c");
    const std::vector<Received> events = consumer->Receive(3);
    ASSERT_EQ(events.size(), 3u);
    consumer->Nack(events[0], v1::Nack::ACTION_RETRY, "why", absl::Seconds(60));
  }
  rig.Close();

  LogStoreOptions options;
  options.directory = rig.disk.directory() + "/hub";
  options.env = rig.disk.env();
  ASSERT_OK_AND_ASSIGN(const auto store, LogStore::Open(options));
  Records records;
  ASSERT_THAT(store->Scan(Column::kCursors, "",
                          [&](absl::string_view key, absl::string_view value) {
                            records[BytesToHexString(key)] = BytesToHexString(value);
                            return true;
                          }),
              IsOk());
  EXPECT_EQ(records, (Records{
                         {"000000010100000000", "08011003"},  // The cursor, next_offset: 3
                         {"0000000102000000000000000000000000",
                          "0801"                // version
                          "1001"                // count
                          "1801"                // attempts
                          "20808ec7ddc1c48203"  // retry_time_micros: in a minute
                          "3203776879"          // reason: "why"
                          "4001"},              // delivered
                         {"0000000102000000000000000000000001",
                          "0801"  // version
                          "1002"  // count
                          "1801"  // attempts
                          "322d" +
                              BytesToHexString("its consumer disconnected without settling it") +
                              "4001"    // delivered
                              "4801"},  // silent
                     }));
}

TEST(StoredRecords, FaultRecordsAreStable) {
  SubscriptionRig rig;
  ASSERT_THAT(rig.Open(), IsOk());
  ASSERT_THAT(rig.Create("t"), IsOk());
  ASSERT_THAT(rig.Publish("t", {"a", "b"}), IsOk());
  ASSERT_THAT(rig.Subscribe(SubscriptionOf("s", "t", v1::Subscription::KIND_QUEUE)), IsOk());
  {
    const auto consumer = rig.Consume("s", "c");
    const std::vector<Received> events = consumer->Receive(2);
    ASSERT_EQ(events.size(), 2u);
    v1::FaultDetail detail;
    detail.set_pipeline("p");
    detail.set_error("E");
    consumer->Park(events[0], {detail});
    detail.Clear();
    detail.set_pipeline("q");
    consumer->Park(events[1], {detail});
  }
  const std::vector<v1::DeadLetter> letters = rig.DeadLetters("s");
  ASSERT_EQ(letters.size(), 2u);
  const std::string p = letters[0].fault_id();
  const std::string q = letters[1].fault_id();
  v1::RedriveDeadLettersRequest redrive;
  redrive.set_subscription("s");
  redrive.mutable_selector()->add_pipelines("p");
  ASSERT_THAT(rig.Redrive(redrive), IsOk());
  rig.Close();

  LogStoreOptions options;
  options.directory = rig.disk.directory() + "/hub";
  options.env = rig.disk.env();
  ASSERT_OK_AND_ASSIGN(const auto store, LogStore::Open(options));
  const auto dump = [&](Column column, absl::string_view prefix) {
    Records records;
    EXPECT_THAT(store->Scan(column, prefix,
                            [&](absl::string_view key, absl::string_view value) {
                              records[BytesToHexString(key)] = BytesToHexString(value);
                              return true;
                            }),
                IsOk());
    return records;
  };
  const std::string now = "8080f9c0c1c48203";  // Microseconds.
  EXPECT_EQ(dump(Column::kCursors, ""),
            (Records{
                {"000000010100000000", "08011002"},  // The cursor, next_offset: 2
                {"0000000102000000000000000000000000",
                 "0801"      // version
                 "1001"      // count
                 "2801"      // extra
                 "3a020802"  // redriven_from: topic_id 2, partition 0, offset 0
                 "520170"},  // pipelines: "p"
                {"000000010400000002000000000000000000000001",
                 "0801"        // version
                 "1801"        // source_offset
                 "2001"        // attempts
                 "2a03776879"  // reason: "why"
                 "30" +
                     now +         // time_micros
                     "3a10" + q +  // fault_id
                     "4203120171"  // detail: pipeline "q"
                     "4801"        // failures
                     "50" +
                     now},  // first_time_micros
            }));
  EXPECT_EQ(dump(Column::kMeta, "f"),
            (Records{
                {"6600000001" + q,
                 "0801"          // version; state: OPEN
                 "1a0408021801"  // place: topic_id 2, partition 0, offset 1
                 "2001"          // failures
                 "28" +
                     now},  // first_time_micros
                {"6600000001" + p,
                 "0801"      // version
                 "1001"      // state: REDRIVEN
                 "1a020802"  // place: topic_id 2, partition 0, offset 0
                 "2001"      // failures
                 "28" +
                     now +         // first_time_micros
                     "30" + now +  // close_time_micros
                     "3a37"        // letter
                     "0801"        // version
                     "2001"        // attempts
                     "2a03776879"  // reason: "why"
                     "30" +
                     now +               // time_micros
                     "3a10" + p +        // fault_id
                     "4206120170220145"  // detail: pipeline "p", error "E"
                     "4801"              // failures
                     "50" +
                     now},  // first_time_micros
            }));
}

TEST(StoredRecords, LinkRecordsAreStable) {
  BrokerRig rig;
  ASSERT_THAT(rig.Open(), IsOk());
  ASSERT_THAT(rig.Create("t"), IsOk());
  v1::CreateLinkRequest request;
  request.mutable_link()->set_name("l");
  request.mutable_link()->set_remote_address("h:1");
  request.mutable_link()->set_remote_topic("out");
  request.mutable_link()->set_local_topic("t");
  request.mutable_link()->mutable_start()->set_latest(true);
  std::promise<absl::Status> created;
  rig.broker().links().Create(kTester, request,
                              [&](auto result) { created.set_value(result.status()); });
  ASSERT_THAT(created.get_future().get(), IsOk());
  const auto submit = [&](LinkStep step) {
    step.link = rig.broker().links().catalog().Find("l");
    step.generation = step.link->generation();
    std::promise<absl::Status> done;
    rig.broker().links().Submit(kTester, std::move(step),
                                [&](const auto& s) { done.set_value(s); });
    return done.get_future().get();
  };
  LinkStep old;
  old.origin = LinkOrigin{"old", 1};
  old.moves.push_back({0, std::nullopt, 9, {}, 3, 4});
  ASSERT_THAT(submit(std::move(old)), IsOk());
  LinkStep step;
  step.origin = LinkOrigin{"hub", 2};
  step.moves.push_back({2, std::nullopt, 5, {}, 1, 2});
  step.moves.push_back({0, std::nullopt, 0, {}, 0, 0});
  ASSERT_THAT(submit(std::move(step)), IsOk());
  rig.Close();

  LogStoreOptions options;
  options.directory = rig.disk.directory() + "/hub";
  options.env = rig.disk.env();
  ASSERT_OK_AND_ASSIGN(const auto store, LogStore::Open(options));
  const auto dump = [&](absl::string_view prefix) {
    Records records;
    EXPECT_THAT(store->Scan(Column::kMeta, prefix,
                            [&](absl::string_view key, absl::string_view value) {
                              records[BytesToHexString(key)] = BytesToHexString(value);
                              return true;
                            }),
                IsOk());
    return records;
  };
  EXPECT_EQ(dump(kLinkKeyPrefix), (Records{{"6c00000001",
                                            "0801"              // version
                                            "1001"              // topic_id
                                            "1a1c"              // settings
                                            "0a016c"            // name: "l"
                                            "1203683a31"        // remote_address: "h:1"
                                            "1a036f7574"        // remote_topic: "out"
                                            "220174"            // local_topic: "t"
                                            "32021001"          // start: latest
                                            "4a060880e2cfaa06"  // create_time
                                            "2001"              // started
                                            "2a03687562"        // remote_hub_id: "hub"
                                            "3002"              // remote_topic_micros
                                            "3803"              // lost_events
                                            "4004"}}));         // refused_events
  EXPECT_EQ(dump(kLinkPositionKeyPrefix), (Records{
                                              {"6b0000000100000000", "0801"},  // At the start.
                                              {"6b0000000100000002",
                                               "0801"    // version
                                               "1005"    // next_offset
                                               "1801"    // lost_events
                                               "2002"},  // refused_events
                                          }));
}

TEST(StoredRecords, NotedTimeRecordIsStable) {
  BrokerRig rig;
  rig.maintenance = MaintenanceOptions();
  ASSERT_THAT(rig.Open(), IsOk());
  rig.Close();
  LogStoreOptions options;
  options.directory = rig.disk.directory() + "/hub";
  options.env = rig.disk.env();
  ASSERT_OK_AND_ASSIGN(const auto store, LogStore::Open(options));
  ASSERT_OK_AND_ASSIGN(const auto record, store->Get(Column::kMeta, kNotedTimeKey));
  EXPECT_EQ(BytesToHexString(record.value()),
            "01000000"            // version
            "00401e18240a0600");  // 1,700,000,000 s in microseconds
}

// A start refuses records that violate the format, and names them.
TEST(StoredRecords, OpenRejectsDamagedRecords) {
  const std::vector<std::pair<std::string, std::string>> records = {
      {std::string(kNextTopicIdKey), "\x01\x02"},
      {TopicKey(TopicId(1)), "\xff"},
      {LogStartKey(TopicId(1), PartitionId(0)), std::string(20, '\x02')},
      {std::string(kGenerationKey), "\x01\x02"},
      {std::string(kNotedTimeKey), "\x01\x02"},
      {std::string(kNextSubscriptionIdKey), "\x01\x02"},
      {SubscriptionKey(SubscriptionId(1)), "\xff"},                              // Not a message.
      {SubscriptionKey(SubscriptionId(1)), std::string("\x08\x02\x10\x01", 4)},  // Version 2.
      {SubscriptionKey(SubscriptionId(1)), std::string("\x08\x01\x10\x09", 4)},  // No such topic.
      {LinkKey(LinkId(1)), "\xff"},                                              // Not a message.
      {LinkKey(LinkId(1)), std::string("\x08\x01\x10\x01", 4)},  // Without settings.
      {LinkPositionKey(LinkId(1), PartitionId(0)), "\x08\x01"},  // No such link.
      {std::string(kLinkPositionKeyPrefix), "\x08\x01"},         // No key.
  };
  for (const auto& [key, value] : records) {
    SCOPED_TRACE(BytesToHexString(key));
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
    EXPECT_THAT(rig.Open(), StatusIs(absl::StatusCode::kDataLoss));
  }
}

TEST(StoredRecords, OpenRejectsDamagedCursorRecords) {
  const std::string version_1("\x08\x01", 2);
  const std::vector<std::pair<std::string, std::string>> records = {
      {"\x01", version_1},                                        // No key.
      {CursorKey(SubscriptionId(7), PartitionId(0)), version_1},  // No such subscription.
      {SubscriptionPrefix(SubscriptionId(7)) + "\x05" + "rest", version_1},  // No such kind.
  };
  for (const auto& [key, value] : records) {
    SCOPED_TRACE(BytesToHexString(key));
    BrokerRig rig;
    ASSERT_THAT(rig.Open(), IsOk());
    rig.Close();
    LogStoreOptions options;
    options.directory = rig.disk.directory() + "/hub";
    options.env = rig.disk.env();
    {
      ASSERT_OK_AND_ASSIGN(const auto store, LogStore::Open(options));
      CommitBuilder commit(*store, rig.clock.Now(), 100);
      commit.Put(Column::kCursors, key, value);
      ASSERT_THAT(commit.Write(*store), IsOk());
    }
    EXPECT_THAT(rig.Open(), StatusIs(absl::StatusCode::kDataLoss));
  }
}

TEST(StoredRecords, CompactionStateIsLittleEndian) {
  CompactionState state;
  state.compacted_to = {Offset(0x0102), 0x0304};
  state.removed = {0x05, 0x06};
  state.next = Offset(0x07);
  state.end = {Offset(0x08), 0x09};
  const std::string value = state.Encode();
  EXPECT_EQ(BytesToHexString(value),
            "01000000"  // Version.
            "0201000000000000"
            "0403000000000000"
            "0500000000000000"
            "0600000000000000"
            "0700000000000000"
            "0800000000000000"
            "0900000000000000");
  ASSERT_OK_AND_ASSIGN(const CompactionState decoded, CompactionState::Decode(value));
  EXPECT_EQ(decoded.Encode(), value);
  EXPECT_TRUE(decoded.in_progress());
  for (size_t size = 0; size < value.size(); ++size) {
    EXPECT_THAT(CompactionState::Decode(value.substr(0, size)),
                StatusIs(absl::StatusCode::kDataLoss));
  }
  state.next = Offset(9);  // Beyond the end of its pass.
  EXPECT_THAT(CompactionState::Decode(state.Encode()), StatusIs(absl::StatusCode::kDataLoss));
}

TEST(StoredRecords, ArchivePositionIsLittleEndian) {
  ArchivePosition position{{Offset(0x0102), 0x0304}, 0x05, Offset(0x06)};
  const std::string value = position.Encode();
  EXPECT_EQ(BytesToHexString(value),
            "02000000"  // Version.
            "0201000000000000"
            "0403000000000000"
            "0500000000000000"
            "0600000000000000");
  ASSERT_OK_AND_ASSIGN(const ArchivePosition decoded, ArchivePosition::Decode(value));
  EXPECT_EQ(decoded.Encode(), value);
  for (size_t size = 0; size < value.size(); ++size) {
    EXPECT_THAT(ArchivePosition::Decode(value.substr(0, size)),
                StatusIs(absl::StatusCode::kDataLoss));
  }
  position.begin = Offset(0x0103);  // Beyond the end of what is archived.
  EXPECT_THAT(ArchivePosition::Decode(position.Encode()), StatusIs(absl::StatusCode::kDataLoss));
}

TEST(StoredRecords, ArchivePositionsOfVersion1BeginAfterTheMissingEvents) {
  const std::string value = absl::HexStringToBytes(
      "01000000"
      "0201000000000000"
      "0403000000000000"
      "0500000000000000");
  ASSERT_OK_AND_ASSIGN(const ArchivePosition decoded, ArchivePosition::Decode(value));
  EXPECT_EQ(decoded.to.offset, Offset(0x0102));
  EXPECT_EQ(decoded.missing, 0x05u);
  EXPECT_EQ(decoded.begin, Offset(0x05));
}

// The intent of an object, and then the complete object, with the position of its partition.
TEST(StoredRecords, ArchiveRecordsAreStable) {
  BrokerRig rig;
  rig.archive = ArchiveOptions{};
  ASSERT_THAT(rig.Open(), IsOk());
  ASSERT_THAT(rig.Create("t"), IsOk());
  ASSERT_THAT(rig.Publish("t", {"a"}), IsOk());
  FakeLake lake;
  auto archive = rig.broker().archives()->List().front();
  const auto advance = [&] {
    return rig.broker().archives()->Advance(*archive, lake,
                                            [](size_t) { return absl::OkStatus(); });
  };
  const auto records = [&] {
    archive.reset();  // It must not outlive the broker.
    rig.Close();
    LogStoreOptions options;
    options.directory = rig.disk.directory() + "/hub";
    options.env = rig.disk.env();
    Records found;
    const auto store = LogStore::Open(options);
    EXPECT_THAT(store, IsOk());
    for (const char* prefix : {"o", "p"}) {
      EXPECT_THAT((*store)->Scan(Column::kMeta, prefix,
                                 [&](absl::string_view key, absl::string_view value) {
                                   found[BytesToHexString(key)] = BytesToHexString(value);
                                   return true;
                                 }),
                  IsOk());
    }
    return found;
  };
  lake.SetFault([](absl::string_view step) {
    return step == "list" ? absl::UnavailableError("down") : absl::OkStatus();
  });
  EXPECT_THAT(advance(), StatusIs(absl::StatusCode::kUnavailable));
  const Records found = records();
  ASSERT_EQ(found.size(), 2u);
  EXPECT_EQ(found.at("7000000001"
                     "00000000"),
            "02000000"
            "0100000000000000"
            "1b00000000000000"
            "0000000000000000"
            "0000000000000000");
  stored::Archive stored;
  ASSERT_TRUE(stored.ParseFromString(absl::HexStringToBytes(found.at("6f00000001"))));
  EXPECT_EQ(stored.version(), 1u);
  EXPECT_EQ(stored.objects(), 1u);
  EXPECT_EQ(stored.events(), 1u);
  EXPECT_FALSE(stored.has_intent());
  ASSERT_EQ(stored.unlisted_size(), 1);
  EXPECT_EQ(stored.unlisted(0).sequence(), 1u);
  EXPECT_EQ(stored.unlisted(0).hour(), 1'700'000'000 / 3600);
  EXPECT_EQ(stored.unlisted(0).ranges(0).to(), 1);
}

TEST(StoredRecords, LatestEventOfKey) {
  BrokerRig rig;
  ASSERT_THAT(rig.Open(), IsOk());
  v1::Topic topic;
  topic.set_name("t");
  topic.mutable_retention()->mutable_latest_per_key();
  ASSERT_THAT(rig.Create(topic), IsOk());
  v1::PublishStreamRequest request = MakeRequest("t", {"a"});
  *request.add_events() = MakeEvent("b", "k", "data");
  ASSERT_THAT(rig.Publish(request), IsOk());
  rig.Close();
  LogStoreOptions options;
  options.directory = rig.disk.directory() + "/hub";
  options.env = rig.disk.env();
  ASSERT_OK_AND_ASSIGN(const auto store, LogStore::Open(options));
  Records records;
  EXPECT_THAT(store->Scan(Column::kLatest, "",
                          [&](absl::string_view key, absl::string_view value) {
                            records[BytesToHexString(key)] = BytesToHexString(value);
                            return true;
                          }),
              IsOk());
  EXPECT_EQ(records, (Records{{"00000001"
                               "00000000"
                               "04c37d9993e28be6a921e3704fda881d",  // XXH3_128 of "k".
                               "01000000"
                               "0100000000000000"}}));
}

}  // namespace
}  // namespace eventhub
