// What a subscription has delivered of a partition, and not settled: ranges of offsets, each in one
// state.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <memory>
#include <utility>
#include <vector>

#include "absl/container/btree_map.h"
#include "absl/container/btree_set.h"
#include "absl/container/flat_hash_set.h"
#include "absl/functional/function_ref.h"
#include "server/core/base/memory_meter.h"
#include "server/core/subscription/shared_text.h"
#include "storage/base/types.h"

namespace eventhub {

// A consumer that is or was connected; never used again while the hub runs. 0: none.
using ConsumerId = StrongInt<struct ConsumerIdTag, uint32_t>;

enum class RangeState : uint8_t {
  kReady,    // To be delivered.
  kLeased,   // At a consumer, until `due`.
  kDelayed,  // To be delivered, from `due` on.
  kBlocked,  // Waits for an earlier event of its key.
  kParking,  // On its way to the dead-letter topic.
  // Settled, or added, by a commit that is not visible yet: as good as gone, or to be delivered,
  // for what comes after that commit; still there, or not yet, for all who look.
  kSettling,
  kComing,
};

// What is ready is delivered apart from what has another flow.
enum class Flow : uint8_t {
  kLive,
  kExtra,  // Of a replay or a redrive.
  kAlone,  // Of either: to be delivered alone.
};
inline constexpr size_t kFlows = 3;

// Consecutive events in the same state.
struct PendingRange {
  int64_t due = 0;    // Microseconds of the monotonic clock.
  SharedText reason;  // Of the last nack.
  uint32_t count = 0;
  ConsumerId consumer;  // While leased.
  // While leased: the lease epoch of the delivery. While settling or coming: the number of the
  // commit that brings it about.
  uint64_t stamp = 0;
  uint32_t event_bytes = 0;  // While leased: the mean size.
  uint16_t attempts = 0;     // Those that failed, and the one under way.
  RangeState state = RangeState::kReady;
  bool extra : 1 = false;      // Of a replay or a redrive.
  bool redriven : 1 = false;   // Of a redrive: always a single event.
  bool alone : 1 = false;      // The next delivery has to be: see PartitionCursor::Requeue.
  bool delivered : 1 = false;  // A consumer may have handled it.
  bool silent : 1 = false;     // Its last attempt failed without a word about it.

  // Kept by PendingRanges: whether the store has a record of it, and whether that is out of date.
  bool stored : 1 = false;
  bool dirty : 1 = false;

  // What `attempts` holds of such a number.
  static uint16_t CountableAttempts(uint32_t number) {
    return static_cast<uint16_t>(std::min<uint32_t>(number, std::numeric_limits<uint16_t>::max()));
  }
  // Whether it is not the hub's to give or to take: at a consumer, or on its way to be settled.
  bool out() const {
    return state == RangeState::kLeased || state == RangeState::kParking ||
           state == RangeState::kSettling;
  }
  // Whether it is settled for those who see that commit.
  bool SettledAsOf(int64_t commit) const {
    return state == RangeState::kSettling && static_cast<int64_t>(stamp) <= commit;
  }
  Flow flow() const {
    if (alone) return Flow::kAlone;
    return extra ? Flow::kExtra : Flow::kLive;
  }
  // Whether the range was loaded and waits for a retry, but is a candidate first: see
  // PartitionCursor::ParkExhausted.
  bool waits_unknown() const { return state == RangeState::kReady && due != 0; }

  // Another range like it, which the store does not have.
  PendingRange Copy() const;
  // Whether both can be one range, when they are neighbours.
  bool Like(const PendingRange& other) const;
};

class DiscardedRanges;

// An ordered map of ranges that never overlap; equal neighbours are one. A range that is not in it
// is settled, or was never delivered. What changed since the last flush is tracked, so that writing
// it costs what changed, not what is pending.
//
// About 70 bytes for each range, and 25 more while it is to be due. Not thread-safe.
class PendingRanges {
 public:
  using Map = absl::btree_map<int64_t, PendingRange>;

  // What a range takes: about 60, and 25 more while it is to be due.
  static constexpr size_t kRangeBytes = 96;

  // Counted by the meter, if there is one.
  explicit PendingRanges(MemoryMeter* meter = nullptr) : meter_(meter) {}
  ~PendingRanges();
  PendingRanges(const PendingRanges&) = delete;
  PendingRanges& operator=(const PendingRanges&) = delete;

  // Numbers of events.
  struct Counts {
    int64_t live = 0;  // All but extra ones.
    int64_t extra = 0;
    int64_t leased = 0;
    int64_t leased_live = 0;
    int64_t delayed = 0;
    int64_t blocked = 0;
    int64_t parking = 0;
    int64_t alone = 0;  // Ready, and of that flow.
    int64_t settling = 0;
    int64_t coming = 0;
  };

  enum class Verdict { kKeep, kChanged, kRemove };
  using Edit = absl::FunctionRef<Verdict(Offset start, PendingRange& range)>;

