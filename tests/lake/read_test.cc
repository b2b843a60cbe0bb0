// Reading a lake: order, ranges, look-ups, proofs.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <set>
#include <tuple>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "server/lake/read/count.h"
#include "server/lake/read/find.h"
#include "server/lake/read/partition_cursor.h"
#include "server/lake/read/repair.h"
#include "server/lake/read/topic_cursor.h"
#include "server/lake/read/verify.h"
#include "tests/lake/lake_rig.h"
#include "tests/lake/memory_store.h"
#include "tests/server/seeded.h"
#include "tests/support/status_matchers.h"

namespace eventhub::lake {
namespace {

using testing::Contains;
using testing::HasSubstr;
using testing::IsEmpty;

class LakeRead : public SeededTest {
 protected:
  LakeRead() : rig_(store_) {}

  // Several objects in several hours, with offsets that compaction removed.
  void Fill(int objects, int partitions, int events_per_partition) {
    std::map<uint32_t, int64_t> next;
    int64_t number = 0;
    for (int i = 0; i < objects; ++i) {
      std::vector<StoredEvent> events;
      const int64_t begin = kTestStart + i / 3 * kHourMicros + i % 3 * 60'000'000;
      for (uint32_t partition = 0; partition < static_cast<uint32_t>(partitions); ++partition) {
        int64_t micros = begin;
        for (int n = 0; n < events_per_partition; ++n) {
          micros += Int(0, 1000);
          next[partition] += OneIn(10) ? 3 : 1;
          events.push_back(
              {{partition, next[partition], micros}, PlainEvent(number++).SerializeAsString()});
        }
      }
      rig_.Archive(events, {.frame_bytes = 4096});
      all_.insert(all_.end(), events.begin(), events.end());
    }
  }

  std::vector<EventPosition> Expected(const ReadRange& range,
                                      std::optional<uint32_t> partition = std::nullopt) const {
    std::vector<EventPosition> positions;
    for (const StoredEvent& event : all_) {
      const EventPosition& at = event.position;
      if (partition && at.partition != *partition) continue;
      if (at.offset < range.from_offset || at.offset >= range.to_offset ||
          at.append_micros < range.from_micros || at.append_micros >= range.to_micros) {
        continue;
      }
      if (range.matches != nullptr && !range.matches(event.encoded)) continue;
      if (!range.type.empty() && KeysOf(event.encoded).type != range.type) continue;
      positions.push_back(at);
    }
    std::sort(positions.begin(), positions.end(), [](const auto& a, const auto& b) {
      return std::tuple(a.append_micros, a.partition, a.offset) <
             std::tuple(b.append_micros, b.partition, b.offset);
    });
    return positions;
  }

  template <typename Cursor>
  static std::vector<EventPosition> ReadAll(Cursor& cursor) {
    std::vector<EventPosition> positions;
    for (;;) {
      const absl::StatusOr<bool> more = cursor.Next();
      EXPECT_THAT(more, IsOk());
      if (!more.ok() || !*more) return positions;
      positions.push_back(cursor.event().position);
    }
  }

  VerifyReport Verify() {
    VerifyReport report;
    EXPECT_THAT(VerifyTopic(store_, rig_.topic(), {}, &report), IsOk());
    return report;
  }

