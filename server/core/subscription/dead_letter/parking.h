// Moves events that a subscription gives up to its dead-letter topic.
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

// Bounds what is read for dead-letter topics, of all subscriptions, and waits for its commit:
// kPieces pieces of about 1 MiB, however much is given up at once and however long commits take.
// Each piece is begun in its turn. Thread-safe.
class ParkingQueue {
 public:
  static constexpr size_t kPieces = 2;

  // Pieces are begun on the pool, which outlives this.
  explicit ParkingQueue(WorkPool& pool) : pool_(pool) {}

  // `begin` starts a piece, which calls Finish when it is done. Never blocks. Dropped after Stop.
  void Add(absl::AnyInvocable<void() &&> begin);
  // A piece is done; the next one may start.
  void Finish();

  // Nothing is begun any more. What is given up stays pending, and is parked, or delivered again,
  // when the hub is started the next time.
  void Stop();

 private:
  void BeginNext();

  WorkPool& pool_;
  Mutex mutex_;
  std::deque<absl::AnyInvocable<void() &&>> waiting_ ABSL_GUARDED_BY(mutex_);
  size_t under_way_ ABSL_GUARDED_BY(mutex_) = 0;
  bool stopped_ ABSL_GUARDED_BY(mutex_) = false;
};

// Called once, when all events are in the dead-letter topic, or are to be delivered again because
// that topic is not there; an error means that the store has failed. Not called if the hub stops
// before. Must not block.
using ParkingDone = absl::AnyInvocable<void(const absl::Status&)>;

// Reads the events on a background thread, then appends each to the dead-letter topic and settles
// it in the subscription, in one commit: it is never lost, and never there twice. An event that
// retention has removed meanwhile is settled as lost.
void StartParking(const SubscriptionContext& context, std::shared_ptr<Subscription> subscription,
                  std::vector<Parked> parked, ParkingDone done);

}  // namespace eventhub
