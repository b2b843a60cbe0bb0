#include "server/lake/read/topic_index.h"

#include <algorithm>
#include <utility>

#include "absl/container/flat_hash_map.h"

namespace eventhub::lake {

TopicIndex::TopicIndex(LakeTopic topic, const Manifest& manifest)
    : topic_(std::move(topic)), archived_(manifest.archived()) {
  absl::flat_hash_map<absl::string_view, uint32_t> numbers;
  objects_.reserve(manifest.objects().size());
  for (const auto& [sequence, record] : manifest.objects()) {
    Object& object = objects_.emplace_back();
    object.sequence = sequence;
    object.hash = record.hash();
    object.hour = record.hour();
    object.bytes = record.bytes();
    object.first_append_micros = record.first_append_micros();
    object.last_append_micros = record.last_append_micros();
    object.tail_bytes = record.tail_bytes();
    object.other_types = record.other_events() > 0;
    object.first_type = static_cast<uint32_t>(types_.size());
    object.types = static_cast<uint32_t>(record.types_size());
    for (const TypeCount& type : record.types()) {
      const auto [at, is_new] = numbers.try_emplace(type.type(), names_.size());
      if (is_new) names_.push_back(type.type());
      types_.push_back(at->second);
    }
    const auto number = static_cast<uint32_t>(objects_.size() - 1);
    for (const OffsetRange& range : record.ranges()) {
      if (range.events() == 0) continue;
      ranges_[range.partition()].push_back({range.begin(), range.end(), number});
    }
  }
  bytes_ = sizeof(*this) + objects_.size() * sizeof(Object) + types_.capacity() * sizeof(uint32_t);
  for (const std::string& name : names_) bytes_ += sizeof(std::string) + name.capacity();
  constexpr size_t kNode = 96;  // Of a map, about.
  bytes_ += archived_.size() * kNode;
  for (auto& [partition, ranges] : ranges_) {
    std::sort(ranges.begin(), ranges.end(),
              [](const Range& a, const Range& b) { return a.begin < b.begin; });
    ranges.shrink_to_fit();
    bytes_ += kNode + ranges.size() * sizeof(Range);
  }
}

std::optional<ArchivedRange> TopicIndex::Archived(uint32_t partition) const {
  const auto found = archived_.find(partition);
  if (found == archived_.end()) return std::nullopt;
  return found->second;
}

absl::Span<const TopicIndex::Range> TopicIndex::Ranges(uint32_t partition) const {
  const auto found = ranges_.find(partition);
  return found == ranges_.end() ? absl::Span<const Range>() : found->second;
}

std::string TopicIndex::NameOf(const Object& object) const {
  return ObjectName(topic_.directory, object.hour, object.sequence, object.hash);
}

bool TopicIndex::MayHave(const Object& object,
                         const std::function<bool(absl::string_view)>& wants) const {
  if (wants == nullptr || object.other_types) return true;
  const auto begin = types_.begin() + object.first_type;
  return std::any_of(begin, begin + object.types,
                     [&](uint32_t type) { return wants(names_[type]); });
}

}  // namespace eventhub::lake
