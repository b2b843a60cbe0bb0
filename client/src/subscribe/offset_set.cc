#include "client/src/subscribe/offset_set.h"

#include <algorithm>
#include <iterator>

namespace eventhub::client {

uint64_t OffsetSet::Add(OffsetRange range) {
  auto next = ends_.end();
  // Ranges are mostly added in order.
  if (!ends_.empty() && range.start < ends_.rbegin()->first) next = ends_.upper_bound(range.start);
  auto at = next;
  if (next != ends_.begin() && std::prev(next)->second >= range.start) {
    at = std::prev(next);
  } else {
    at = ends_.emplace_hint(next, range.start, range.start);
  }
  uint64_t added = 0;
  const auto grow_to = [&](int64_t end) {
    if (end <= at->second) return;
    added += static_cast<uint64_t>(end - at->second);
    at->second = end;
  };
  while (next != ends_.end() && next->first <= range.end) {
    grow_to(next->first);
    at->second = next->second;
    next = ends_.erase(next);
  }
  grow_to(range.end);
  return added;
}

void OffsetSet::ForEachMissing(OffsetRange range,
                               absl::FunctionRef<void(OffsetRange)> visit) const {
  auto next = ends_.upper_bound(range.start);
  if (next != ends_.begin()) range.start = std::max(range.start, std::prev(next)->second);
  for (; next != ends_.end() && next->first < range.end; ++next) {
    if (range.start < next->first) visit({range.start, next->first});
    range.start = next->second;
  }
  if (range.start < range.end) visit(range);
}

OffsetRange OffsetSet::TakeFirst() {
  const OffsetRange range{ends_.begin()->first, ends_.begin()->second};
  ends_.erase(ends_.begin());
  return range;
}

uint64_t OffsetSet::Remove(int64_t start, int64_t end) {
  uint64_t removed = 0;
  auto it = ends_.upper_bound(start);
  if (it != ends_.begin() && std::prev(it)->second > start) --it;
  while (it != ends_.end() && it->first < end) {
    const OffsetRange range{it->first, it->second};
    it = ends_.erase(it);
    if (range.start < start) ends_.emplace(range.start, start);
    if (range.end > end) ends_.emplace(end, range.end);
    removed += static_cast<uint64_t>(std::min(range.end, end) - std::max(range.start, start));
  }
  return removed;
}

}  // namespace eventhub::client
