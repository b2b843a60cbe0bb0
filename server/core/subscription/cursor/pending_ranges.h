// The events of a partition that a subscription has delivered and not settled: ranges of offsets,
// each in one state.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <utility>
#include <vector>

#include "absl/container/btree_map.h"
#include "absl/container/btree_set.h"
#include "absl/container/flat_hash_set.h"
#include "absl/functional/function_ref.h"
#include "server/core/base/memory_meter.h"
#include "server/core/subscription/cursor/shared_text.h"
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
  // Settled, or added, by a commit that is not visible yet. For later commits the events are
  // already settled, or pending; for observers they are not yet.
  kSettling,
  kComing,
};

// Ready events of different flows are delivered independently.
enum class Flow : uint8_t {
  kLive,
  kExtra,     // Replayed or redriven.
  kIsolated,  // Live or extra: to be delivered in isolation.
};
inline constexpr size_t kFlows = 3;

// Consecutive events in the same state.
struct PendingRange {
  int64_t due = 0;    // Microseconds of the monotonic clock.
  SharedText reason;  // Of the last nack.
  uint32_t count = 0;
  ConsumerId consumer;  // While leased.
  // While leased: the lease epoch of the delivery. While settling or coming: the number of the
  // commit that settles or adds it.
  uint64_t stamp = 0;
  uint32_t event_bytes = 0;  // While leased: the mean size.
  uint16_t attempts = 0;     // Failed attempts, and the one in progress.
  RangeState state = RangeState::kReady;
  bool extra : 1 = false;      // Replayed or redriven.
  bool redriven : 1 = false;   // Always a single event.
  bool alone : 1 = false;      // Its next delivery must be isolated: see EventLedger::Requeue.
  bool delivered : 1 = false;  // A consumer may have handled it.
  bool silent : 1 = false;     // The last attempt failed without a nack.

  // Kept by PendingRanges: whether the store has a record of it, and whether the record is out of
  // date.
  bool stored : 1 = false;
  bool dirty : 1 = false;

  // The largest value that `attempts` can hold up to `number`.
  static uint16_t CountableAttempts(uint32_t number) {
    return static_cast<uint16_t>(std::min<uint32_t>(number, std::numeric_limits<uint16_t>::max()));
  }
  // Whether the hub can neither deliver nor drop it: it is leased, or being settled.
  bool out() const {
    return state == RangeState::kLeased || state == RangeState::kParking ||
           state == RangeState::kSettling;
  }
  // Whether it is settled as of a commit that is not visible yet.
  bool SettledAsOf(int64_t commit) const {
    return state == RangeState::kSettling && static_cast<int64_t>(stamp) <= commit;
  }
  Flow flow() const {
    if (alone) return Flow::kIsolated;
    return extra ? Flow::kExtra : Flow::kLive;
  }
  // Whether the range was loaded and waits for a retry, but is a candidate first: see
  // PartitionCursor::ParkExhausted.
  bool waits_unknown() const { return state == RangeState::kReady && due != 0; }

  // A range like this one that is not stored.
  PendingRange Copy() const;
  // Whether adjacent ranges can be merged.
  bool Like(const PendingRange& other) const;
};

// An ordered map of disjoint ranges; equal neighbors are merged. Events outside of all ranges are
// settled, or were never delivered. Changes since the last flush are tracked, so the cost of a
// flush depends on the changes, not on the number of ranges.
//
// Not thread-safe.
class PendingRanges {
 public:
  using Map = absl::btree_map<int64_t, PendingRange>;

  // Memory of a range: about 60 bytes, and 25 more while it has a due time.
  static constexpr size_t kRangeBytes = 96;
  static constexpr size_t kMaxRanges = 250'000;

  // The meter, if any, counts the memory.
  explicit PendingRanges(MemoryMeter* meter = nullptr) : meter_(meter) {}
  ~PendingRanges();
  PendingRanges(const PendingRanges&) = delete;
  PendingRanges& operator=(const PendingRanges&) = delete;

  // Numbers of events.
  struct Counts {
    int64_t live = 0;  // All except extra ones.
    int64_t extra = 0;
    int64_t leased = 0;
    int64_t leased_live = 0;
    int64_t delayed = 0;
    int64_t blocked = 0;
    int64_t parking = 0;
    int64_t alone = 0;  // Ready, in that flow.
    int64_t settling = 0;
    int64_t coming = 0;
  };

