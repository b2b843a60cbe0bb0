#include "server/core/subscription/cursor/pending_ranges.h"

#include <algorithm>
#include <tuple>
#include <utility>

#include "absl/base/macros.h"

namespace eventhub {
namespace {

// The maximum size of a range; longer ones are split.
constexpr int64_t kMaxCount = int64_t{1} << 31;

}  // namespace

PendingRange PendingRange::Copy() const {
  PendingRange copy = *this;
  copy.stored = copy.dirty = false;
  return copy;
}

bool PendingRange::Like(const PendingRange& other) const {
  const auto fields = [](const PendingRange& r) {
    return std::tuple(r.state, r.attempts, r.consumer, r.due, r.event_bytes, r.stamp, bool{r.extra},
                      bool{r.alone}, bool{r.delivered}, bool{r.silent});
  };
  return !redriven && !other.redriven && fields(*this) == fields(other) && reason == other.reason &&
         int64_t{count} + other.count <= kMaxCount;
}

void PendingRanges::Count(const PendingRange& range, int64_t sign) {
  const int64_t events = sign * range.count;
  (range.extra ? counts_.extra : counts_.live) += events;
  switch (range.state) {
    case RangeState::kReady:
      if (range.alone) counts_.alone += events;
      break;
    case RangeState::kLeased:
      counts_.leased += events;
      if (!range.extra) counts_.leased_live += events;
      NoteLeased(range);
      break;
    case RangeState::kDelayed:
      counts_.delayed += events;
      break;
    case RangeState::kBlocked:
      counts_.blocked += events;
      break;
    case RangeState::kParking:
      counts_.parking += events;
      break;
    case RangeState::kSettling:
      counts_.settling += events;
      break;
    case RangeState::kComing:
      counts_.coming += events;
      break;
  }
}

void PendingRanges::NoteLeased(const PendingRange& range) {
  const int64_t extra = counts_.leased - counts_.leased_live;
  uint16_t& most = most_attempts_[range.extra ? 1 : 0];
  most = (range.extra ? extra : counts_.leased_live) == 0 ? 0 : std::max(most, range.attempts);
}

void PendingRanges::Index(int64_t start, const PendingRange& range) {
  if (range.state == RangeState::kReady) {
    ready_[static_cast<size_t>(range.flow())].insert(start);
  }
  const bool waits = range.state == RangeState::kLeased || range.state == RangeState::kDelayed;
  if (waits && range.due != kNever) due_.emplace(range.due, start);
}

void PendingRanges::Unindex(int64_t start, const PendingRange& range) {
  if (range.state == RangeState::kReady) {
    ready_[static_cast<size_t>(range.flow())].erase(start);
  }
  const bool waits = range.state == RangeState::kLeased || range.state == RangeState::kDelayed;
  if (waits && range.due != kNever) due_.erase({range.due, start});
}

void PendingRanges::MarkDirty(int64_t start, PendingRange& range) {
  // A settled range that was never stored needs no write.
  const bool gone = range.state == RangeState::kSettling && !range.stored;
  if (range.dirty || gone) return;
  range.dirty = true;
  dirty_.push_back(start);
}

PendingRanges::~PendingRanges() {
  if (meter_ != nullptr) meter_->Release(map_.size() * kRangeBytes);
}

PendingRanges::Map::iterator PendingRanges::Insert(int64_t start, PendingRange range) {
  range.stored = gone_.erase(start) > 0;
  range.dirty = false;
  Index(start, range);
  const auto it = map_.emplace(start, std::move(range)).first;
  if (meter_ != nullptr) meter_->Add(kRangeBytes);
  MarkDirty(start, it->second);
  return it;
}

PendingRanges::Map::iterator PendingRanges::Remove(Map::iterator it) {
  if (it->second.stored) gone_.insert(it->first);
  if (meter_ != nullptr) meter_->Release(kRangeBytes);
  return map_.erase(it);
}

void PendingRanges::Add(Offset start, int64_t count, const PendingRange& range) {
  ABSL_ASSERT(CountIn(start, start + count, 1) == 0);
  const int64_t end = start.value() + count;
  for (int64_t at = start.value(); at < end; at += kMaxCount) {
    PendingRange piece = range.Copy();
    piece.count = static_cast<uint32_t>(std::min(end - at, kMaxCount));
    Count(piece, +1);
    Insert(at, std::move(piece));
  }
  JoinAround(start.value(), end);
}

void PendingRanges::Split(int64_t at) {
  auto it = map_.upper_bound(at);
  if (it == map_.begin()) return;
  --it;
  const int64_t start = it->first;
  PendingRange& left = it->second;
  if (at <= start || at >= start + left.count) return;
  PendingRange right = left.Copy();
  right.count = static_cast<uint32_t>(start + left.count - at);
  left.count = static_cast<uint32_t>(at - start);
  MarkDirty(start, left);
  Insert(at, std::move(right));
}

size_t PendingRanges::EditRange(Offset from, Offset to, Edit edit) {
  if (from >= to) return 0;
  size_t seen = 0;
  Split(from.value());
  Split(to.value());
  for (auto it = map_.lower_bound(from.value()); it != map_.end() && it->first < to.value();) {
    ++seen;
    PendingRange& range = it->second;
    Count(range, -1);
    Unindex(it->first, range);
    const Verdict verdict = edit(Offset(it->first), range);
    if (verdict == Verdict::kRemove) {
      it = Remove(it);
      continue;
    }
    Count(range, +1);
    Index(it->first, range);
    if (verdict == Verdict::kChanged) MarkDirty(it->first, range);
    ++it;
  }
  JoinAround(from.value(), to.value());
  return seen;
}

void PendingRanges::JoinAround(int64_t from, int64_t to) {
  auto it = map_.lower_bound(from);
  while (it != map_.end() && it->first <= to) {
    it = Join(it);
    ++it;
  }
}

PendingRanges::Map::iterator PendingRanges::Join(Map::iterator it) {
  if (it == map_.begin()) return it;
  auto left = std::prev(it);
  if (left->first + left->second.count != it->first || !left->second.Like(it->second)) return it;
  const int64_t start = left->first;
  const uint32_t count = it->second.count;
  Unindex(it->first, it->second);
  Remove(it);
  left = map_.find(start);
  left->second.count += count;
  MarkDirty(start, left->second);
  return left;
}

PendingRanges::Map::const_iterator PendingRanges::FirstReady(Flow flow) const {
  const absl::btree_set<int64_t>& ready = ready_[static_cast<size_t>(flow)];
  return ready.empty() ? map_.end() : map_.find(*ready.begin());
}

PendingRanges::Map::const_iterator PendingRanges::NextReady(Flow flow, Offset offset) const {
  const absl::btree_set<int64_t>& ready = ready_[static_cast<size_t>(flow)];
  const auto it = ready.upper_bound(offset.value());
  return it == ready.end() ? map_.end() : map_.find(*it);
}

PendingRanges::Map::const_iterator PendingRanges::At(Offset offset) const {
  auto it = map_.upper_bound(offset.value());
  if (it == map_.begin()) return it;
  const auto before = std::prev(it);
  return before->first + before->second.count > offset.value() ? before : it;
}

size_t PendingRanges::CountIn(Offset from, Offset to, size_t limit) const {
  size_t count = 0;
  for (auto it = At(from); it != map_.end() && it->first < to.value() && count < limit; ++it) {
    ++count;
  }
  return count;
}

Offset PendingRanges::EndOf(size_t ranges, Offset from, Offset to) const {
  if (map_.size() <= ranges) return to;
  auto it = At(from);
  for (size_t i = 0; i < ranges && it != map_.end() && it->first < to.value(); ++i) ++it;
  return it == map_.end() ? to : std::min(to, Offset(it->first));
}

Offset PendingRanges::StartOf(size_t ranges, Offset from, Offset to) const {
  auto first = map_.lower_bound(to.value());
  for (size_t i = 0; i < ranges && first != map_.begin(); ++i) {
    const auto before = std::prev(first);
    if (before->first <= from.value()) return from;
    first = before;
  }
  if (first == map_.begin()) return from;
  const auto before = std::prev(first);
  return before->first + before->second.count > from.value() ? Offset(first->first) : from;
}

size_t PendingRanges::EditDue(int64_t now, size_t limit, Edit edit) {
  std::vector<std::pair<int64_t, int64_t>> due;
  for (auto it = due_.begin(); it != due_.end() && it->first <= now && due.size() < limit; ++it) {
    due.emplace_back(it->second, it->second + map_.at(it->second).count);
  }
  std::sort(due.begin(), due.end());
  for (const auto& [start, end] : due) EditRange(Offset(start), Offset(end), edit);
  return due.size();
}

void PendingRanges::Flush(absl::FunctionRef<void(Offset, const PendingRange&)> put,
                          absl::FunctionRef<void(Offset)> erase) {
  for (const int64_t start : gone_) erase(Offset(start));
  gone_.clear();
  for (const int64_t start : dirty_) {
    const auto it = map_.find(start);
    if (it == map_.end() || !it->second.dirty) continue;
    it->second.dirty = false;
    const bool settled = it->second.state == RangeState::kSettling;
    if (!settled) {
      put(Offset(start), it->second);
    } else if (it->second.stored) {
      erase(Offset(start));
    }
    it->second.stored = !settled;
  }
  dirty_.clear();
}

void PendingRanges::Load(Offset start, PendingRange range) {
  range.stored = true;
  range.dirty = false;
  Count(range, +1);
  Index(start.value(), range);
  map_.emplace(start.value(), std::move(range));
  if (meter_ != nullptr) meter_->Add(kRangeBytes);
}

}  // namespace eventhub
