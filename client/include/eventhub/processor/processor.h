// Runs pipelines over a subscription: delivers events to them, publishes, retries and settles.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "eventhub/connection.h"
#include "eventhub/processor/fault.h"
#include "eventhub/processor/pipeline.h"
#include "eventhub/processor/status.h"
#include "eventhub/subscriber.h"
#include "eventhub/subscription.h"

namespace eventhub::processor {

// How acks and emitted events are collected into transactions. One transaction is in progress at a
// time, so that events are published in order; meanwhile the next one is collected.
struct CommitWindow {
  // How long a transaction waits for more events while no other is in progress; 0 to 1 min. With 0
  // it does not wait, so a slow flow has low latency, and a fast one large transactions.
  absl::Duration interval = absl::ZeroDuration();
  // A transaction is sent without waiting when it has this many events, acked and emitted (1 to
  // 4,000), or this many bytes of emitted events (1 to 3 MiB). The events that one event, or one
  // group, emits are never divided: they may exceed both limits, but not those of the hub.
  size_t max_events = 2000;
  size_t max_bytes = 1024 * 1024;
};

// Callbacks that report what happens to a processor. They run one at a time on its threads, must be
// quick and must not block, and may call its methods except Stop, Wait and the destructor. Each may
// be null. An exception thrown by a hook is ignored.
struct ProcessorHooks {
  // The state of a pipeline changed. Every pipeline begins with kRunning, which is not reported.
  std::function<void(const std::string& pipeline, const PipelineState& state)> on_state{};
  // Removes data from a fault that must not leave the process, e.g. personal data in its message.
  // Runs before on_fault, and before the fault is sent to the hub. Changes of `id` and `pipeline`
  // have no effect. If it throws, the fault loses its message and its causes.
  std::function<void(Fault& fault)> redact{};
  // A pipeline gave up on an event, which is about to become a dead letter.
  std::function<void(const Fault& fault)> on_fault{};
};

struct ProcessorOptions {
  // The subscription to consume. Required.
  std::string subscription{};

  // The source of emitted events that have none; a URI reference of 1 to 1,024 bytes. Required.
  std::string source{};

  // The rules; at least one, with different ids. An event goes to each pipeline that selects it.
  std::vector<AnyPipeline> pipelines{};

  // Whether events whose source is `source` go to pipelines. If false, they are acked and skipped,
  // which breaks loops: a processor may publish to the topic that it consumes.
  bool take_own_events = false;

  // Names this consumer in stats and logs; at most 256 bytes. Empty: the client's address.
  std::string consumer{};

  // Prefetch: the limit of delivered, unsettled events. It bounds the memory, and the number of
  // units that wait in all calls, batches and groups together.
  client::Credit credit{};

  CommitWindow commit{};

  // A pipeline that has events is reported as broken if none of them is done for this long. More
  // than 0; infinite: never.
  absl::Duration stall_after = absl::Minutes(5);

  // See SubscriberOptions.
  absl::Duration max_lease_extension = absl::Minutes(30);
  client::RetryOptions reconnect{};
  absl::Duration reconnect_deadline = absl::InfiniteDuration();

  ProcessorHooks hooks{};
};

// One consumer of a subscription that runs pipelines. Several processors, in one or many processes,
// share the work. Thread-safe.
//
// Guarantees. Every event is processed at least once: it is settled only when each pipeline that
// selects it is done with it. If pipelines publish events for it, the same transaction settles it,
// so the published events are in the log exactly once. If a pipeline gives up on an event, the
// event becomes a dead letter; events that other pipelines published for it stay. Calls are not
// part of a transaction: a service must expect repeated calls for an event.
//
// If one pipeline gives up on an event for which others publish, no transaction acks the event,
// because the hub creates dead letters outside of transactions. If the processor dies between the
// two, the event is delivered again, and the hub recognizes the committed transactions by their
// ids. It cannot if the event was replayed, or if one of its pipelines has a GroupBy or Compact.
// Then only the ids of the emitted events identify a repetition, e.g. in a topic with a
// `deduplication_window`.
//
// A redriven dead letter goes to the pipeline that gave up on it; all other pipelines skip it. An
// event on which several pipelines gave up has a dead letter for each. If the processor no longer
// has the pipeline of a redriven event, the event fails again.
//
// Order: see Pipeline::InOrder. After an event has become a dead letter, the next event of its key
// is processed.
//
// Threads: two of its own, plus those of the connection. An idle processor uses no CPU.
//
// Example:
//
//     ASSIGN_OR_RETURN(auto processor, Processor::Start(hub, {
//         .subscription = "orders.review",
//         .source = "/shop/review",
//         .pipelines = {rule}}));
//     …
//     RETURN_IF_ERROR(processor->Stop(absl::Seconds(30)));
class Processor {
 public:
  // INVALID_ARGUMENT, naming the option and the pipeline, if one is out of range. Does not wait for
  // the network; see Subscriber::Start.
  static absl::StatusOr<std::unique_ptr<Processor>> Start(
      std::shared_ptr<client::Connection> connection, ProcessorOptions options);

  // Start followed by WaitForSignal, for the main function of a program that does nothing else:
  //
  //     const absl::Status status = Processor::RunUntilSignal(hub, options);
  //     if (!status.ok()) std::cerr << status << "\n";
  //     return status.ok() ? 0 : 1;
  static absl::Status RunUntilSignal(std::shared_ptr<client::Connection> connection,
                                     ProcessorOptions options,
                                     absl::Duration stop_timeout = absl::Seconds(30));

  virtual ~Processor() = default;

  // See Subscriber. While the processor stops, batches and groups do not wait for more units.
  virtual void RequestStop() = 0;
  virtual absl::Status Wait(absl::Duration timeout = absl::InfiniteDuration()) = 0;
  virtual absl::Status Stop(absl::Duration timeout = absl::InfiniteDuration()) = 0;
  // Until SIGINT or SIGTERM, or until the processor ends by itself, e.g. because the subscription
  // was deleted.
  virtual absl::Status WaitForSignal(absl::Duration stop_timeout = absl::Seconds(30)) = 0;

  virtual const std::string& subscription() const = 0;
  // The ids of the pipelines, in the order of ProcessorOptions::pipelines.
  virtual std::vector<std::string> pipelines() const = 0;
  // One for each pipeline, in the order of ProcessorOptions::pipelines.
  virtual std::vector<PipelineCounters> counters() const = 0;
  virtual std::vector<PipelineState> states() const = 0;
};

}  // namespace eventhub::processor
