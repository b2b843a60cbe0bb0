// A lake that version 1 wrote is read for ever: tests/lake/golden/v1 has its files, which never
// change. A later version gets a directory of its own:
//
//     EVENTHUB_WRITE_GOLDEN=tests/lake/golden/v2 lake_test --gtest_filter='LakeGolden.*'
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "google/protobuf/util/message_differencer.h"
#include "server/lake/manifest/columns.h"
#include "server/lake/merge/merge_topic.h"
#include "server/lake/read/find.h"
#include "server/lake/read/topic_cursor.h"
#include "server/lake/read/verify.h"
#include "server/lake/store/checksum.h"
#include "server/lake/store/directory_store.h"
#include "tests/lake/lake_rig.h"

namespace eventhub::lake {
namespace {

using testing::IsEmpty;

constexpr char kGolden[] = "/golden/v1";
constexpr char kGarbage[] = "\x01no message";

// An event with all that lines express in different ways.
v1::Event OddEvent(int64_t number) {
  v1::Event event;
  event.set_id(absl::StrCat("odd-\"", number));
  event.set_source("/odd");
  event.set_type("odd.\u00e4");
  event.mutable_time()->set_seconds(1'700'000'000);
  event.mutable_time()->set_nanos(5);
  event.set_partition_key("key");
  event.set_data_schema("https://example.com/schema");
  auto& attributes = *event.mutable_attributes();
  attributes["flag"].set_boolean(true);
  attributes["count"].set_integer(-7);
  attributes["text"].set_string("a\nb");
  attributes["bytes"].set_binary(std::string("\0\xff", 2));
  attributes["link"].set_uri("https://example.com/");
  attributes["ref"].set_uri_ref("../x");
  attributes["at"].mutable_timestamp()->set_seconds(1);
  attributes["data"].set_string("not the data");
  switch (number % 4) {
    case 0:
      event.set_data(std::string("\0binary", 7));
      break;
    case 1:
      event.set_data_content_type("text/plain");
      event.set_data("text \u20ac");
      break;
    case 2:
      event.set_data(R"({"a":1.10,"b":[null,12345678901234567890123]})");
      break;
    default:
      // A time that JSON cannot say: the line has the message.
      event.mutable_time()->set_nanos(-1);
      break;
  }
  return event;
}

// What the lake has, by offset; one of them is no message.
constexpr int64_t kEvents = 40;
constexpr int64_t kGarbageOffset = 17;
std::string EncodedAt(int64_t offset) {
  if (offset == kGarbageOffset) return kGarbage;
  return offset % 5 == 0 ? OddEvent(offset).SerializeAsString()
                         : PlainEvent(offset).SerializeAsString();
}

// Four objects in two hours, two of which are merged; a range that is skipped; a checkpoint and
// steps after it; a columnar copy that was replaced.
void WriteGolden(const std::string& directory) {
  std::filesystem::create_directories(directory);
  const auto store = DirectoryStore::Open(directory, DirectoryStore::Mode::kCreate);
  ASSERT_THAT(store, IsOk());
  LakeRig rig(**store);
  const absl::Time now = HourStart(kTestHour + 3);
  for (int64_t object = 0; object < 4; ++object) {
    std::vector<StoredEvent> events;
    for (int64_t offset = object * 10; offset < (object + 1) * 10; ++offset) {
      const int64_t hour = object == 3 ? 1 : 0;
      events.push_back({{2, offset, kTestStart + hour * kHourMicros + offset}, EncodedAt(offset)});
    }
    rig.Archive(events, {.frame_bytes = 2048});
    if (object == 1) {
      ASSERT_THAT(rig.writer().WriteCheckpoint(), IsOk());
    }
  }
  SkippedRange skipped;
  skipped.set_partition(2);
  skipped.set_begin(kEvents);
  skipped.set_end(kEvents + 5);
  skipped.set_reason(SkippedRange::DROPPED);
  ASSERT_THAT(rig.writer().Append({}, {skipped}, now), IsOk());
  MergeTally tally;
  ASSERT_THAT(MergeTopic(
                  **store, rig.topic(), now, {},
                  [&rig](absl::FunctionRef<absl::Status(ManifestWriter&)> use) {
                    return use(rig.writer());
                  },
                  &tally),
              IsOk());
  EXPECT_EQ(tally.merges, 1u);
  ASSERT_THAT(rig.writer().WriteCheckpoint(), IsOk());
  const auto columns = ColumnsWriter::Open(**store, rig.topic());
  ASSERT_THAT(columns, IsOk());
  const Manifest manifest = rig.Load();
  const auto days = DaysOf(manifest);
  for (uint64_t id = 1; id <= 2; ++id) {
    ColumnarCopy copy = CopyOf(days.begin()->first, days.begin()->second);
    copy.set_id(id);
    copy.set_bytes(4);
    Sha256 sha256;
    sha256.Update("PAR1");
    copy.set_sha256(sha256.Finish());
    ASSERT_THAT((*store)->Put(CopyName(rig.topic(), copy), "PAR1"), IsOk());
    ASSERT_THAT((*columns)->Add(copy, now), IsOk());
  }
  std::filesystem::remove_all(directory + "/.tmp");
}

TEST(LakeGolden, VersionOneIsRead) {
  if (const char* const directory = std::getenv("EVENTHUB_WRITE_GOLDEN")) WriteGolden(directory);
  const std::string directory = std::filesystem::path(__FILE__).parent_path().string() + kGolden;
  const auto store = DirectoryStore::Open(directory, DirectoryStore::Mode::kRead);
  ASSERT_THAT(store, IsOk());
  const auto owner = ReadOwner(**store);
  ASSERT_THAT(owner, IsOk());
  EXPECT_EQ((*owner)->hub, "hub-1");
  EXPECT_EQ((*owner)->description, "test");
  const auto catalog = Catalog::Load(**store);
  ASSERT_THAT(catalog, IsOk());
  const CatalogEntry* const entry = catalog->FindName("orders");
  ASSERT_NE(entry, nullptr);
  EXPECT_EQ(entry->topic.identity.id, 7u);
  const LakeTopic& topic = entry->topic;

  const auto manifest = Manifest::Load(**store, topic);
  ASSERT_THAT(manifest, IsOk());
  EXPECT_EQ(manifest->objects().size(), 2u);
  EXPECT_EQ(manifest->retired().size(), 3u);
  EXPECT_EQ(manifest->skipped().size(), 1u);
  EXPECT_EQ(manifest->last_sequence(), 4u);
  EXPECT_EQ(manifest->archived().at(2).end, kEvents + 5);
  TopicCursor cursor(**store, topic, *manifest, {}, {});
  for (int64_t offset = 0; offset < kEvents; ++offset) {
    const auto more = cursor.Next();
    ASSERT_THAT(more, IsOk());
    ASSERT_TRUE(*more);
    EXPECT_EQ(cursor.event().position.offset, offset);
    const auto encoded = EncodedOf(cursor.event().line);
    ASSERT_THAT(encoded, IsOk());
    v1::Event read;
    v1::Event written;
    if (!written.ParseFromString(EncodedAt(offset))) {
      EXPECT_EQ(*encoded, EncodedAt(offset));
      continue;
    }
    ASSERT_TRUE(read.ParseFromString(*encoded));
    EXPECT_TRUE(google::protobuf::util::MessageDifferencer::Equals(read, written)) << offset;
  }
  const auto found = FindEvents(**store, topic, *manifest, KeyKind::kCorrelationId, "c-3", {},
                                [](const LakeEvent&) { return true; });
  ASSERT_THAT(found, IsOk());
  EXPECT_EQ(found->events, 3u);  // 16, 18 and 19: 15 is odd, 17 is no message.

  const auto columns = Columns::Load(**store, topic);
  ASSERT_THAT(columns, IsOk());
  EXPECT_EQ(columns->copies().size(), 1u);
  EXPECT_EQ(columns->retired().size(), 1u);
  EXPECT_TRUE(IsCurrent(columns->copies().begin()->second, DaysOf(*manifest).begin()->second));

  VerifyReport report;
  ASSERT_THAT(VerifyTopic(**store, topic, {}, &report), IsOk());
  EXPECT_THAT(report.problems, IsEmpty());
  EXPECT_THAT(report.orphans, IsEmpty());
  EXPECT_EQ(report.events, static_cast<uint64_t>(kEvents));
}

}  // namespace
}  // namespace eventhub::lake
