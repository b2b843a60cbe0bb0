// The bytes on disk, as described in storage/FORMAT.md. A change to one of these tests changes the
// format.
#include <optional>
#include <string>

#include "absl/strings/escaping.h"
#include "gtest/gtest.h"
#include "storage/key_codec.h"
#include "storage/record_batch.h"
#include "tests/storage/log_rig.h"
#include "tests/support/status_matchers.h"

namespace eventhub {
namespace {

using absl::BytesToHexString;

TEST(KeyCodec, BatchKeyIsBigEndian) {
  const BatchKey key(TopicId(0x01020304), PartitionId(0x05060708), Offset(0x090a0b0c0d0e0f10));
  EXPECT_EQ(BytesToHexString(key.view()), "0102030405060708090a0b0c0d0e0f10");
  EXPECT_EQ(BatchKey::BaseOf(key.view()), Offset(0x090a0b0c0d0e0f10));
}

TEST(KeyCodec, MetaKeys) {
  EXPECT_EQ(BytesToHexString(TopicKey(TopicId(0x01020304))), "7401020304");
  EXPECT_EQ(TopicIdOf(TopicKey(TopicId(0x01020304))), TopicId(0x01020304));
  EXPECT_EQ(BytesToHexString(LogStartPrefix(TopicId(0x01020304))), "7301020304");
  EXPECT_EQ(BytesToHexString(LogStartKey(TopicId(0x01020304), PartitionId(0x0a0b0c0d))),
            "73010203040a0b0c0d");
  EXPECT_EQ(BytesToHexString(CompactionPrefix(TopicId(0x01020304))), "6301020304");
  EXPECT_EQ(BytesToHexString(CompactionKey(TopicId(0x01020304), PartitionId(0x0a0b0c0d))),
            "63010203040a0b0c0d");
  EXPECT_EQ(BytesToHexString(LatestKey(TopicId(0x01020304), PartitionId(0x0a0b0c0d), "hash")),
            "010203040a0b0c0d68617368");
  EXPECT_EQ(kNextTopicIdKey, "n");
  EXPECT_EQ(kTopicKeyPrefix, "t");
  EXPECT_EQ(BytesToHexString(SubscriptionKey(SubscriptionId(0x01020304))), "7501020304");
  EXPECT_EQ(SubscriptionIdOf(SubscriptionKey(SubscriptionId(0xf1020304))),
            SubscriptionId(0xf1020304));
  EXPECT_EQ(kSubscriptionKeyPrefix, "u");
  EXPECT_EQ(kNextSubscriptionIdKey, "v");
  EXPECT_EQ(kGenerationKey, "g");
  EXPECT_EQ(kHubIdKey, "h");
}

TEST(KeyCodec, LinkKeys) {
  EXPECT_EQ(kLinkKeyPrefix, "l");
  EXPECT_EQ(kLinkPositionKeyPrefix, "k");
  EXPECT_EQ(BytesToHexString(LinkKey(LinkId(0xf1020304))), "6cf1020304");
  EXPECT_EQ(ParseLinkKey(LinkKey(LinkId(0xf1020304))), LinkId(0xf1020304));
  const std::string key = LinkPositionKey(LinkId(0x01020304), PartitionId(0xfa0b0c0d));
  EXPECT_EQ(BytesToHexString(key), "6b01020304fa0b0c0d");
  EXPECT_EQ(ParseLinkPositionKey(key), std::make_pair(LinkId(0x01020304), PartitionId(0xfa0b0c0d)));
  EXPECT_EQ(ParseLinkKey("l123"), std::nullopt);
  EXPECT_EQ(ParseLinkKey("l12345"), std::nullopt);
  EXPECT_EQ(ParseLinkPositionKey(key.substr(0, key.size() - 1)), std::nullopt);
  EXPECT_EQ(ParseLinkPositionKey(key + "x"), std::nullopt);
}

TEST(KeyCodec, FaultKeys) {
  const std::string id = "0123456789abcdef";
  const std::string key = FaultKey(SubscriptionId(0x01020304), id);
  EXPECT_EQ(BytesToHexString(key), "660102030430313233343536373839616263646566");
  EXPECT_EQ(BytesToHexString(FaultPrefix(SubscriptionId(0x01020304))), "6601020304");
  const auto parsed = ParseFaultKey(key);
  ASSERT_TRUE(parsed.has_value());
  EXPECT_EQ(parsed->first, SubscriptionId(0x01020304));
  EXPECT_EQ(parsed->second, id);
  for (const std::string& wrong :
       {std::string(), key + "x", key.substr(0, key.size() - 1), "g" + key.substr(1)}) {
    EXPECT_FALSE(ParseFaultKey(wrong).has_value()) << BytesToHexString(wrong);
  }
}

TEST(KeyCodec, ProducerKey) {
  const std::string prefix = ProducerPrefix(TopicId(0x01020304), "abc");
  EXPECT_EQ(BytesToHexString(prefix),
            "01020304"
            "0003"
            "616263");
  EXPECT_EQ(ProducerNameOf(prefix + '\x3f'), "abc");
  EXPECT_EQ(BytesToHexString(TopicPrefix(TopicId(0x01020304))), "01020304");
}

TEST(KeyCodec, DelayedKey) {
  const DelayedKey key{TopicId(0x01020304), 0x05060708090a0b0c, 0xf112131415161718};
  EXPECT_EQ(BytesToHexString(key.Encode()), "0102030405060708090a0b0cf112131415161718");
  const std::optional<DelayedKey> parsed = ParseDelayedKey(key.Encode());
  ASSERT_TRUE(parsed.has_value());
  EXPECT_EQ(parsed->topic, key.topic);
  EXPECT_EQ(parsed->due_micros, key.due_micros);
  EXPECT_EQ(parsed->sequence, key.sequence);
  EXPECT_EQ(TopicIdOfPrefix(key.Encode()), key.topic);
  EXPECT_FALSE(ParseDelayedKey(TopicPrefix(key.topic)).has_value());
  EXPECT_FALSE(ParseDelayedKey(key.Encode() + '0').has_value());
  EXPECT_FALSE(ParseDelayedKey(key.Encode().substr(1)).has_value());
}

TEST(KeyCodec, KeysSortByTopicPartitionAndOffset) {
  const BatchKey low(TopicId(1), PartitionId(255), Offset(255));
  const BatchKey higher_offset(TopicId(1), PartitionId(255), Offset(256));
  const BatchKey higher_partition(TopicId(1), PartitionId(256), Offset(0));
  const BatchKey higher_topic(TopicId(256), PartitionId(0), Offset(0));
  EXPECT_LT(low.view(), higher_offset.view());
  EXPECT_LT(higher_offset.view(), higher_partition.view());
  EXPECT_LT(higher_partition.view(), higher_topic.view());
}

TEST(KeyCodec, CursorsKeys) {
  constexpr SubscriptionId kSubscription(0x01020304);
  constexpr PartitionId kPartition(0x0a0b0c0d);
  constexpr Offset kOffset(0x1112131415161718);
  EXPECT_EQ(BytesToHexString(SubscriptionPrefix(kSubscription)), "01020304");
  EXPECT_EQ(BytesToHexString(CursorKey(kSubscription, kPartition)), "01020304010a0b0c0d");
  EXPECT_EQ(BytesToHexString(PendingPrefix(kSubscription, kPartition)), "01020304020a0b0c0d");
  EXPECT_EQ(BytesToHexString(PendingKey(kSubscription, kPartition, kOffset)),
            "01020304020a0b0c0d1112131415161718");
  EXPECT_EQ(BytesToHexString(SnapshotPrefix(kSubscription)), "0102030403");
  EXPECT_EQ(BytesToHexString(SnapshotKey(kSubscription, "abc")), "0102030403616263");
  EXPECT_EQ(BytesToHexString(DeadLetterPrefix(kSubscription)), "0102030404");
  EXPECT_EQ(
      BytesToHexString(DeadLetterKey(kSubscription, TopicId(0x05060708), kPartition, kOffset)),
      "0102030404050607080a0b0c0d1112131415161718");
}

TEST(KeyCodec, ParsesCursorsKeys) {
  constexpr SubscriptionId kSubscription(0xf1020304);
  constexpr PartitionId kPartition(0xfa0b0c0d);
  const auto parse = [](const std::string& key) {
    const std::optional<CursorsKey> parsed = ParseCursorsKey(key);
    EXPECT_TRUE(parsed.has_value()) << BytesToHexString(key);
    return parsed.value_or(CursorsKey());
  };
  const CursorsKey cursor = parse(CursorKey(kSubscription, kPartition));
  EXPECT_EQ(cursor.subscription, kSubscription);
  EXPECT_EQ(cursor.kind, CursorsKind::kCursor);
  EXPECT_EQ(cursor.partition, kPartition);

  const CursorsKey pending = parse(PendingKey(kSubscription, kPartition, Offset::Max()));
  EXPECT_EQ(pending.subscription, kSubscription);
  EXPECT_EQ(pending.kind, CursorsKind::kPending);
  EXPECT_EQ(pending.partition, kPartition);
  EXPECT_EQ(pending.offset, Offset::Max());

  const std::string key = SnapshotKey(kSubscription, std::string("a\0\xff", 3));
  const CursorsKey snapshot = parse(key);
  EXPECT_EQ(snapshot.subscription, kSubscription);
  EXPECT_EQ(snapshot.kind, CursorsKind::kSnapshot);
  EXPECT_EQ(snapshot.name, absl::string_view("a\0\xff", 3));

  const CursorsKey letter =
      parse(DeadLetterKey(kSubscription, TopicId(0xf5060708), kPartition, Offset(7)));
  EXPECT_EQ(letter.subscription, kSubscription);
  EXPECT_EQ(letter.kind, CursorsKind::kDeadLetter);
  EXPECT_EQ(letter.topic, TopicId(0xf5060708));
  EXPECT_EQ(letter.partition, kPartition);
  EXPECT_EQ(letter.offset, Offset(7));
}

TEST(KeyCodec, RejectsMalformedCursorsKeys) {
  constexpr SubscriptionId kSubscription(1);
  constexpr PartitionId kPartition(2);
  for (const std::string& key : {
           CursorKey(kSubscription, kPartition),
           PendingKey(kSubscription, kPartition, Offset(3)),
           DeadLetterKey(kSubscription, TopicId(4), kPartition, Offset(3)),
       }) {
    for (size_t size = 0; size < key.size(); ++size) {
      EXPECT_FALSE(ParseCursorsKey(key.substr(0, size)).has_value()) << BytesToHexString(key);
    }
    EXPECT_FALSE(ParseCursorsKey(key + "x").has_value()) << BytesToHexString(key);
  }
  EXPECT_FALSE(ParseCursorsKey(SnapshotPrefix(kSubscription)).has_value());  // No name.
  for (const char kind : {'\0', '\x05', '\xff'}) {
    std::string key = CursorKey(kSubscription, kPartition);
    key[4] = kind;
    EXPECT_FALSE(ParseCursorsKey(key).has_value()) << BytesToHexString(key);
  }
  for (std::string key : {PendingKey(kSubscription, kPartition, Offset(3)),
                          DeadLetterKey(kSubscription, TopicId(4), kPartition, Offset(3))}) {
    key[key.size() - 8] = '\x80';  // An offset is never negative.
    EXPECT_FALSE(ParseCursorsKey(key).has_value()) << BytesToHexString(key);
  }
}

TEST(KeyCodec, PrefixEndFollowsAllKeysWithPrefix) {
  EXPECT_EQ(PrefixEnd("ab"), "ac");
  EXPECT_EQ(PrefixEnd("a\xff\xff"), "b");
  EXPECT_EQ(PrefixEnd("\xff\xff"), "");
  EXPECT_EQ(PrefixEnd(""), "");
}

TEST(RecordBatch, HeaderIsLittleEndian) {
  BatchHeader header{0x01020304, 0x05060708, 0x090a0b0c0d0e0f10, 0x1112131415161718, {}};
  header.types.Add(0x21222324);
  header.types.Add(0x11121314);
  const std::string value = header.Encode();
  EXPECT_EQ(BytesToHexString(value),
            "02000000"  // Version.
            "04030201"
            "08070605"
            "100f0e0d0c0b0a09"
            "1817161514131211"
            "02"  // Types.
            "14131211"
            "24232221");
  ASSERT_OK_AND_ASSIGN(const BatchHeader decoded, BatchHeader::Decode(value));
  EXPECT_EQ(decoded.count, header.count);
  EXPECT_EQ(decoded.bytes, header.bytes);
  EXPECT_EQ(decoded.append_micros, header.append_micros);
  EXPECT_EQ(decoded.bytes_before, header.bytes_before);
  EXPECT_FALSE(decoded.types.any());
  EXPECT_THAT(decoded.types.hashes(), testing::ElementsAre(0x11121314u, 0x21222324u));
}

TEST(RecordBatch, HeaderOfCompactedBatchCountsRemovedEvents) {
  BatchHeader header{3, 0x40, 5, 6, {}};
  header.types.Add(0x11121314);
  header.removed = 2;
  header.removed_bytes = 0x0102030405060708;
  const std::string value = header.Encode();
  EXPECT_EQ(BytesToHexString(value),
            "03000000"  // Version.
            "03000000"
            "40000000"
            "0500000000000000"
            "0600000000000000"
            "01"  // Types.
            "14131211"
            "02000000"            // Removed events.
            "0807060504030201");  // And their bytes.
  ASSERT_OK_AND_ASSIGN(const BatchHeader decoded, BatchHeader::Decode(value));
  EXPECT_EQ(decoded.count, 3u);
  EXPECT_EQ(decoded.removed, 2u);
  EXPECT_EQ(decoded.removed_bytes, header.removed_bytes);
  EXPECT_FALSE(decoded.gone());
  EXPECT_EQ(EndOf(Offset(10), decoded).offset, Offset(13));
  EXPECT_EQ(EndOf(Offset(10), decoded).bytes_before, 6 + 0x40 + header.removed_bytes);
  for (size_t size = 0; size < value.size(); ++size) {
    EXPECT_FALSE(BatchHeader::Decode(value.substr(0, size)).ok()) << size;
  }
  header.removed = 4;  // More than there are.
  EXPECT_THAT(BatchHeader::Decode(header.Encode()),
              StatusIs(absl::StatusCode::kDataLoss, "removed"));
  header.removed = 3;  // All, and yet there are bytes.
  EXPECT_THAT(BatchHeader::Decode(header.Encode()),
              StatusIs(absl::StatusCode::kDataLoss, "removed"));
}

TEST(RecordBatch, HeaderOfAnyTypesListsNone) {
  BatchHeader header;
  header.types = TypeSummary::Any();
  const std::string value = header.Encode();
  EXPECT_EQ(BytesToHexString(value.substr(28)), "00");
  ASSERT_OK_AND_ASSIGN(const BatchHeader decoded, BatchHeader::Decode(value));
  EXPECT_TRUE(decoded.types.any());
}

TEST(RecordBatch, HeaderOfVersion1HasAnyTypes) {
  const std::string value = absl::HexStringToBytes(
      "01000000"
      "04030201"
      "08070605"
      "100f0e0d0c0b0a09"
      "1817161514131211");
  ASSERT_OK_AND_ASSIGN(const BatchHeader decoded, BatchHeader::Decode(value));
  EXPECT_EQ(decoded.count, 0x01020304u);
  EXPECT_EQ(decoded.bytes_before, 0x1112131415161718u);
  EXPECT_TRUE(decoded.types.any());
}

TEST(RecordBatch, LogStartIsLittleEndian) {
  const LogPosition start{Offset(0x0102030405060708), 0x1112131415161718};
  const std::string value = start.Encode();
  EXPECT_EQ(BytesToHexString(value),
            "01000000"  // Version.
            "0807060504030201"
            "1817161514131211");
  ASSERT_OK_AND_ASSIGN(const LogPosition decoded, LogPosition::Decode(value));
  EXPECT_EQ(decoded.offset, start.offset);
  EXPECT_EQ(decoded.bytes_before, start.bytes_before);
}

TEST(RecordBatch, RejectsOtherVersionsAndSizes) {
  std::string header = BatchHeader().Encode();
  std::string more = header;
  more.back() = 1;  // One type, which is missing.
  EXPECT_THAT(BatchHeader::Decode(more), StatusIs(absl::StatusCode::kDataLoss));
  EXPECT_THAT(BatchHeader::Decode(header + "x"), StatusIs(absl::StatusCode::kDataLoss));
  EXPECT_THAT(BatchHeader::Decode(header.substr(1)), StatusIs(absl::StatusCode::kDataLoss));
  EXPECT_THAT(BatchHeader::Decode(""), StatusIs(absl::StatusCode::kDataLoss));
  header[0] = 3;
  EXPECT_THAT(BatchHeader::Decode(header), StatusIs(absl::StatusCode::kDataLoss));

  std::string start = LogPosition().Encode();
  EXPECT_THAT(LogPosition::Decode(start + "x"), StatusIs(absl::StatusCode::kDataLoss));
  EXPECT_THAT(LogPosition::Decode(""), StatusIs(absl::StatusCode::kDataLoss));
  start[0] = 0;
  EXPECT_THAT(LogPosition::Decode(start), StatusIs(absl::StatusCode::kDataLoss));
}

// All records of a small log.
TEST(StoredRecords, LogRecordsMatchFormat) {
  LogRig rig(FaultEnv::Medium::kMemory);
  ASSERT_THAT(rig.Open(), IsOk());
  PartitionLog& log = rig.log(2);
  ASSERT_THAT(rig.Append(log, "first", 3, true), IsOk());
  ASSERT_THAT(rig.Append(log, "second", 1, true), IsOk());
  ASSERT_THAT(rig.Trim(log, Offset(3)), IsOk());

  const auto dump = [&](Column column) {
    std::vector<std::pair<std::string, std::string>> records;
    EXPECT_THAT(rig.store().Scan(column, "",
                                 [&](absl::string_view key, absl::string_view value) {
                                   records.emplace_back(BytesToHexString(key),
                                                        BytesToHexString(value));
                                   return true;
                                 }),
                IsOk());
    return records;
  };
  using Records = std::vector<std::pair<std::string, std::string>>;
  // The fake clock stands at 1,700,000,000 s.
  EXPECT_EQ(dump(Column::kIndex), (Records{{"00000007"
                                            "00000002"
                                            "0000000000000003",
                                            "02000000"
                                            "01000000"
                                            "06000000"
                                            "00401e18240a0600"
                                            "0500000000000000"
                                            "00"}}));
  EXPECT_EQ(dump(Column::kEvents), (Records{{"00000007"
                                             "00000002"
                                             "0000000000000003",
                                             "7365636f6e64"}}));
  const uint64_t run = rig.store().runs().current(TopicId(7));
  EXPECT_EQ(dump(Column::kMeta), (Records{{"69"
                                           "00000007"
                                           "00000002"
                                           "0000000000000000",
                                           BytesToHexString(EncodeRunRecord(run))},
                                          {"73"
                                           "00000007"
                                           "00000002",
                                           "01000000"
                                           "0300000000000000"
                                           "0500000000000000"}}));
  EXPECT_EQ(dump(Column::kProducers), Records());
  EXPECT_EQ(dump(Column::kCursors), Records());
}

TEST(StoredFiles, MatchFormat) {
  LogRig rig(FaultEnv::Medium::kDisk);
  ASSERT_THAT(rig.Open(), IsOk());
  EXPECT_EQ(rig.disk.ReadFile(rig.options.directory + "/EVENTHUB_FORMAT"), "4\n");
  for (const std::string& file : rig.disk.Files(rig.options.directory)) {
    const std::string name = file.substr(rig.options.directory.size());
    EXPECT_TRUE(name == "/EVENTHUB_FORMAT" || name == "/LOCK" || name.starts_with("/log/")) << name;
  }
}

}  // namespace
}  // namespace eventhub
