// Runs pipelines over the events of a test: no hub, no threads, and a clock that the test moves.
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

// A view in memory, which is gone with the object. INVALID_ARGUMENT, naming the option.
absl::StatusOr<std::shared_ptr<View>> OpenMemoryView(const ViewOptions& options);

// Events of a topic that a test published to.
struct EmittedEvent {
  std::string topic{};
  v1::Event event{};
};

// What became of a delivered event.
struct SettledEvent {
  v1::Event event{};
  // kAck also if a transaction acked it.
  client::Outcome outcome{};
};

// A processor in a test. It is the engine of Processor, on a subscription and a hub that this class
// plays: everything happens inside Deliver, Advance and Run, on the test's thread and in the same
// order each time. Calls that the pipelines make are the test's functions; they may keep their
// replies, and answer when the test wants them to.
//
//     TestProcessor test({.source = "/shop/review", .pipelines = {rule}});
//     test.Deliver(OrderPlaced("ord-81", 200'000));
//     ASSERT_THAT(test.emitted(), SizeIs(1));
//     EXPECT_EQ(test.emitted()[0].event.causationid(), "ord-81");
//
// What is published to the topic that the subscription consumes, `kTopic`, is delivered after what
// happens now; delayed events, so timers, when the clock gets there. State that steps keep in
// topics of the hub is found there again.
//
// Not thread-safe, except that replies may be given on other threads; call Run afterwards.
class TestProcessor {
 public:
  static constexpr char kTopic[] = "test";

  // `subscription` need not be set; the subscriber's options have no effect. Options that
  // Processor::Start refuses are fatal. `seed` determines the jitter of retries.
  explicit TestProcessor(ProcessorOptions options, uint64_t seed = 1);
  // Replies that are given later are ignored.
  ~TestProcessor();

  TestProcessor(const TestProcessor&) = delete;
  TestProcessor& operator=(const TestProcessor&) = delete;

  // Delivers an event as the next of the partition, and runs until nothing more happens now. Unlike
  // a hub it knows no credit. Returns the event's offset.
  int64_t Deliver(const v1::Event& event, uint32_t partition = 0);
  // Delivers a settled event again, to these pipelines only, as a redrive of its dead letters does;
  // empty: to all.
  void Redrive(int64_t offset, std::vector<std::string> pipelines = {}, uint32_t partition = 0);
  // Moves the clock; runs what becomes due on the way, in order.
  void Advance(absl::Duration by);
  // Runs what is due, e.g. after a reply.
  void Run();
  // Gathers no more: batches and groups go without waiting.
  void Drain();

  // What the hub makes of the next transactions: `decide` returns OK, or the error with which it
  // refuses the transaction. UNAVAILABLE stands for a hub that cannot be reached. Null: always OK.
  void OnCommit(std::function<absl::Status(const client::Transaction& transaction)> decide);
  // While held, transactions are applied, but nobody hears of it: the answers come after the
  // release, or never if the processor crashes before.
  void HoldCommits(bool hold);

  // While held, nothing is written to views or read from them, nor is state read from the hub, as
  // if they were slow; after a crash, it never is.
  void HoldViews(bool hold);

  // What becomes of the next reads of state from the hub: `decide` returns OK, or their error.
  // Null: always OK.
  void OnReadState(std::function<absl::Status(const std::string& topic)> decide);

  // The partition is assigned, before its next event is delivered.
  void Assign(uint32_t partition = 0);
  // The subscription is moved back: the events from this offset on are delivered again.
  void Seek(int64_t offset, uint32_t partition = 0);
  // Delivers an event again, beside the live flow.
  void Replay(int64_t offset, uint32_t partition = 0);

  // The connection breaks: the leases of all unsettled events end. They are delivered again, here,
  // in their order.
  void Reconnect();
  // The process dies and starts again: like Reconnect, and all work in progress is lost. Answers of
  // calls that were in progress are ignored.
  void Crash();
  // The same, but what starts has other options, e.g. a corrected rule. They are made when nothing
  // of the former process is left, e.g. no view that is open.
  void CrashInto(absl::FunctionRef<ProcessorOptions()> make);

  // What is in the log, in order. References to elements are valid until the next call that runs.
  const std::vector<EmittedEvent>& emitted() const;
  // Events in the order of their settlement.
  const std::vector<SettledEvent>& settled() const;
  const std::vector<Fault>& faults() const;
  // Events that were delivered and not settled.
  size_t unsettled() const;
  // How many transactions the hub applied.
  size_t commits() const;

  absl::Duration now() const;
  PipelineCounters counters(size_t pipeline = 0) const;
  PipelineState state(size_t pipeline = 0) const;

 private:
  class Hub;
  const std::unique_ptr<Hub> hub_;
};

}  // namespace eventhub::processor
