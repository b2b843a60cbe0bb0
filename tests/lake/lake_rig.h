// A lake with topics, for tests: writes events as a hub would.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "gtest/gtest.h"
#include "server/lake/manifest/catalog.h"
#include "server/lake/manifest/manifest.h"
#include "server/lake/manifest/manifest_writer.h"
#include "server/lake/manifest/owner.h"
#include "server/lake/object/object_plan.h"
#include "server/lake/object/object_writer.h"
#include "tests/lake/lake_events.h"
#include "tests/support/status_matchers.h"

namespace eventhub::lake {

constexpr int64_t kTestHour = 490'000;  // 2025-11-24T16.
constexpr int64_t kHourMicros = int64_t{3'600'000'000};
constexpr int64_t kTestStart = kTestHour * kHourMicros;

struct StoredEvent {
  EventPosition position;
  std::string encoded;
};

// Thread-compatible.
class LakeRig {
 public:
  explicit LakeRig(ObjectStore& store, const std::string& topic = "orders") : store_(store) {
    const auto owner = ClaimLake(store, {.hub = "hub-1", .description = "test", .now = kNow});
    EXPECT_THAT(owner, IsOk());
    owner_ = *owner;
    auto catalog = CatalogWriter::Open(store, *owner);
    EXPECT_THAT(catalog, IsOk());
    const auto found = (*catalog)->Ensure(7, topic, kNow);
    EXPECT_THAT(found, IsOk());
    topic_ = *found;
    Reopen();
  }

  // Opens the manifest again, as after a crash.
  void Reopen() {
    auto manifest = ManifestWriter::Open(store_, topic_, owner_);
    EXPECT_THAT(manifest, IsOk());
    writer_ = *std::move(manifest);
  }

  // Archives events of one hour, ordered by partition and offset, as one object. Ranges begin where
  // the partition ended, and end after its last event.
  ObjectRecord Archive(const std::vector<StoredEvent>& events, ObjectWriterOptions options = {}) {
    const int64_t hour = HourOf(absl::FromUnixMicros(events.front().position.append_micros));
    ObjectPlan plan{
        .topic = topic_, .sequence = writer_->next_sequence(), .hour = hour, .ranges = {}};
    for (const StoredEvent& event : events) {
      const EventPosition& position = event.position;
      if (plan.ranges.empty() || plan.ranges.back().partition != position.partition) {
        const auto archived = writer_->archived().find(position.partition);
        plan.ranges.push_back({.partition = position.partition,
                               .begin = archived == writer_->archived().end()
                                            ? position.offset
                                            : archived->second.end});
      }
      plan.ranges.back().end = position.offset + 1;
    }
    auto object = ObjectWriter::Create(store_, plan, options);
    EXPECT_THAT(object, IsOk());
    for (const StoredEvent& event : events) {
      EXPECT_THAT((*object)->Add(event.position, event.encoded), IsOk());
    }
    const auto record = (*object)->Finish();
    EXPECT_THAT(record, IsOk());
    EXPECT_THAT(writer_->Append({*record}, {}, kNow), IsOk());
    return *record;
  }

  Manifest Load() const {
    auto manifest = Manifest::Load(store_, topic_);
    EXPECT_THAT(manifest, IsOk());
    return *std::move(manifest);
  }

  const LakeTopic& topic() const { return topic_; }
  ManifestWriter& writer() { return *writer_; }

 private:
  static inline const absl::Time kNow = absl::UnixEpoch() + absl::Hours(kTestHour);

  ObjectStore& store_;
  LakeOwner owner_;
  LakeTopic topic_;
  std::unique_ptr<ManifestWriter> writer_;
};

}  // namespace eventhub::lake
