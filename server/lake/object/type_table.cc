#include "server/lake/object/type_table.h"

#include <algorithm>

namespace eventhub::lake {
namespace {

constexpr size_t kMaxTypeBytes = size_t{16} << 10;
constexpr size_t kMaxRecordTypes = 64;
constexpr size_t kMaxRecordTypeBytes = size_t{4} << 10;

}  // namespace

std::optional<uint32_t> TypeTable::Count(absl::string_view type) {
  const auto known = numbers_.find(type);
  if (known != numbers_.end()) {
    ++events_[known->second];
    return known->second;
  }
  if (names_.size() == kMaxTypes || name_bytes_ + type.size() > kMaxTypeBytes) return std::nullopt;
  const auto number = static_cast<uint32_t>(names_.size());
  names_.emplace_back(type);
  name_bytes_ += type.size();
  events_.push_back(1);
  numbers_.emplace(names_.back(), number);
  return number;
}

void TypeTable::AddTo(ObjectIndex* index) const {
  for (size_t i = 0; i < names_.size(); ++i) {
    index->add_types(names_[i]);
    index->add_type_events(events_[i]);
  }
}

void TypeTable::AddTo(ObjectRecord* record) const {
  std::vector<size_t> order(names_.size());
  for (size_t i = 0; i < order.size(); ++i) order[i] = i;
  std::sort(order.begin(), order.end(), [this](size_t a, size_t b) {
    return events_[a] != events_[b] ? events_[a] > events_[b] : a < b;
  });
  size_t bytes = 0;
  size_t kept = 0;
  while (kept < order.size() && kept < kMaxRecordTypes) {
    bytes += names_[order[kept]].size();
    if (bytes > kMaxRecordTypeBytes) break;
    ++kept;
  }
  order.resize(kept);
  std::sort(order.begin(), order.end(),
            [this](size_t a, size_t b) { return names_[a] < names_[b]; });
  uint64_t listed = 0;
  for (const size_t i : order) {
    TypeCount* const count = record->add_types();
    count->set_type(names_[i]);
    count->set_events(events_[i]);
    listed += events_[i];
  }
  record->set_other_events(record->events() - listed);
}

}  // namespace eventhub::lake
