// The engine of a processor: takes events, runs pipelines, decides the fate of each event.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <random>
#include <string>
#include <string_view>
#include <vector>

#include "absl/functional/any_invocable.h"
#include "absl/random/bit_gen_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "client/processor/commit_queue.h"
#include "client/processor/delivered.h"
#include "client/processor/host.h"
#include "client/processor/in_flight_events.h"
#include "client/processor/lanes.h"
#include "client/processor/lines.h"
#include "client/processor/make_fault.h"
#include "client/processor/open_replies.h"
#include "client/processor/progress_watch.h"
#include "client/processor/state_board.h"
#include "client/processor/strand.h"
#include "client/processor/view_keeper.h"
#include "eventhub/processor/internal/runtime.h"
#include "eventhub/processor/processor.h"
#include "eventhub/transaction.h"
#include "storage/base/clock.h"

namespace eventhub::processor::internal {

// Takes an event from its delivery to its settlement: through the pipelines that want it (Lines),
// in the order of its key (Lanes), together with what it shares its fate with (Bundle), into a
// transaction if something is published (CommitQueue), or to a fault.
//
// Everything but Create, Close, options, counters, states, Post and strand runs on the strand.
class Engine : private CommitQueue::Owner, private ViewKeeper::Owner {
 public:
  // INVALID_ARGUMENT, naming the option, if one is out of range. `host` and `clock` must outlive
  // the engine. `seed` determines the jitter of retries.
  static absl::StatusOr<std::unique_ptr<Engine>> Create(const ProcessorOptions& options, Host& host,
                                                        const Clock& clock, uint64_t seed);
  // No reply may be out: Close first. Commits may.
  ~Engine() override;

  Strand& strand() { return *strand_; }

  // Gives an event to the pipelines that want it.
  void Take(Delivered delivered);
  // Gives an event that was read back to the pipelines that materialize it.
  void TakeRestored(Delivered delivered);
  // A partition was assigned, from this offset on, or is no longer.
  void OnAssigned(const client::AssignedPartition& next);
  void OnRevoked(uint32_t partition);
  // The processor stops: nothing waits for more events.
  void Drain();
  // The session that leases events ended, or a new one began.
  void SetSession(uint64_t session);
  // All pipelines wait for `what`, or it is broken.
  void SetState(PipelineState::Kind kind, const std::string& what, const std::string& because = {});

  // Starts nothing new, and waits until all replies were given.
  void Close();
  // The same without waiting, on the strand; returns how many are out.
  size_t CloseNow() { return replies_.Close(); }

  const ProcessorOptions& options() const { return options_; }
  std::vector<PipelineCounters> counters() const;
  std::vector<PipelineState> states() const { return board_.Read(); }

  // For Runtime.
  const Clock& clock() const { return clock_; }
  absl::BitGenRef random() { return absl::BitGenRef(random_); }
  bool draining() const { return draining_; }
  bool closing() const override { return replies_.closing(); }
  uint64_t session() const override { return session_; }
  bool IsLost(const Trigger& trigger) const override {
    return trigger.session != session_ && !trigger.arrival.restored;
  }
  const std::string& source() const { return options_.source; }
  void Post(Strand::Work work);
  // A call was given a reply (1), or was answered (-1).
  void CountReplies(int change) { replies_.Count(change); }
  static uint64_t LaneIn(client::Order order, const Trigger& trigger);
  // A unit of the event is going to wait in a step where units rarely do.
  void BeginWait(Trigger& trigger);
  void Open(Task& task) { ++task.open; }
  void Finish(Task& task);
  void Fail(Task& task, std::string_view step, int attempts, const Failure& failure);
  void Bind(Task& a, Task& b);
  void SetWaiting(const Runtime& pipeline, const std::string& step, const std::string& because);
  void Block(absl::AnyInvocable<void() &&> work, absl::AnyInvocable<void() &&> done) override;
  void ReadState(const std::string& topic, const std::string& key, TakeStoredState done);
  // Tells the timers of a pipeline apart.
  std::string TimerSubject(const std::string& pipeline) const;
  PositionsInView PositionsOf(const View& view, const std::vector<uint32_t>& partitions) const {
    return keeper_.PositionsOf(view, partitions);
  }
  void OnViewWritten(const View& view, uint64_t generation) { keeper_.OnWritten(view, generation); }

 private:
  Engine(const ProcessorOptions& options, Host& host, const Clock& clock, uint64_t seed);

  void AddView(const std::shared_ptr<View>& view);
  // The time of the wall clock, from that of the monotonic one: reading a clock for each event is
  // expensive.
  absl::Time NowAt(absl::Duration monotonic);
  // Its place among the events of its key, if a pipeline that wants it asks for it.
  uint64_t LaneOf(const Trigger& trigger) const;

  // All pipelines are done with the trigger.
  void OnDone(Trigger& trigger);
  void Release(Trigger& trigger);
  // The events of the bundle are all released: decides their fate.
  void Resolve(Bundle bundle);
  // Of the pipeline, redacted.
  std::unique_ptr<Fault> NewFault(std::string_view pipeline, std::string_view step, int attempts,
                                  Failure failure, const Trigger& trigger) const;
  void Settle(Trigger& trigger, client::Outcome outcome);

  // CommitQueue::Owner.
  void Commit(client::Transaction transaction) override;
  void OnCommitted(Bundle& bundle, bool acked) override;
  void OnLost(Bundle& bundle) override;
  void OnRefused(Bundle& bundle, Task* task, const absl::Status& error) override;
  void OnState(const Bundle& bundle, PipelineState::Kind kind, const std::string& what,
               const std::string& because) override;

  // ViewKeeper::Owner.
  void TakeNow(Delivered delivered) override;
  void LowerToInFlight(std::map<uint32_t, int64_t>& offsets) const override {
    events_.LowerToInFlight(offsets);
  }
  void ReadBack(uint32_t partition, int64_t from, int64_t to,
                absl::AnyInvocable<void(absl::Status) &&> done) override;
  void SetViewState(PipelineState::Kind kind, const std::string& what,
                    const std::string& because) override;

  void TellFault(const Fault& fault);

  const ProcessorOptions options_;
  Host& host_;
  const Clock& clock_;
  std::mt19937_64 random_;
  StateBoard board_;
  const std::shared_ptr<Strand> strand_;
  CommitQueue commits_;
  ViewKeeper keeper_;

  // On the strand only.
  InFlightEvents events_;
  Lines lines_;
  Lanes lanes_;
  ProgressWatch progress_;
  uint64_t session_ = 0;
  bool draining_ = false;
  // When the last event was done, in which epoch of the strand.
  absl::Duration done_at_;
  uint64_t epoch_ = 0;
  absl::Duration wall_read_at_ = -absl::InfiniteDuration();
  absl::Time wall_at_zero_;

  OpenReplies replies_;
};

}  // namespace eventhub::processor::internal
