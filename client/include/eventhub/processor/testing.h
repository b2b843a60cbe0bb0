// Runs pipelines over the events of a test, without a hub and threads, on a clock of the test.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "eventhub/processor/processor.h"
#include "eventhub/processor/view.h"
#include "eventhub/subscriber.h"
#include "eventhub/transaction.h"
#include "eventhub/v1/event.pb.h"

namespace eventhub::processor {

// A view in memory, which is lost with the object. INVALID_ARGUMENT, naming the option, if one is
// out of range.
absl::StatusOr<std::shared_ptr<View>> OpenMemoryView(const ViewOptions& options);

// A published event, and the topic that it was published to.
struct EmittedEvent {
  std::string topic{};
  v1::Event event{};
};

// The outcome of a delivered event.
struct SettledEvent {
  v1::Event event{};
  // kAck also if a transaction acked it.
  client::Outcome outcome{};
};

// A processor in a test: the engine of Processor, on a simulated subscription and hub. All work
// happens inside Deliver, Advance and Run, on the test's thread and in a deterministic order. The
// pipelines call functions of the test, which may keep their replies and answer at any time.
//
//     TestProcessor test({.source = "/shop/review", .pipelines = {rule}});
//     test.Deliver(OrderPlaced("ord-81", 200'000));
//     ASSERT_THAT(test.emitted(), SizeIs(1));
//     EXPECT_EQ(test.emitted()[0].event.causationid(), "ord-81");
//
// Events that are published to the topic of the subscription, `kTopic`, are delivered after the
// current work; delayed events, and so timers, when the clock reaches their time. The simulated hub
// keeps the state that steps write to state topics.
//
// Not thread-safe, except that replies may be given on other threads; call Run afterwards.
class TestProcessor {
 public:
  static constexpr char kTopic[] = "test";

  // `subscription` need not be set; the subscriber's options have no effect. Options that
  // Processor::Start refuses end the process. `seed` determines the jitter of retries.
  explicit TestProcessor(ProcessorOptions options, uint64_t seed = 1);
  // Later replies are ignored.
  ~TestProcessor();

  TestProcessor(const TestProcessor&) = delete;
  TestProcessor& operator=(const TestProcessor&) = delete;

  // Delivers an event as the next one of the partition, and runs all work that is due. Unlike a
  // hub, it does not limit credit. Returns the event's offset.
  int64_t Deliver(const v1::Event& event, uint32_t partition = 0);
  // Delivers a settled event again, only to these pipelines, as a redrive of its dead letters does;
  // empty: to all pipelines.
  void Redrive(int64_t offset, std::vector<std::string> pipelines = {}, uint32_t partition = 0);
  // Advances the clock, and runs the work that becomes due meanwhile, in order.
  void Advance(absl::Duration by);
  // Runs all work that is due, e.g. after a reply.
  void Run();
  // From now on, batches and groups do not wait for more units.
  void Drain();

  // Decides the outcome of later transactions: `decide` returns OK, or the error with which the hub
  // refuses the transaction. UNAVAILABLE simulates an unreachable hub. Null: always OK.
  void OnCommit(std::function<absl::Status(const client::Transaction& transaction)> decide);
  // While held, transactions are applied but not answered. The answers come after the release, or
  // never if the processor crashes before.
  void HoldCommits(bool hold);

  // While held, views are neither written nor read, and no state is read from the hub, as if they
  // were slow. A crash discards the waiting work.
  void HoldViews(bool hold);

  // Decides the outcome of later reads of state from the hub: `decide` returns OK, or the error.
  // Null: always OK.
  void OnReadState(std::function<absl::Status(const std::string& topic)> decide);

  // Assigns the partition before its next event is delivered.
  void Assign(uint32_t partition = 0);
  // Moves the subscription back: the events from this offset on are delivered again.
  void Seek(int64_t offset, uint32_t partition = 0);
  // Delivers an event again, beside the live flow.
  void Replay(int64_t offset, uint32_t partition = 0);

  // Breaks the connection: the leases of all unsettled events end, and this call redelivers the
  // events in their order.
  void Reconnect();
  // Kills the process and starts it again: like Reconnect, and all work in progress is lost.
  // Replies to calls that were in progress are ignored.
  void Crash();
  // The same, but the new process has other options, e.g. a corrected rule. `make` is called when
  // nothing of the former process is left, e.g. no open view.
  void CrashInto(absl::FunctionRef<ProcessorOptions()> make);

  // The published events, in the order of the log. References to elements are valid until the next
  // call that runs work.
  const std::vector<EmittedEvent>& emitted() const;
  // Events in the order of their settlement.
  const std::vector<SettledEvent>& settled() const;
  const std::vector<Fault>& faults() const;
  // The number of events that were delivered and not settled.
  size_t unsettled() const;
  // The number of transactions that the hub applied.
  size_t commits() const;

  absl::Duration now() const;
  PipelineCounters counters(size_t pipeline = 0) const;
  PipelineState state(size_t pipeline = 0) const;

 private:
  class Hub;
  const std::unique_ptr<Hub> hub_;
};

}  // namespace eventhub::processor
