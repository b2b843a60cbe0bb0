// The services that the steps of a running pipeline use.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/functional/any_invocable.h"
#include "absl/random/bit_gen_ref.h"
#include "absl/status/status.h"
#include "absl/time/time.h"
#include "eventhub/processor/internal/counters.h"
#include "eventhub/processor/internal/stored_state.h"
#include "eventhub/processor/internal/trigger.h"
#include "eventhub/processor/internal/unit.h"
#include "eventhub/processor/view_store.h"
#include "eventhub/subscriber.h"
#include "eventhub/v1/event.pb.h"

namespace eventhub::processor::internal {

class Engine;
struct Failure;

// Positions of one generation of a view.
struct PositionsInView {
  uint64_t generation = 0;
  ViewPositions positions{};
};

// One pipeline of a running processor. All methods are called on the processor's strand, that is,
// on one thread at a time.
class Runtime {
 public:
  // `engine` must outlive it.
  Runtime(Engine& engine, std::string id, client::Order order);

  const std::string& id() const { return id_; }
  Counters& counters() { return counters_; }
  bool ordered() const { return order_ != client::Order::kNone; }
  client::Order order() const { return order_; }
  // The lane of units with this key; 0 unless the pipeline is ordered.
  uint64_t LaneOf(uint64_t key_hash) const { return ordered() ? key_hash | 1 : 0; }

  // Returns the lane of a unit in a step where units rarely wait, so that it may have none yet.
  uint64_t LaneFor(const AnyUnit& unit) const;
  // Called before the unit waits in such a step.
  void BeginWait(const AnyUnit& unit);

  // Adds `more` units that depend on the same events as `unit`.
  void Open(const AnyUnit& unit, size_t more);
  // Whether the unit's events are no longer leased here, so that its work would be wasted.
  bool IsLost(const AnyUnit& unit) const;
  // The unit is done, and must not be used anymore.
  void Finish(const AnyUnit& unit);
  // The unit is done and failed, with an error or with the current exception.
  void Fail(const AnyUnit& unit, std::string_view step, const absl::Status& error,
            int attempts = 1);
  void FailThrown(const AnyUnit& unit, std::string_view step, int attempts = 1);
  // From now on, both succeed or fail together.
  void Bind(const AnyUnit& a, const AnyUnit& b);
  // Publishes `event` if the unit's events succeed. `place` is unique among the unit's emissions.
  // Returns false if the event is invalid; then the unit has failed.
  // `partition`: unset for that of the event's key. `topic` must live as long as the pipeline.
  bool Emit(const AnyUnit& unit, std::string_view step, const std::string& topic,
            std::string_view place, v1::Event event,
            std::optional<uint32_t> partition = std::nullopt);

  // Runs `call`, which returns a status; fails the unit if that is an error, or if it throws.
  template <typename Call>
  bool Try(const AnyUnit& unit, std::string_view step, Call&& call) {
    absl::Status status;
    try {
      status = std::forward<Call>(call)();
    } catch (...) {
      FailThrown(unit, step);
      return false;
    }
    if (status.ok()) return true;
    Fail(unit, step, status);
    return false;
  }

  absl::Duration Now() const;
  void At(absl::Duration when, absl::AnyInvocable<void() &&> work);
  // Posts `work` to the strand, from any thread; takes a reference until it has run.
  void Post(absl::AnyInvocable<void() &&> work);
  // Runs `work`, which may block, on the processor's thread for that, and then `done` on the
  // strand, unless the processor is closing. Work runs in the order in which it was submitted.
  void Block(absl::AnyInvocable<void() &&> work, absl::AnyInvocable<void() &&> done);
  // Reads the latest event with the key in the topic, and then calls `done` on the strand, unless
  // the processor is closing.
  void ReadState(const std::string& topic, const std::string& key, TakeStoredState done);
  // The subject of the timers of this pipeline.
  std::string TimerSubject() const;
  absl::BitGenRef random();
  // Whether the processor stops: then nothing may wait for more events.
  bool draining() const;
  // Whether the processor is being destroyed: then no more calls may begin.
  bool closing() const;
  // An attempt of a call began (1), or was answered (-1).
  void CountAttempt(int change);

  // The positions of the view in these partitions, without the events in flight.
  PositionsInView PositionsOf(const View& view, const std::vector<uint32_t>& partitions) const;
  // A write of the view was made to this generation.
  void OnViewWritten(const View& view, uint64_t generation);

  // Sets what the pipeline waits for at `step`; an empty reason: nothing.
  void SetWaiting(const std::string& step, const std::string& because);

 private:
  void FailAs(const AnyUnit& unit, std::string_view step, const Failure& failure, int attempts);

  Engine& engine_;
  const std::string id_;
  const client::Order order_;
  Counters counters_;
};

}  // namespace eventhub::processor::internal
