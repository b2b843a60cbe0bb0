// TopicIndex: which objects of a lake have which offsets of a topic, in little memory.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "server/lake/manifest/manifest.h"
#include "server/lake/object/object_plan.h"

namespace eventhub::lake {

// What a manifest says of where events are. An object takes about 100 bytes, and 24 for each of its
// partitions. Immutable; thread-safe.
class TopicIndex {
 public:
  struct Object {
    uint64_t sequence = 0;
    uint64_t hash = 0;
    int64_t hour = 0;
    uint64_t bytes = 0;
    int64_t first_append_micros = 0;
    int64_t last_append_micros = 0;
    uint32_t tail_bytes = 0;
    uint32_t first_type = 0;  // Its types, as far as the manifest names them.
    uint32_t types = 0;
    bool other_types = false;
  };
  // The offsets of a partition that an object accounts for, of which it has at least one event.
  struct Range {
    int64_t begin = 0;
    int64_t end = 0;
    uint32_t object = 0;
  };

  TopicIndex(LakeTopic topic, const Manifest& manifest);

  const LakeTopic& topic() const { return topic_; }

  // What the lake accounts for; nothing if it has nothing of the partition.
  std::optional<ArchivedRange> Archived(uint32_t partition) const;

  // By offset. Their hours do not decrease.
  absl::Span<const Range> Ranges(uint32_t partition) const;

  const Object& object(const Range& range) const { return objects_[range.object]; }
  std::string NameOf(const Object& object) const;

  // Whether an object may have an event of a type that is wanted; null: all are.
  bool MayHave(const Object& object, const std::function<bool(absl::string_view)>& wants) const;

  size_t bytes() const { return bytes_; }

 private:
  const LakeTopic topic_;
  std::vector<Object> objects_;
  std::vector<uint32_t> types_;  // Of all objects, as numbers of `names_`.
  std::vector<std::string> names_;
  std::map<uint32_t, ArchivedRange> archived_;
  std::map<uint32_t, std::vector<Range>> ranges_;  // By partition.
  size_t bytes_ = 0;
};

}  // namespace eventhub::lake
