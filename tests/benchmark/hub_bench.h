// The hub under work, through its client SDK: what each mode of hub_bench does.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

#include "absl/status/status.h"
#include "eventhub/position.h"
#include "eventhub/subscription.h"
#include "eventhub/topic.h"
#include "tests/benchmark/hub_event.h"

namespace eventhub::benchmark {

struct HubOptions {
  std::string address;
  std::string topic;
  // At creation.
  uint32_t partitions = 1;
  EventShape shape;
  client::Durability durability = client::Durability::kWritten;
  // Publishing or reading threads, each with a connection of its own.
  int threads = 1;
  // Publish so many events per thread; 0: as many as `seconds` allow.
  int64_t events = 0;
  // The SDK's batch size; 0: its default.
  size_t batch_bytes = 0;
  double seconds = 3;
  // Publish so many events per second over all threads; 0: as many as the SDK takes.
  double events_per_s = 0;
  // The hub's process, whose memory is looked at; 0: none.
  int64_t server_pid = 0;
  // Parse each event read, as an application would; else it is only found.
  bool parse = false;
  // Read only events of this type; empty: all.
  std::string of_type;

  // How many routes to create, and of which type the first one takes events; the next ones take
  // those of the next types. Less than 0: each takes all.
  int routes = 1;
  int route_type = -1;
  // Handlers append what they make of an event, and ack it, in one transaction; else they publish.
  bool transact = false;

  // The subscription; of several, what their names begin with.
  std::string subscription;
  client::SubscriptionKind kind = client::SubscriptionKind::kQueue;
  // How many to create, and how many of them have a consumer.
  int subscriptions = 1;
  int consumers = 1;
  // At creation. An empty dead-letter topic: one for each subscription, as the hub names it.
  client::StartPosition start = client::StartPosition::Latest();
  std::string dead_letter_topic;
  // What a consumer allows to be out; 0 events: the SDK's default.
  uint32_t credit_events = 0;
  uint64_t credit_bytes = 64 << 20;
  // How many consumers to kill.
  int kills = 20;
};

// Each prints one result, but for those that say so.

// Creates the topic, anew if there is one of that name. Prints nothing.
absl::Status CreateTopic(const HubOptions& options);

// Returns when the hub's health is SERVING; DEADLINE_EXCEEDED after `seconds`. Prints
// nothing.
absl::Status AwaitServing(const HubOptions& options);

// Publishes as fast as the SDK takes events; counts what is acknowledged.
absl::Status MeasurePublish(const HubOptions& options);

// Reads the topic from its start to its end; several times over, if there is time, unless `once`.
absl::Status MeasureRead(const HubOptions& options, bool once);

// Publishes at full speed or at a pace, while a small publisher and a follower measure latencies
// beside: the rate per 5 s, the longest time without an acknowledgement, the memory of the server,
// percentiles.
absl::Status MeasureSustained(const HubOptions& options);

// Publishes one event, waits until it is acknowledged, publishes the next.
absl::Status MeasureLatency(const HubOptions& options);

// Publishes `events` events, while all threads follow the topic; until all have received all.
absl::Status MeasureFanOut(const HubOptions& options);

// Creates routes from the topic to CopiesOf it, which is created too. Prints nothing.
absl::Status CreateRoutes(const HubOptions& options);

// Where routes of the topic copy to, and what is made of its events is published.
std::string CopiesOf(const HubOptions& options);

// Consumes the subscription, a QUEUE, one event per handler and `threads` handlers at a time; each
// publishes an event to CopiesOf the topic, waits for the hub, and acks.
absl::Status MeasureProcess(const HubOptions& options);

// What the hub counts of itself.
absl::Status PrintStats(const HubOptions& options);

// Creates subscriptions of the topic. Prints nothing.
absl::Status CreateSubscriptions(const HubOptions& options);

// The name of the i-th of them, from 0.
std::string SubscriptionName(const HubOptions& options, int i);

// The topic from its start to its end, again and again in turn: read, consumed by a new STREAM
// subscription, consumed by a new QUEUE subscription. The median of each.
absl::Status MeasureConsume(const HubOptions& options);

// Consumes the subscription until it has nothing to deliver.
absl::Status MeasureConsumeOnce(const HubOptions& options);

// Moves the subscription to the end of the topic and back to its start; the mean of both.
absl::Status MeasureSeek(const HubOptions& options);

// Consumes the subscription, a QUEUE, but acks every other event only; the others wait for a retry
// that is hours away.
absl::Status MeasureHoles(const HubOptions& options);

// Publishes `events` events, while the first `consumers` of the subscriptions are consumed; until
// all of those have all.
absl::Status MeasureManySubscriptions(const HubOptions& options);

// A consumer that takes what its credit allows and never acks any of it. Prints when it
// is connected, and does not return.
absl::Status BeStuck(const HubOptions& options);

// A consumer that acks at once, until it is killed. Prints when it is connected.
absl::Status BeVictim(const HubOptions& options);

// Kills a consumer, a process of its own, again and again, and measures how long what it had takes
// to flow to another one: of a STREAM, the next event of each of its partitions, which get one each
// millisecond; of a QUEUE, each of the events that it had.
absl::Status MeasureFailover(const HubOptions& options);

}  // namespace eventhub::benchmark
