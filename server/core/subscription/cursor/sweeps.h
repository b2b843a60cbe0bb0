// Operations on everything that is pending in a partition, carried out in pieces.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "absl/container/flat_hash_set.h"
#include "absl/strings/string_view.h"
#include "server/core/subscription/cursor/candidates.h"
#include "server/core/subscription/cursor/delivery_rules.h"
#include "server/core/subscription/cursor/effects.h"
#include "server/core/subscription/cursor/event_ledger.h"
#include "server/core/subscription/cursor/pending_ranges.h"
#include "server/core/subscription/cursor/shared_text.h"
#include "storage/base/types.h"

namespace eventhub {

struct Sweep {
  enum class Kind : uint8_t {
    kFail,    // All leases of the consumers fail.
    kBlame,   // STREAM: the leases of the first live event and of the first extra
              // one fail; the others are taken back.
    kRecall,  // The leases are taken back.
    kRewind,  // The leases of live events are taken back.
    kLimits,  // See PartitionCursor::ParkExhausted.
    kJoin,    // See PartitionCursor::EndIsolation.
  };

  Kind kind;
  absl::flat_hash_set<ConsumerId> consumers = {};  // The consumers whose leases end.
  SharedText why = {};
  bool lowered = false;  // The limit of attempts was lowered.
  Offset from{0};        // The ranges before it are not examined.

  bool ends_leases() const { return kind <= Kind::kRewind; }
};

// The sweeps of a cursor go over the ranges in order, one after another, a number of ranges at a
// time. Not thread-safe.
class Sweeps {
 public:
  bool empty() const { return sweeps_.empty(); }
  // Whether nothing may be delivered before they are done: a STREAM would be out of order, or the
  // limit of attempts exceeded.
  bool block_deliveries() const;
  // Whether isolation ends.
  bool joining() const;

  // Adds a sweep. `queue`: of a QUEUE.
  void Add(Sweep sweep, bool queue);
  // Continues; examines at most `*left` ranges, and subtracts their number. Null: no limit.
  void Continue(EventLedger& ledger, SuspectWindow& suspects, const DeliveryRules& rules,
                size_t* left, Effects* effects);
  // The cursor moved: no lease is left, and the others start again.
  void Restart();

 private:
  struct Progress {
    Sweep sweep;
    bool blocks = false;
    bool begun = false;
    bool live_blamed = false;
    bool extra_blamed = false;
    Offset at;  // The ranges before it are done.
  };

  std::vector<Progress> sweeps_;  // The first one is in progress; the others follow.
};

}  // namespace eventhub