  MemoryStore store_;
  LakeRig rig_;
  std::vector<StoredEvent> all_;
};

TEST_F(LakeRead, GivesEveryEventOfAnyRangeInOrder) {
  Fill(9, 3, 60);
  const Manifest manifest = rig_.Load();
  for (int i = 0; i < Steps(200); ++i) {
    ReadRange range;
    if (OneIn(2)) range.from_micros = kTestStart + Int(-1000, 4 * kHourMicros);
    if (OneIn(2)) range.to_micros = kTestStart + Int(-1000, 4 * kHourMicros);
    if (OneIn(3)) range.type = OneIn(2) ? "order.paid" : "no.such.type";
    if (OneIn(3)) range.to_offset = Int(0, 700);
    if (OneIn(3)) {
      range.matches = [](absl::string_view encoded) { return KeysOf(encoded).id.back() == '7'; };
    }
    if (OneIn(2)) {
      const auto partition = static_cast<uint32_t>(Int(0, 3));
      range.from_offset = Int(0, 700);
      PartitionCursor cursor(store_, rig_.topic(), manifest, partition, range);
      ASSERT_EQ(ReadAll(cursor), Expected(range, partition));
    } else {
      TopicCursor cursor(store_, rig_.topic(), manifest, {}, range);
      ASSERT_EQ(ReadAll(cursor), Expected(range));
      const auto counts = CountByType(store_, rig_.topic(), manifest, range);
      ASSERT_THAT(counts, IsOk());
      ASSERT_EQ(counts->total, Expected(range).size());
      const int64_t start = Int(0, 700);
      TopicCursor later(store_, rig_.topic(), manifest, {1}, range, {{0, 5}, {1, start}});
      range.from_offset = start;
      ASSERT_EQ(ReadAll(later), Expected(range, 1));
    }
  }
}

TEST_F(LakeRead, PassesOverWhatItDoesNotNeed) {
  Fill(9, 2, 200);
  const Manifest manifest = rig_.Load();
  const EventPosition last = all_.back().position;
  PartitionCursor cursor(store_, rig_.topic(), manifest, last.partition,
                         {.from_offset = last.offset});
  ASSERT_THAT(cursor.Next(), IsOk());
  EXPECT_EQ(cursor.event().position, last);
  EXPECT_FALSE(*cursor.Next());
  EXPECT_LT(cursor.bytes_read(), manifest.objects().begin()->second.bytes());
  const uint64_t before = store_.bytes_read();
  PartitionCursor none(store_, rig_.topic(), manifest, 0, {.from_micros = kTestStart * 2});
  EXPECT_FALSE(*none.Next());
  EXPECT_EQ(store_.bytes_read(), before);
}

TEST_F(LakeRead, ContinuesAfterAFault) {
  Fill(4, 2, 100);
  const Manifest manifest = rig_.Load();
  store_.set_faults([this](MemoryStore::Call, absl::string_view) {
    return OneIn(3) ? MemoryStore::Fault{absl::UnavailableError("slow down")}
                    : MemoryStore::Fault{};
  });
  TopicCursor cursor(store_, rig_.topic(), manifest, {}, {});
  std::vector<EventPosition> positions;
  for (;;) {
    const absl::StatusOr<bool> more = cursor.Next();
    if (absl::IsUnavailable(more.status())) continue;
    ASSERT_THAT(more, IsOk());
    if (!*more) break;
    positions.push_back(cursor.event().position);
  }
  EXPECT_EQ(positions, Expected({}));
}

TEST_F(LakeRead, FindsByKeysAndReadsLittle) {
  Fill(30, 2, 300);
  const Manifest manifest = rig_.Load();
  std::vector<std::string> lines;
  const auto collect = [&lines](const LakeEvent& event) -> absl::StatusOr<bool> {
    lines.emplace_back(event.line);
    return true;
  };
  const auto by_id =
      FindEvents(store_, rig_.topic(), manifest, KeyKind::kId, "id-12345", {}, collect);
  ASSERT_THAT(by_id, IsOk());
  ASSERT_EQ(by_id->events, 1u);
  EXPECT_EQ(EventOf(lines.front())->id(), "id-12345");
  EXPECT_LE(by_id->frames, 30u);
  lines.clear();
  const auto by_subject =
      FindEvents(store_, rig_.topic(), manifest, KeyKind::kSubject, "order/77", {}, collect);
  EXPECT_EQ(by_subject->events, 10u);
  EXPECT_EQ(lines.size(), 10u);
  const auto by_correlation =
      FindEvents(store_, rig_.topic(), manifest, KeyKind::kCorrelationId, "c-9", {}, collect);
  EXPECT_EQ(by_correlation->events, 5u);
  EXPECT_EQ(FindEvents(store_, rig_.topic(), manifest, KeyKind::kId, "none", {}, collect)->events,
            0u);
  EXPECT_THAT(FindEvents(store_, rig_.topic(), manifest, KeyKind::kId, "", {}, collect),
              StatusIs(absl::StatusCode::kInvalidArgument));
}

TEST_F(LakeRead, CountsByType) {
  Fill(6, 2, 50);
  const Manifest manifest = rig_.Load();
  const auto count = [&](const ReadRange& range) {
    std::map<std::string, uint64_t> expected;
    for (const StoredEvent& event : all_) {
      const int64_t micros = event.position.append_micros;
      if (micros < range.from_micros || micros >= range.to_micros) continue;
      ++expected[std::string(KeysOf(event.encoded).type)];
    }
    const auto counts = CountByType(store_, rig_.topic(), manifest, range);
    EXPECT_THAT(counts, IsOk());
    EXPECT_EQ(counts->events, expected);
    return counts->objects_read;
  };
  EXPECT_EQ(count({}), 0u);
  EXPECT_EQ(count({.from_micros = kTestStart + 10'000}), 1u);
  EXPECT_LE(
      count({.from_micros = kTestStart + 10'000, .to_micros = kTestStart + kHourMicros + 9000}),
      2u);
}

TEST_F(LakeRead, AWholeLakeIsProven) {
  Fill(80, 2, 20);
  ASSERT_THAT(rig_.writer().WriteCheckpoint(), IsOk());
  const VerifyReport report = Verify();
  EXPECT_THAT(report.problems, IsEmpty());
  EXPECT_EQ(report.objects, 80u);
  EXPECT_EQ(report.events, all_.size());
  EXPECT_EQ(report.orphan_count, 0u);
}

TEST_F(LakeRead, VerifyFindsDamageOfEveryKind) {
  Fill(3, 2, 100);
  ASSERT_THAT(rig_.writer().WriteCheckpoint(), IsOk());
  const std::map<std::string, std::string> whole = store_.objects();
  for (const auto& [name, bytes] : whole) {
    if (absl::StartsWith(name, "_lake/")) continue;
    if (absl::EndsWith(name, "_latest")) continue;
    for (int i = 0; i < 10; ++i) {
      std::string& damaged = store_.objects()[name];
      const auto at = static_cast<size_t>(Int(0, static_cast<int64_t>(bytes.size()) - 1));
      if (OneIn(2)) {
        damaged[at] = static_cast<char>(damaged[at] ^ (1 << Int(0, 7)));
      } else {
        damaged.resize(at);
      }
      EXPECT_GT(Verify().problem_count, 0u) << name << " at " << at;
      store_.objects() = whole;
    }
    store_.objects().erase(name);
    const VerifyReport missing = Verify();
    // A checkpoint only saves time, and the last step may never have been.
    const bool may_be_absent = absl::EndsWith(name, ".checkpoint");
    if (!may_be_absent) {
      EXPECT_GT(missing.problem_count, 0u) << name;
    }
    store_.objects() = whole;
  }
  EXPECT_THAT(Verify().problems, IsEmpty());
}

TEST_F(LakeRead, VerifyFindsOrphans) {
  Fill(2, 1, 10);
  const std::string orphan = ObjectName(rig_.topic().directory, kTestHour, 9, 1);
  store_.objects()[orphan] = "half";
  store_.objects()[rig_.topic().directory + "/note.txt"] = "x";
  const VerifyReport report = Verify();
  EXPECT_THAT(report.problems, IsEmpty());
  EXPECT_EQ(report.orphan_count, 2u);
  EXPECT_EQ(report.orphan_bytes, 5u);
  EXPECT_THAT(report.orphans, Contains(testing::Field(&ObjectInfo::name, orphan)));
}

TEST_F(LakeRead, RebuildsObjectsByteByByte) {
  Fill(4, 3, 2);
  const ObjectRecord record = rig_.Load().objects().at(2);
  const std::string name = ObjectName(rig_.topic(), record);
  const std::string content = store_.objects()[name];
  const auto rebuild = [&](int64_t missing) {
    return RebuildObject(store_, rig_.topic(), record,
                         [&](const OffsetRange& range, TakeEvent take) -> absl::Status {
                           for (const StoredEvent& event : all_) {
                             if (event.position.partition != range.partition() ||
                                 event.position.offset < range.begin() ||
                                 event.position.offset >= range.end() || missing-- == 0) {
                               continue;
                             }
                             const absl::Status taken = take(event.position, event.encoded);
                             if (!taken.ok()) return taken;
                           }
                           return absl::OkStatus();
                         });
  };
  store_.objects()[name] = "damage";
  EXPECT_THAT(rebuild(2), StatusIs(absl::StatusCode::kFailedPrecondition, "do not make"));
  EXPECT_EQ(store_.objects()[name], "damage");
  EXPECT_THAT(rebuild(-1), IsOk());
  EXPECT_EQ(store_.objects()[name], content);
}

TEST_F(LakeRead, OldOrphansAreRemoved) {
  Fill(2, 1, 5);
  const std::string live = ObjectName(rig_.topic(), rig_.Load().objects().at(1));
  const std::string orphan = ObjectName(rig_.topic().directory, kTestHour, 1, 99);
  const std::string next = ObjectName(rig_.topic().directory, kTestHour, 3, 99);
  const std::string copy = "topic=orders/_columns/date=2025-11-24/0000000000000001.parquet";
  const std::string stray = "topic=orders/stray";
  for (const std::string& name : {orphan, next, copy, stray}) store_.objects()[name] = "x";
  const absl::Time stored = absl::FromUnixSeconds(1000);
  store_.set_modified(stored);
  VerifyReport report;
  ASSERT_THAT(VerifyTopic(store_, rig_.topic(), {}, &report), IsOk());
  EXPECT_EQ(report.orphan_count, 4u);
  EXPECT_THAT(RemovableOrphans(rig_.topic(), report.orphans, stored), IsEmpty());
  std::vector<ObjectInfo> old =
      RemovableOrphans(rig_.topic(), report.orphans, stored + absl::Seconds(1));
  EXPECT_EQ(old.size(), 3u);
  old.push_back({live, 1, stored});  // It was listed meanwhile.
  EXPECT_EQ(*RemoveOrphans(store_, rig_.topic(), old), 2u);
  EXPECT_TRUE(store_.objects().contains(live));
  EXPECT_TRUE(store_.objects().contains(next));
  EXPECT_TRUE(store_.objects().contains(stray));
  EXPECT_FALSE(store_.objects().contains(orphan));
  EXPECT_FALSE(store_.objects().contains(copy));
}

}  // namespace
}  // namespace eventhub::lake
