// Moves events that a subscription has given up to its dead-letter topic.
#pragma once

#include <deque>
#include <memory>
#include <string>
#include <vector>

#include "absl/functional/any_invocable.h"
#include "absl/status/status.h"
#include "server/core/subscription/subscription.h"
#include "storage/base/mutex.h"
#include "storage/base/work_pool.h"
#include "storage/log_writer.h"

namespace eventhub {

// Bounds the events of all subscriptions that were read for dead-letter topics and wait for their
// commit: kPieces pieces of about 1 MiB, however many events are given up at once and however long
// commits take. Pieces start in the order of Add. Thread-safe.
class ParkingQueue {
 public:
  static constexpr size_t kPieces = 2;

  // Pieces start on the pool, which outlives this object.
  explicit ParkingQueue(WorkPool& pool) : pool_(pool) {}

  // `begin` starts a piece, which calls Finish when it is done. Never blocks. Ignored after Stop.
  void Add(absl::AnyInvocable<void() &&> begin);
  // Records that a piece is done; the next one may start.
  void Finish();

  // Starts no more pieces. Events not parked stay pending, and are parked or redelivered after the
  // next start of the hub.
  void Stop();

 private:
  void BeginNext();

  WorkPool& pool_;
  Mutex mutex_;
  std::deque<absl::AnyInvocable<void() &&>> waiting_ ABSL_GUARDED_BY(mutex_);
  size_t under_way_ ABSL_GUARDED_BY(mutex_) = 0;
  bool stopped_ ABSL_GUARDED_BY(mutex_) = false;
};

// The flow of the commits that park events: the hub's other tasks do not wait for filters of routes
// from dead-letter topics.
CommitFlow ParkingFlow();

// Called once, when all events are in the dead-letter topic, or will be redelivered because that
// topic does not exist; an error means that the store has failed. Not called if the hub stops
// first. Must not block.
using ParkingDone = absl::AnyInvocable<void(const absl::Status&)>;

// Reads the events on a background thread, then appends each to the dead-letter topic and settles
// it in the subscription in one commit: no event is lost or duplicated. An event that retention has
// removed meanwhile is settled as lost.
void StartParking(const SubscriptionContext& context, std::shared_ptr<Subscription> subscription,
                  std::vector<Parked> parked, ParkingDone done);

}  // namespace eventhub
