// Models a PartitionCursor event by event: too simple to be wrong, and too slow for production.
#pragma once

#include <cstdint>
#include <functional>
#include <limits>
#include <map>
#include <optional>
#include <ostream>
#include <set>
#include <string>
#include <vector>

#include "server/core/subscription/cursor/partition_cursor.h"

namespace eventhub {

// A pending event.
struct ModelEvent {
  RangeState state = RangeState::kReady;
  int64_t due = 0;
  uint32_t attempts = 0;
  ConsumerId consumer;
  bool extra = false;
  bool alone = false;
  bool delivered = false;
  bool silent = false;
  uint64_t epoch = 0;
  std::string reason;
  std::optional<int64_t> redriven_from;  // The offset of the copy.

  bool operator==(const ModelEvent&) const = default;
};
std::ostream& operator<<(std::ostream& os, const ModelEvent& event);

struct ModelParked {
  uint32_t attempts;
  std::string reason;
  std::optional<int64_t> redriven_from;

  bool operator==(const ModelParked&) const = default;
};
std::ostream& operator<<(std::ostream& os, const ModelParked& parked);

// Like Effects, event by event.
struct ModelEffects {
  std::map<uint32_t, int64_t> released;
  std::map<int64_t, ModelParked> parked;
  int64_t acked = 0;
  int64_t nacked = 0;
  int64_t skipped = 0;
  int64_t expired = 0;
  int64_t lost = 0;
  std::set<int64_t> trimmed;
};

// All members are public for tests. Settling operations return the refused offsets.
class CursorModel {
 public:
  static constexpr int64_t kNever = std::numeric_limits<int64_t>::max();
  using Offsets = std::set<int64_t>;
  using RetryAt = std::function<int64_t(uint32_t attempts)>;

  explicit CursorModel(const DeliveryRules& rules) : rules(rules) {}

  // The first event to be delivered; nullopt if there is none.
  struct Next {
    int64_t start;
    uint32_t attempts = 0;
    bool fresh = false;
    bool alone = false;
    std::optional<int64_t> redriven_from;
  };
  std::optional<Next> NextOf(Flow flow) const;
  // Whether the event may be delivered; otherwise it is blocked. Key 0: none.
  bool Admit(int64_t event, uint64_t key);
  void Lease(int64_t event, ConsumerId consumer, int64_t due_at);
  void Block(int64_t event);

  Offsets Ack(ConsumerId consumer, int64_t from, int64_t to);
  Offsets Retry(ConsumerId consumer, uint64_t epoch, int64_t from, int64_t to,
                const RetryAt& retry_at, const std::string& reason);
  Offsets Park(ConsumerId consumer, int64_t from, int64_t to, const std::string& reason);
  Offsets Skip(ConsumerId consumer, int64_t from, int64_t to);
  Offsets Extend(ConsumerId consumer, int64_t from, int64_t to, int64_t due);
  void Fail(ConsumerId consumer, const std::string& why);
  void Recall(ConsumerId consumer);
  void Expire();
  void ParkExhausted(bool lowered, const std::string& why);
  void FinishParking(int64_t from, int64_t to);
  void AbandonParking(int64_t from, int64_t to, int64_t retry_at, const std::string& why);
  void DropTrimmed();
  // Call DropTrimmed afterwards.
  void Seek(int64_t to, const std::vector<UnsettledRange>& unsettled);
  int64_t AddReplay(int64_t from, int64_t to, bool add);
  int64_t CancelReplays();
  void AddRedriven(int64_t event, int64_t copy);
  // Applies a restart, after which the monotonic clock is `now_then`.
  void Restart(int64_t now_then);

  // The expected values.
  int64_t Acked() const;
  int64_t NextDue() const;
  int64_t CountIf(const std::function<bool(const ModelEvent&)>& is) const;

  DeliveryRules rules;
  int64_t now = 0;
  int64_t log_start = 0;
  int64_t log_end = 0;
  int64_t next = 0;
  uint64_t lost = 0;
  uint64_t epoch = 0;
  int64_t window = kNever;  // STREAM: how many events before `suspects_end` may be in flight.
  int64_t suspects_end = 0;
  bool fresh_turn = false;  // QUEUE: fresh events come first.
  bool all_known = false;   // With ordered_by_key: no key of a live event is unknown.
  std::map<int64_t, ModelEvent> events;
  ModelEffects effects;  // Of the operations since the last clear.

 private:
  bool IsLast(uint32_t attempts) const;
  void NoteTakenUp(int64_t event);
  // The first unsettled event.
  int64_t First() const;
  bool Has(const ModelEvent& event, ConsumerId consumer) const;
  // Calls `act` for the events of [from, to) leased to the consumer, and returns the others.
  Offsets ForLeased(ConsumerId consumer, int64_t from, int64_t to,
                    const std::function<void(int64_t, ModelEvent&)>& act);
  void Release(const ModelEvent& event);
  void Settle(int64_t event);
  void Requeue(int64_t offset, ModelEvent& event, bool heard, int64_t ready_at,
               const std::string& reason);
  void TakeBack(ModelEvent& event);
  void StartParking(int64_t offset, ModelEvent& event, const std::string& reason);

  struct Key {
    std::optional<int64_t> turn;
    std::set<int64_t> waiting;
  };
  std::map<uint64_t, Key> keys_;
};

}  // namespace eventhub