  const Map& map() const { return map_; }
  const Counts& counts() const { return counts_; }

  // How many there may be, as far as memory goes.
  size_t Allowance() const {
    return meter_ == nullptr ? std::numeric_limits<size_t>::max()
                             : meter_->Allowance() / kRangeBytes;
  }

  // Adds `count` events from `start` on, none of which may be pending. `range` says all but the
  // count.
  void Add(Offset start, int64_t count, const PendingRange& range);

  // Calls `edit` for what is pending of [from, to), range by range, cut to the bounds. It may
  // change the range in place, but not its count, and says what it did. Returns how many it saw.
  size_t EditRange(Offset from, Offset to, Edit edit);

  // Removes all ranges in constant time, and returns them, to be freed piece by piece. For large
  // numbers only: it makes Flush call `erase_all`, for which every later read of the store pays.
  std::unique_ptr<DiscardedRanges> Discard();

  // Starts of ranges that are extra.
  const absl::btree_set<int64_t>& extra() const { return indexes_.extra; }
  // The first range that is ready; map().end() if there is none.
  Map::const_iterator FirstReady(Flow flow) const;
  // The range that holds the offset, or the first one after it.
  Map::const_iterator At(Offset offset) const;
  // How many there are in [from, to), or `limit`, if there are more.
  size_t CountIn(Offset from, Offset to, size_t limit) const;
  // Up to where at most `ranges` of them, at least one, lie in [from, to); `to`, if no more do.
  Offset EndOf(size_t ranges, Offset from, Offset to) const;

  // When the first range will be due. INT64_MAX: none ever.
  int64_t next_due() const { return indexes_.due.empty() ? kNever : indexes_.due.begin()->first; }
  // Calls `edit` for what is due, at most `limit` ranges, those first that are due first; it is not
  // to be due then any more. Returns how many there were.
  size_t EditDue(int64_t now, size_t limit, Edit edit);

  // Whether there is something to flush.
  bool dirty() const { return !dirty_.empty() || !gone_.empty() || all_gone_; }
  // Calls `put` for what the store is to have, `erase` for what it is not to have any more: what is
  // settling, too, for it is flushed with the commit that settles it. Before these `erase_all`, if
  // the store is to have nothing of what it has.
  void Flush(absl::FunctionRef<void()> erase_all,
             absl::FunctionRef<void(Offset start, const PendingRange& range)> put,
             absl::FunctionRef<void(Offset start)> erase);
  // Adds a range that the store has.
  void Load(Offset start, PendingRange range);

 private:
  friend class DiscardedRanges;

  static constexpr int64_t kNever = std::numeric_limits<int64_t>::max();

  struct Indexes {
    std::array<absl::btree_set<int64_t>, kFlows> ready;  // Starts of ready ranges, by flow.
    absl::btree_set<int64_t> extra;                      // Starts of extra ranges.
    absl::btree_set<std::pair<int64_t, int64_t>> due;    // When a range is due, and its start.
  };

  // `range` is counted already.
  Map::iterator Insert(int64_t start, PendingRange range);
  // What is removed is neither counted nor indexed any more.
  Map::iterator Remove(Map::iterator it);
  void Split(int64_t at);
  // Joins `it` with the range before it if they are alike; returns the range that holds `it`.
  Map::iterator Join(Map::iterator it);
  void JoinAround(int64_t from, int64_t to);
  void MarkDirty(int64_t start, PendingRange& range);
  void Count(const PendingRange& range, int64_t sign);
  void Index(int64_t start, const PendingRange& range);
  void Unindex(int64_t start, const PendingRange& range);

  MemoryMeter* const meter_;
  Map map_;
  Indexes indexes_;
  Counts counts_;
  bool all_gone_ = false;              // Whatever the store has, the map has not.
  std::vector<int64_t> dirty_;         // Starts of ranges that are out of date in the store.
  absl::flat_hash_set<int64_t> gone_;  // Starts that the store has, and the map has not.
};

// Ranges that are pending no longer, on their way to be freed. Not thread-safe.
class DiscardedRanges {
 public:
  ~DiscardedRanges();
  DiscardedRanges(const DiscardedRanges&) = delete;
  DiscardedRanges& operator=(const DiscardedRanges&) = delete;

  bool empty() const { return ranges_.empty() && IndexesEmpty(); }
  // Frees at most `limit` ranges or entries of an index, after `freed` was called for each range.
  // Returns how many it freed.
  size_t Free(size_t limit, absl::FunctionRef<void(const PendingRange& range)> freed);

 private:
  friend class PendingRanges;
  DiscardedRanges(MemoryMeter* meter, PendingRanges::Map ranges, PendingRanges::Indexes indexes)
      : meter_(meter), ranges_(std::move(ranges)), indexes_(std::move(indexes)) {}

  bool IndexesEmpty() const;

  MemoryMeter* const meter_;
  PendingRanges::Map ranges_;
  PendingRanges::Indexes indexes_;
};

}  // namespace eventhub
