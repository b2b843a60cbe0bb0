// Merging in tests: a topic of a lake whose small objects are merged, and what it should have.
#pragma once

#include <map>
#include <string>
#include <utility>
#include <vector>

#include "gtest/gtest.h"
#include "server/lake/manifest/manifest.h"
#include "server/lake/merge/merge_topic.h"
#include "server/lake/read/topic_cursor.h"
#include "tests/lake/lake_rig.h"
#include "tests/lake/memory_store.h"
#include "tests/support/status_matchers.h"

namespace eventhub::lake {

// By partition and offset: the encoded event.
using EventMap = std::map<std::pair<uint32_t, int64_t>, std::string>;

// Reads events one by one; each must come once.
class EventReader {
 public:
  EventReader(const ObjectStore& store, const LakeTopic& topic, const Manifest& manifest)
      : cursor_(store, topic, manifest, {}, {}) {}

  // Returns whether there was one.
  bool ReadOne() {
    const absl::StatusOr<bool> more = cursor_.Next();
    EXPECT_THAT(more, IsOk());
    if (!more.ok() || !*more) return false;
    const EventPosition& at = cursor_.event().position;
    const auto encoded = EncodedOf(cursor_.event().line);
    EXPECT_THAT(encoded, IsOk());
    EXPECT_TRUE(events_.emplace(std::pair(at.partition, at.offset), *encoded).second)
        << "twice: " << at.partition << "/" << at.offset;
    return true;
  }

  const EventMap& ReadAll() {
    while (ReadOne()) {
    }
    return events_;
  }

 private:
  TopicCursor cursor_;
  EventMap events_;
};

class MergeRig {
 public:
  MergeRig() : rig_(store_) { now_ = HourStart(kTestHour); }

  MemoryStore& store() { return store_; }
  LakeRig& rig() { return rig_; }
  absl::Time now() const { return now_; }
  void Advance(absl::Duration by) { now_ += by; }
  MergeTopicOptions& options() { return options_; }
  const EventMap& events() const { return events_; }

  // Archives `counts[p]` new events of each partition p, at present, as one object.
  ObjectRecord Archive(const std::vector<int>& counts, size_t frame_bytes = 2048) {
    std::vector<StoredEvent> stored;
    for (uint32_t partition = 0; partition < counts.size(); ++partition) {
      for (int i = 0; i < counts[partition]; ++i) {
        const int64_t offset = next_[partition]++;
        const std::string encoded = PlainEvent(number_++).SerializeAsString();
        stored.push_back({{partition, offset, absl::ToUnixMicros(now_)}, encoded});
        events_[{partition, offset}] = encoded;
      }
    }
    return rig_.Archive(stored, {.frame_bytes = frame_bytes});
  }

  absl::Status Merge(MergeTally* tally) {
    return MergeTopic(
        store_, rig_.topic(), now_, options_,
        [this](absl::FunctionRef<absl::Status(ManifestWriter&)> use) { return use(rig_.writer()); },
        tally);
  }

  EventReader Reader() const { return EventReader(store_, rig_.topic(), rig_.Load()); }

 private:
  MemoryStore store_;
  LakeRig rig_;
  absl::Time now_;
  MergeTopicOptions options_;
  EventMap events_;
  std::map<uint32_t, int64_t> next_;
  int64_t number_ = 0;
};

}  // namespace eventhub::lake
