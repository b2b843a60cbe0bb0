#include "client/src/offset_set.h"

#include <algorithm>
#include <iterator>

namespace eventhub::client {

void OffsetSet::Add(OffsetRange range) {
  auto next = ends_.end();
  // Mostly they come in order.
  if (!ends_.empty() && range.start < ends_.rbegin()->first) next = ends_.upper_bound(range.start);
  auto at = next;
  if (next != ends_.begin() && std::prev(next)->second == range.start) {
    at = std::prev(next);
    at->second = range.end;
  } else {
    at = ends_.emplace_hint(next, range.start, range.end);
  }
  if (next != ends_.end() && next->first == range.end) {
    at->second = next->second;
    ends_.erase(next);
  }
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
