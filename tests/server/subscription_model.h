// Models a subscription event by event, as its consumers see it.
#pragma once

#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <tuple>
#include <vector>

#include "eventhub/v1/subscription.pb.h"
#include "server/core/subscription/records.pb.h"
#include "tests/server/subscription_rig.h"

namespace eventhub {

// Records every operation on a subscription and every delivery; fails the test when a delivery does
// not follow from the operations. Parking takes no time here. Times are microseconds of the clock.
class SubscriptionModel {
 public:
  struct Rules {
    bool queue = false;
    bool ordered_by_key = false;
    uint32_t max_attempts = 0;
    int64_t ack_deadline = 0;  // 0: none; STREAM only.
  };

  enum class Where { kFresh, kWaiting, kOut, kDone };

  struct Event {
    std::string id;
    std::string key;
    size_t bytes = 0;
    int64_t append_time = 0;
    Where where = Where::kFresh;
    bool extra = false;     // Of a replay or a redrive.
    bool redriven = false;  // A copy exists, in case the log no longer has the event.
    uint32_t attempts = 0;
    uint32_t sure_attempts = 0;  // Attempts that survive a power loss.
    bool surely_done = false;    // Likewise.
    bool delivered = false;      // At any time.
    bool silent = false;         // The last attempt failed without a nack.
    uint64_t epoch = 0;          // While leased.
    int consumer = 0;
    int64_t due = 0;       // While leased.
    int64_t ready_at = 0;  // While delayed.
  };

  struct Partition {
    std::vector<Event> events;
    int64_t start = 0;
    int owner = 0;  // STREAM; 0: none.
    uint64_t epoch = 0;
    uint64_t first_epoch = 0;  // Leases may exist since this epoch.
    bool moved = false;        // By a seek that is not observed yet.
    int64_t lease_due = 0;
    int64_t drained_from = 0;  // STREAM: since when it may be about to move.
  };

  struct Consumer {
    int64_t credit_events = 1000;
    int64_t credit_bytes = int64_t{16} << 20;
    int64_t out_events = 0;
    int64_t out_bytes = 0;
    bool leaving = false;
  };

  using Offsets = std::vector<int64_t>;
  using Letter = std::tuple<uint32_t, int64_t, uint32_t>;  // Partition, offset, attempts.

  SubscriptionModel(const Rules& rules, size_t partitions) : rules(rules), partitions(partitions) {}

  void Publish(uint32_t partition, const std::string& id, const std::string& key, size_t bytes);
  void Open(int consumer, const Consumer& state);
  void Close(int consumer);
  void Deliver(int consumer, const Received& event);

  // These return the refused offsets.
  Offsets Ack(int consumer, uint32_t partition, uint64_t epoch, int64_t from, int64_t to);
  Offsets Retry(int consumer, uint32_t partition, uint64_t epoch, int64_t from, int64_t to,
                int64_t delay);
  Offsets Park(int consumer, uint32_t partition, uint64_t epoch, int64_t from, int64_t to);
  Offsets Skip(int consumer, uint32_t partition, uint64_t epoch, int64_t from, int64_t to);
  Offsets Extend(int consumer, uint32_t partition, uint64_t epoch, int64_t from, int64_t to,
                 int64_t time);

  // Ends everything that is due.
  void Expire();
  // Applies the hub's report of the partition, which may end leases.
  void Observe(const v1::SubscriptionPartition& state, int owner);
  void Trim(uint32_t partition, int64_t start);
  void Seek(uint32_t partition, int64_t to);
  void Restore(const SubscriptionModel& then);
  int64_t Replay(uint32_t partition, int64_t from, int64_t to);
  int64_t CancelReplays();
  bool Redrive(const Letter& letter);

  // Ends all leases. If `sure` is false, only state that survives a power loss is known; the hub
  // reports the rest.
  void Reopen();
  void Adopt(const stored::Snapshot& hub, bool acks_are_sure);
  // The current state survives a power loss.
  void MarkSure();

  // Compares with the unsettled events that the hub reports.
  void Compare(const stored::Snapshot& hub) const;

  int64_t Lag() const;
  int64_t Extras() const;
  bool Has(int consumer, uint32_t partition, int64_t offset) const;
  std::vector<std::pair<uint32_t, int64_t>> OutAt(int consumer) const;

  const Rules rules;
  std::vector<Partition> partitions;
  std::map<int, Consumer> consumers;
  std::multiset<Letter> letters;  // Open dead letters.
  int64_t now = 0;
  int64_t lost = 0;
  bool paused = false;
  bool parked = false;  // Set when an event was parked since the last reset.

 private:
  Event* Find(uint32_t partition, int64_t offset);
  bool HoldsLease(int consumer, uint32_t partition, uint64_t epoch) const;
  bool IsOutAt(const Event& event, int consumer) const;
  void Release(Event& event);
  void Settle(Event& event);
  void Requeue(uint32_t partition, int64_t offset, bool heard, int64_t ready_at);
  void ParkOne(uint32_t partition, int64_t offset);
  // Takes a leased event back.
  void TakeBack(Event& event);
  void Fail(uint32_t partition, int consumer);
  void Recall(uint32_t partition, int consumer);
  void DropTrimmed(uint32_t partition);
  void CheckOrder(uint32_t partition, int64_t offset) const;
  void CheckCredit(const Consumer& consumer, const Event& event) const;
  bool AnyOut(const Partition& partition) const;
  static Offsets All(int64_t from, int64_t to);
};

}  // namespace eventhub
