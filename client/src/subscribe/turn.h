// Turns of a thread with events of asynchronous handlers, which it settles in groups.
#pragma once

#include <cstddef>
#include <memory>
#include <utility>
#include <vector>

#include "absl/functional/any_invocable.h"
#include "client/src/subscribe/work_queue.h"
#include "eventhub/subscriber.h"

namespace eventhub::client {

class SubscriberCore;

// Events that an asynchronous handler was given one after the other. Keeps their memory, but not
// their subscriber.
class HandedOut {
 public:
  HandedOut(std::weak_ptr<SubscriberCore> core, WorkQueue::Chunk chunk)
      : core_(std::move(core)), chunk_(std::move(chunk)) {}

  const std::weak_ptr<SubscriberCore>& core() const { return core_; }
  const WorkQueue::Chunk& chunk() const { return chunk_; }

 private:
  const std::weak_ptr<SubscriberCore> core_;
  const WorkQueue::Chunk chunk_;
};

// Consecutive events of a delivery, by their index in it, with the same outcome.
struct SettledEvents {
  std::shared_ptr<HandedOut> events;
  size_t first;
  size_t count;
  Outcome outcome;
};

// What a thread does for several events, one after the other, before it looks for more. While one
// exists, the outcomes that its thread gives to events are collected. They take effect at its end,
// or when many have been collected: that takes the lock of the subscriber once, and not for each
// event. One inside another of the same thread has no effect.
class Turn {
 public:
  Turn();
  ~Turn();
  Turn(const Turn&) = delete;
  Turn& operator=(const Turn&) = delete;

  // The turn of this thread; null if it has none.
  static Turn* current();

  // Adds `settled` to those of this thread's turn; without a turn, settles it at once.
  static void Settle(SettledEvents settled);
  // Outcomes that this thread's turn has collected take effect now, for a thread that is about to
  // wait for their effect.
  static void SettleCollected();

  // Runs `work` at the end of the turn, before outcomes take effect.
  void AtEnd(absl::AnyInvocable<void() &&> work);

 private:
  void Add(SettledEvents settled);
  void Flush();

  const bool outermost_;
  std::vector<SettledEvents> settled_;
  std::vector<absl::AnyInvocable<void() &&>> at_end_;
};

}  // namespace eventhub::client
