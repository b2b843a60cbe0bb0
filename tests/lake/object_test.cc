// Objects: what is written comes back, whatever it is; damage is found.
#include <gmock/gmock.h>
#include <google/protobuf/util/message_differencer.h>
#include <gtest/gtest.h>

#include "absl/strings/match.h"
#include "absl/strings/strip.h"
#include "server/lake/object/line_encoder.h"
#include "server/lake/object/object_plan.h"
#include "server/lake/object/object_reader.h"
#include "server/lake/object/object_writer.h"
#include "tests/lake/lake_rig.h"
#include "tests/lake/memory_store.h"
#include "tests/server/seeded.h"
#include "tests/support/status_matchers.h"

namespace eventhub::lake {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

ObjectPlan TestPlan(std::vector<PlannedRange> ranges) {
  return {.topic = TestTopic(), .sequence = 1, .hour = kTestHour, .ranges = std::move(ranges)};
}

using Written = StoredEvent;

absl::StatusOr<ObjectRecord> WriteObject(ObjectStore& store, const ObjectPlan& plan,
                                         const std::vector<Written>& events,
                                         const ObjectWriterOptions& options = {}) {
  absl::StatusOr<std::unique_ptr<ObjectWriter>> writer = ObjectWriter::Create(store, plan, options);
  if (!writer.ok()) return writer.status();
  for (const Written& event : events) {
    const absl::Status added = (*writer)->Add(event.position, event.encoded);
    if (!added.ok()) return added;
  }
  return (*writer)->Finish();
}

// All lines of an object.
absl::StatusOr<std::vector<std::string>> ReadLines(ObjectReader& reader) {
  std::vector<std::string> lines;
  for (int frame = 0; frame < reader.index().frames_size(); ++frame) {
    absl::StatusOr<FrameLines> text = reader.ReadFrame(frame);
    if (!text.ok()) return text.status();
    absl::string_view line;
    while (text->Next(&line)) lines.emplace_back(line);
  }
  return lines;
}

std::vector<Written> PlainEvents(int count, int partitions) {
  std::vector<Written> events;
  for (int i = 0; i < count; ++i) {
    const int per_partition = (count + partitions - 1) / partitions;
    events.push_back({{.partition = static_cast<uint32_t>(i / per_partition),
                       .offset = 100 + i % per_partition,
                       .append_micros = kTestStart + i},
                      PlainEvent(i).SerializeAsString()});
  }
  return events;
}

TEST(LakeObject, NameFollowsFromThePlan) {
  const ObjectPlan plan = TestPlan({{0, 5, 9}, {3, 0, 2}});
  EXPECT_EQ(
      ObjectName(plan),
      "topic=orders/date=2025-11-24/hour=16/00000000000000000001-11586ae6ae713dd9.ndjson.zst");
  ObjectPlan other = plan;
  other.ranges[1].end = 3;
  EXPECT_NE(ObjectName(other), ObjectName(plan));
  other = plan;
  other.topic.identity.id = 8;
  EXPECT_NE(ObjectName(other), ObjectName(plan));

  const std::optional<ObjectNameParts> parts = ParseObjectName(ObjectName(plan));
  ASSERT_TRUE(parts.has_value());
  EXPECT_EQ(parts->directory, "topic=orders");
  EXPECT_EQ(parts->hour, kTestHour);
  EXPECT_EQ(parts->sequence, 1u);
  EXPECT_EQ(parts->hash, HashOfPlan(plan));
  for (const char* name :
       {"", "topic=a/_manifest/1.step", "date=2025-11-24/hour=16/1-2.ndjson.zst",
        "t/date=2025-13-24/hour=16/00000000000000000001-5c1d7d5e8b5e7f31.ndjson.zst",
        "t/date=2025-11-24/hour=16/00000000000000000001-5c1d7d5e8b5e7f31.zst"}) {
    EXPECT_FALSE(ParseObjectName(name).has_value()) << name;
  }
}

TEST(LakeObject, HoursBeforeTheEpochRoundDown) {
  EXPECT_EQ(HourOf(absl::UnixEpoch() - absl::Nanoseconds(1)), -1);
  EXPECT_EQ(HourOf(absl::UnixEpoch()), 0);
  EXPECT_EQ(HourOf(HourStart(kTestHour) + absl::Hours(1) - absl::Nanoseconds(1)), kTestHour);
}

TEST(LakeObject, ComesBackAsItWasWritten) {
  MemoryStore store;
  const ObjectPlan plan = TestPlan({{0, 90, 1100}, {1, 100, 1100}});
  const std::vector<Written> events = PlainEvents(2000, 2);
  const auto record = WriteObject(store, plan, events, {.frame_bytes = 16 << 10});
  ASSERT_THAT(record, IsOk());
  EXPECT_EQ(record->events(), 2000u);
  EXPECT_EQ(record->bytes(), store.objects()[ObjectName(plan)].size());
  EXPECT_EQ(record->first_append_micros(), kTestStart);
  EXPECT_EQ(record->last_append_micros(), kTestStart + 1999);
  ASSERT_EQ(record->types_size(), 2);
  EXPECT_EQ(record->types(0).type(), "order.paid");
  EXPECT_EQ(record->types(0).events(), 667u);

  auto reader = ObjectReader::Open(store, ObjectName(plan), record->bytes(), record->tail_bytes());
  ASSERT_THAT(reader, IsOk());
  EXPECT_GT(reader->index().frames_size(), 10);
  const auto lines = ReadLines(*reader);
  ASSERT_THAT(lines, IsOk());
  ASSERT_EQ(lines->size(), events.size());
  for (size_t i = 0; i < events.size(); ++i) {
    EXPECT_EQ(PositionOf((*lines)[i]), events[i].position);
    EXPECT_EQ(EventOf((*lines)[i])->SerializeAsString(), events[i].encoded);
  }
  // The same is found without what the manifest says.
  const auto again = ObjectReader::Open(store, ObjectName(plan));
  ASSERT_THAT(again, IsOk());
  EXPECT_EQ(again->index().SerializeAsString(), reader->index().SerializeAsString());
}

TEST(LakeObject, IsTheSameWhenItIsWrittenAgain) {
  MemoryStore store;
  const ObjectPlan plan = TestPlan({{0, 100, 600}});
  const auto first = WriteObject(store, plan, PlainEvents(500, 1));
  const std::string bytes = store.objects()[ObjectName(plan)];
  const auto second = WriteObject(store, plan, PlainEvents(500, 1));
  ASSERT_THAT(first, IsOk());
  ASSERT_THAT(second, IsOk());
  EXPECT_EQ(first->SerializeAsString(), second->SerializeAsString());
  EXPECT_EQ(store.objects().size(), 1u);
  EXPECT_EQ(store.objects()[ObjectName(plan)], bytes);
}

TEST(LakeObject, FindsKeysInFewFrames) {
  MemoryStore store;
  const ObjectPlan plan = TestPlan({{0, 100, 20'100}});
  const auto record = WriteObject(store, plan, PlainEvents(20'000, 1), {.frame_bytes = 32 << 10});
  ASSERT_THAT(record, IsOk());
  auto reader = ObjectReader::Open(store, ObjectName(plan), record->bytes(), record->tail_bytes());
  ASSERT_THAT(reader, IsOk());
  int read = 0;
  for (int i = 0; i < 20'000; i += 97) {
    for (const auto& [kind, key] :
         {std::pair(KeyKind::kId, absl::StrCat("id-", i)),
          std::pair(KeyKind::kSubject, absl::StrCat("order/", i / 10)),
          std::pair(KeyKind::kCorrelationId, absl::StrCat("c-", i / 5))}) {
      const auto frames = reader->FindKey(kind, key);
      ASSERT_THAT(frames, IsOk());
      const bool found = std::any_of(frames->begin(), frames->end(), [&](int frame) {
        const lake::Run& run = reader->index().frames(frame).runs(0);
        return run.first() <= 100 + i && run.last() >= 100 + i;
      });
      EXPECT_TRUE(found) << key;
      read += static_cast<int>(frames->size());
    }
  }
  EXPECT_LT(read, 3 * 207 * 2) << "of " << reader->index().frames_size() << " frames each";
  EXPECT_THAT(*reader->FindKey(KeyKind::kId, ""), testing::SizeIs(testing::Le(1)));
}

TEST(LakeObject, AnObjectWithoutEventsAccountsForItsOffsets) {
  MemoryStore store;
  const ObjectPlan plan = TestPlan({{0, 5, 9}});
  const auto record = WriteObject(store, plan, {});
  ASSERT_THAT(record, IsOk());
  EXPECT_EQ(record->events(), 0u);
  const auto reader = ObjectReader::Open(store, ObjectName(plan));
  ASSERT_THAT(reader, IsOk());
  EXPECT_EQ(reader->index().frames_size(), 0);
}

TEST(LakeObject, RefusesWhatIsNotInThePlan) {
  const std::string event = PlainEvent(1).SerializeAsString();
  const auto write = [&event](std::vector<EventPosition> positions) {
    MemoryStore store;
    std::vector<Written> events;
    for (const EventPosition& position : positions) events.push_back({position, event});
    const auto record = WriteObject(store, TestPlan({{0, 5, 9}, {2, 0, 3}}), events);
    EXPECT_TRUE(store.objects().empty());
    return record;
  };
  const int64_t now = kTestStart;
  const auto kInvalid = absl::StatusCode::kInvalidArgument;
  EXPECT_THAT(write({{0, 4, now}}), StatusIs(kInvalid, "the event 4 of partition 0"));
  EXPECT_THAT(write({{0, 9, now}}), StatusIs(kInvalid));
  EXPECT_THAT(write({{1, 0, now}}), StatusIs(kInvalid));
  EXPECT_THAT(write({{0, 5, now}, {0, 5, now}}), StatusIs(kInvalid, "too late"));
  EXPECT_THAT(write({{2, 0, now}, {0, 5, now}}), StatusIs(kInvalid, "too late"));
  EXPECT_THAT(write({{0, 5, now - 1}}), StatusIs(kInvalid, "hour"));
  EXPECT_THAT(write({{0, 5, now + 3'600'000'000}}), StatusIs(kInvalid, "hour"));
  MemoryStore store;
  EXPECT_THAT(WriteObject(store, TestPlan({}), {}), StatusIs(kInvalid));
  EXPECT_THAT(WriteObject(store, TestPlan({{1, 0, 1}, {1, 1, 2}}), {}), StatusIs(kInvalid));
  EXPECT_THAT(WriteObject(store, TestPlan({{1, 1, 1}}), {}), StatusIs(kInvalid));
}

TEST(LakeObject, AFailedStoreLeavesNothing) {
  for (const auto call :
       {MemoryStore::Call::kCreate, MemoryStore::Call::kAppend, MemoryStore::Call::kCommit}) {
    MemoryStore store;
    store.set_faults([call](MemoryStore::Call made, absl::string_view) {
      return made == call ? MemoryStore::Fault{absl::UnavailableError("cut")}
                          : MemoryStore::Fault{};
    });
    const auto record = WriteObject(store, TestPlan({{0, 100, 200}}), PlainEvents(100, 1));
    EXPECT_THAT(record, StatusIs(absl::StatusCode::kUnavailable));
    EXPECT_TRUE(store.objects().empty());
  }
}

class LakeObjectRandom : public SeededTest {};

TEST_F(LakeObjectRandom, HostileEventsComeBack) {
  HostileEvents hostile(random_);
  MemoryStore store;
  std::vector<Written> events;
  const int count = Steps(4000);
  for (int i = 0; i < count; ++i) {
    events.push_back(
        {{.partition = 1, .offset = 2 * i, .append_micros = kTestStart + i}, hostile.Next()});
  }
  const ObjectPlan plan = TestPlan({{1, 0, 2 * count}});
  ASSERT_THAT(WriteObject(store, plan, events, {.frame_bytes = 4096}), IsOk());
  auto reader = ObjectReader::Open(store, ObjectName(plan));
  ASSERT_THAT(reader, IsOk());
  const auto lines = ReadLines(*reader);
  ASSERT_THAT(lines, IsOk());
  ASSERT_EQ(lines->size(), events.size());
  for (size_t i = 0; i < events.size(); ++i) {
    v1::Event expected;
    ASSERT_TRUE(expected.ParseFromString(events[i].encoded));
    ASSERT_EQ(PositionOf((*lines)[i]), events[i].position) << (*lines)[i];
    const auto event = EventOf((*lines)[i]);
    ASSERT_THAT(event, IsOk()) << (*lines)[i];
    ASSERT_TRUE(google::protobuf::util::MessageDifferencer::Equals(*event, expected))
        << (*lines)[i] << expected.DebugString();
    std::string quickly = "before";
    ASSERT_THAT(AppendEncoded((*lines)[i], &quickly), IsOk()) << (*lines)[i];
    v1::Event again;
    ASSERT_TRUE(absl::StartsWith(quickly, "before"));
    ASSERT_TRUE(again.ParseFromString(quickly.substr(6)));
    ASSERT_TRUE(google::protobuf::util::MessageDifferencer::Equals(again, expected))
        << (*lines)[i] << again.DebugString();
    const EventKeys keys = KeysOf(events[i].encoded);
    EXPECT_EQ(keys.id, expected.id());
    EXPECT_EQ(keys.type, expected.type());
  }
}

TEST_F(LakeObjectRandom, WhatIsNoEventIsCarried) {
  HostileEvents hostile(random_);
  for (int i = 0; i < 1000; ++i) {
    const std::string bytes = hostile.Garbage();
    std::string line;
    AppendEventLine({.partition = 4, .offset = i, .append_micros = 5}, bytes, &line);
    ASSERT_EQ(line.find('\n'), line.size() - 1);
    ASSERT_EQ(PositionOf(line), (EventPosition{4, i, 5})) << line;
    v1::Event expected;
    const bool is_event = expected.ParseFromString(bytes);
    const auto encoded = EncodedOf(line);
    ASSERT_THAT(encoded, IsOk()) << line;
    v1::Event back;
    ASSERT_EQ(back.ParseFromString(*encoded), is_event) << line;
    std::string quickly;
    ASSERT_THAT(AppendEncoded(absl::StripSuffix(line, "\n"), &quickly), IsOk()) << line;
    v1::Event again;
    ASSERT_EQ(again.ParseFromString(quickly), is_event) << line;
    if (is_event) {
      ASSERT_TRUE(google::protobuf::util::MessageDifferencer::Equals(back, expected)) << line;
      ASSERT_TRUE(google::protobuf::util::MessageDifferencer::Equals(again, expected)) << line;
    } else {
      ASSERT_EQ(*encoded, bytes);
      ASSERT_EQ(quickly, bytes);
    }
  }
}

TEST_F(LakeObjectRandom, AnyFlippedBitOrMissingByteIsFound) {
  MemoryStore store;
  const ObjectPlan plan = TestPlan({{0, 100, 400}});
  const auto record = WriteObject(store, plan, PlainEvents(300, 1), {.frame_bytes = 8192});
  ASSERT_THAT(record, IsOk());
  const std::string name = ObjectName(plan);
  const std::string bytes = store.objects()[name];
  // A key in each row and frame, so that each row is read.
  std::vector<std::string> seen;
  const auto read_all = [&]() -> absl::Status {
    auto reader =
        ObjectReader::Open(store, name, store.objects()[name].size(), record->tail_bytes());
    if (!reader.ok()) return reader.status();
    auto lines = ReadLines(*reader);
    if (!lines.ok()) return lines.status();
    seen = *std::move(lines);
    for (int i = 0; i < 300; ++i) {
      for (const auto& [kind, key] :
           {std::pair(KeyKind::kId, absl::StrCat("id-", i)),
            std::pair(KeyKind::kSubject, absl::StrCat("order/", i / 10)),
            std::pair(KeyKind::kCorrelationId, absl::StrCat("c-", i / 5))}) {
        if (auto frames = reader->FindKey(kind, key); !frames.ok()) return frames.status();
      }
    }
    return absl::OkStatus();
  };
  ASSERT_THAT(read_all(), IsOk());
  const std::vector<std::string> lines = seen;
  for (int i = 0; i < Steps(400); ++i) {
    const int64_t at = Int(0, static_cast<int64_t>(bytes.size()) - 1);
    store.objects()[name][static_cast<size_t>(at)] ^= static_cast<char>(1 << Int(0, 7));
    const absl::Status status = read_all();
    // Some bits mean nothing to a reader: that of the header of the filters, one in that of each
    // frame. `verify` finds those, too.
    EXPECT_TRUE(!status.ok() || seen == lines) << "bit at " << at << " of " << bytes.size();
    store.objects()[name] = bytes;
  }
  for (int i = 0; i < 100; ++i) {
    store.objects()[name].resize(
        static_cast<size_t>(Int(0, static_cast<int64_t>(bytes.size()) - 1)));
    EXPECT_FALSE(read_all().ok());
    EXPECT_THAT(ObjectReader::Open(store, name), StatusIs(absl::StatusCode::kDataLoss, name));
    store.objects()[name] = bytes;
  }
}

TEST(LakeObject, RefusesALaterVersion) {
  MemoryStore store;
  const ObjectPlan plan = TestPlan({{0, 100, 101}});
  ASSERT_THAT(WriteObject(store, plan, PlainEvents(1, 1)), IsOk());
  std::string& bytes = store.objects()[ObjectName(plan)];
  bytes[bytes.size() - 20] = 2;
  EXPECT_THAT(ObjectReader::Open(store, ObjectName(plan)),
              StatusIs(absl::StatusCode::kUnimplemented, "version 2"));
}

}  // namespace
}  // namespace eventhub::lake
