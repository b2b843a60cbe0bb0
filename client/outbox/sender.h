// Sends the pending requests of an outbox to the hub.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "client/outbox/request_keeper.h"
#include "client/outbox/state.h"

namespace eventhub::client::outbox {

// One thread, which opens a stream for each topic that has requests to send, and writes to it as
// far as the topic's window allows. Replies are handled on threads of the connection.
//
// The streams and the outbox's other threads have no reference to the sender: a stream may outlive
// it.
class Sender {
 public:
  // Both must outlive the threads of the sender; `state` is shared with the streams.
  Sender(std::shared_ptr<State> state, RequestKeeper& keeper)
      : state_(*state), shared_(std::move(state)), keeper_(keeper) {}
  ~Sender() { Stop(); }

  void Start();
  // Cancels the streams and ends.
  void Stop();

 private:
  class StreamHandler;

  void Run();
  // The next topic to step; null: stop.
  Topic* AwaitTopic() ABSL_EXCLUSIVE_LOCKS_REQUIRED(state_.mutex);
  // Does one thing for the topic, and schedules another turn if there is more.
  // Releases the mutex meanwhile.
  void Step(Topic& topic) ABSL_EXCLUSIVE_LOCKS_REQUIRED(state_.mutex);
  // Runs Step at `when`, unless it runs earlier.
  void WakeAt(Topic& topic, absl::Duration when) ABSL_EXCLUSIVE_LOCKS_REQUIRED(state_.mutex);
  void CheckTimes(Topic& topic, absl::Duration now) ABSL_EXCLUSIVE_LOCKS_REQUIRED(state_.mutex);

  // Moves events that are sent directly to the hub into requests.
  void TakeGathered(Topic& topic) ABSL_EXCLUSIVE_LOCKS_REQUIRED(state_.mutex);
  // When the oldest event that is sent directly to the hub, and not accepted yet, was taken.
  absl::Duration OldestUnaccepted(const Topic& topic) const
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(state_.mutex);
  // Finds out why nothing can be sent: something may have to be written or repaired first.
  void AskKeeper(Topic& topic) ABSL_EXCLUSIVE_LOCKS_REQUIRED(state_.mutex);

  void OpenStream(Topic& topic) ABSL_EXCLUSIVE_LOCKS_REQUIRED(state_.mutex);
  void ReadEvents(Topic& topic, uint64_t request) ABSL_EXCLUSIVE_LOCKS_REQUIRED(state_.mutex);
  void Send(Topic& topic, Request& request) ABSL_EXCLUSIVE_LOCKS_REQUIRED(state_.mutex);
  std::string EncodeHeader(const Topic& topic, const Request& request) const
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(state_.mutex);

  State& state_;
  const std::shared_ptr<State> shared_;
  RequestKeeper& keeper_;
  std::thread thread_;
};

}  // namespace eventhub::client::outbox