  enum class Verdict { kKeep, kChanged, kRemove };
  using Edit = absl::FunctionRef<Verdict(Offset start, PendingRange& range)>;

  const Map& map() const { return map_; }
  const Counts& counts() const { return counts_; }

  // No leased event of the flow has more attempts; 0: none is leased.
  uint16_t most_attempts(bool extra) const { return most_attempts_[extra ? 1 : 0]; }

  // Whether there are as many ranges as there may be, or would be with `more`: kMaxRanges, or what
  // memory allows.
  bool full(size_t more = 0) const {
    const size_t ranges = map_.size() + more;
    return ranges >= kMaxRanges ||
           (meter_ != nullptr && ranges >= meter_->Allowance() / kRangeBytes);
  }

  // Adds `count` events from `start` on, none of which may be pending. `range` holds everything but
  // the count.
  void Add(Offset start, int64_t count, const PendingRange& range);

  // Calls `edit` for each range in [from, to), cut to these bounds. `edit` may change the range in
  // place, except for its count, and returns what it did. Returns the number of ranges.
  size_t EditRange(Offset from, Offset to, Edit edit);

  // The first range that is ready; map().end() if there is none.
  Map::const_iterator FirstReady(Flow flow) const;
  // The first range that is ready and begins after `offset`; map().end() if there is none.
  Map::const_iterator NextReady(Flow flow, Offset offset) const;
  // The range that holds the offset, or the first one after it.
  Map::const_iterator At(Offset offset) const;
  // The number of ranges in [from, to), at most `limit`.
  size_t CountIn(Offset from, Offset to, size_t limit) const;
  // Returns where the first `ranges` pending ranges of [from, to) end, at least 1: the start of the
  // next range, or `to` if there is none.
  Offset EndOf(size_t ranges, Offset from, Offset to) const;
  // Returns where the last `ranges` pending ranges of [from, to) begin, at least 1; `from` if there
  // are fewer.
  Offset StartOf(size_t ranges, Offset from, Offset to) const;

  // When the next range is due. INT64_MAX: never.
  int64_t next_due() const { return due_.empty() ? kNever : due_.begin()->first; }
  // Calls `edit` for at most `limit` ranges that are due, the earliest first; `edit` must make them
  // not due. Returns the number of ranges.
  size_t EditDue(int64_t now, size_t limit, Edit edit);

  // Whether there is something to flush.
  bool dirty() const { return !dirty_.empty() || !gone_.empty(); }
  // Brings the store up to date: calls `put` for changed ranges and `erase` for removed ones,
  // including those that are settling, since the flush is part of the commit that settles them.
  void Flush(absl::FunctionRef<void(Offset start, const PendingRange& range)> put,
             absl::FunctionRef<void(Offset start)> erase);
  // Adds a range read from the store.
  void Load(Offset start, PendingRange range);

 private:
  static constexpr int64_t kNever = std::numeric_limits<int64_t>::max();

  // `range` is counted already.
  Map::iterator Insert(int64_t start, PendingRange range);
  // Removed ranges are no longer counted or indexed.
  Map::iterator Remove(Map::iterator it);
  void Split(int64_t at);
  // Joins `it` with the range before it if they are alike; returns the range that holds `it`.
  Map::iterator Join(Map::iterator it);
  void JoinAround(int64_t from, int64_t to);
  void MarkDirty(int64_t start, PendingRange& range);
  void Count(const PendingRange& range, int64_t sign);
  void NoteLeased(const PendingRange& range);
  void Index(int64_t start, const PendingRange& range);
  void Unindex(int64_t start, const PendingRange& range);

  MemoryMeter* const meter_;
  Map map_;
  std::array<absl::btree_set<int64_t>, kFlows> ready_;  // Starts of ready ranges, by flow.
  absl::btree_set<std::pair<int64_t, int64_t>> due_;    // When a range is due, and its start.
  Counts counts_;
  std::array<uint16_t, 2> most_attempts_{};  // Of live and of extra events.
  std::vector<int64_t> dirty_;               // Starts of ranges that are out of date in the store.
  absl::flat_hash_set<int64_t> gone_;        // Starts that are stored but no longer in the map.
};

}  // namespace eventhub
