// The hub under load, through its client SDK: what each mode of hub_bench does.
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
  // Used when the topic is created.
  uint32_t partitions = 1;
  EventShape shape;
  client::Durability durability = client::Durability::kWritten;
  // The number of publishing or reading threads, each with its own connection.
  int threads = 1;
  // The number of events that each thread publishes; 0: as many as `seconds` allow.
  int64_t events = 0;
  // The SDK's batch size; 0: its default.
  size_t batch_bytes = 0;
  double seconds = 3;
  // The number of events published per second over all threads; 0: as many as the SDK accepts.
  double events_per_s = 0;
  // The hub's process, whose memory is measured; 0: none.
  int64_t server_pid = 0;
  // Parses each event read, as an application would; otherwise events are only located.
  bool parse = false;
  // Reads only events of this type; empty: all.
  std::string of_type;

  // The number of routes to create, and the type that the first one matches; the following routes
  // match the following types. Less than 0: each route matches everything.
  int routes = 1;
  int route_type = -1;
  // Handlers append the event that they produce, and ack, in one transaction; otherwise they
  // publish it.
  bool transact = false;

  // The subscription, or the common prefix of the names of several.
  std::string subscription;
  client::SubscriptionKind kind = client::SubscriptionKind::kQueue;
  // The number of subscriptions to create, and how many of them have a consumer.
  int subscriptions = 1;
  int consumers = 1;
  // Used at creation. An empty dead-letter topic: one for each subscription, named by the hub.
  client::StartPosition start = client::StartPosition::Latest();
  std::string dead_letter_topic;
  // What a consumer allows in flight; 0 events: the SDK's default.
  uint32_t credit_events = 0;
  uint64_t credit_bytes = 64 << 20;
  // The number of consumers to kill.
  int kills = 20;
};

// Each of these prints one result, unless noted otherwise.

// Creates the topic, replacing an existing one of that name. Prints nothing.
absl::Status CreateTopic(const HubOptions& options);

// Returns once the hub's health is SERVING; DEADLINE_EXCEEDED after `seconds`. Prints nothing.
absl::Status AwaitServing(const HubOptions& options);

// Publishes as fast as the SDK accepts events; counts acknowledged events.
absl::Status MeasurePublish(const HubOptions& options);

// Reads the topic from its start to its end, repeatedly while time remains, unless `once`.
absl::Status MeasureRead(const HubOptions& options, bool once);

// Publishes at full speed or at a fixed rate, while a small publisher and a follower measure
// latencies: reports the rate per 5 s, the longest time without an acknowledgement, the memory of
// the server, and percentiles.
absl::Status MeasureSustained(const HubOptions& options);

// Publishes one event, waits until it is acknowledged, publishes the next.
absl::Status MeasureLatency(const HubOptions& options);

// Publishes `events` events while all threads follow the topic, until all have received everything.
absl::Status MeasureFanOut(const HubOptions& options);

// Creates routes from the topic to CopiesOf it, which is created too. Prints nothing.
absl::Status CreateRoutes(const HubOptions& options);

// The topic to which routes copy, and to which handlers publish the events that they produce.
std::string CopiesOf(const HubOptions& options);

// Consumes the subscription, a QUEUE, one event per handler and `threads` handlers at a time; each
// handler publishes an event to CopiesOf the topic, waits for the hub, and acks.
absl::Status MeasureProcess(const HubOptions& options);

// Returns the hub's own statistics.
absl::Status PrintStats(const HubOptions& options);

// Creates subscriptions of the topic. Prints nothing.
absl::Status CreateSubscriptions(const HubOptions& options);

// Returns the name of the i-th subscription, from 0.
std::string SubscriptionName(const HubOptions& options, int i);

// Alternates between three ways through the topic, from its start to its end: reading, consuming a
// new STREAM subscription, consuming a new QUEUE subscription. Reports the median of each.
absl::Status MeasureConsume(const HubOptions& options);

// Consumes the subscription until it has nothing left to deliver.
absl::Status MeasureConsumeOnce(const HubOptions& options);

// Moves the subscription to the end of the topic and back to its start; reports the mean of both.
absl::Status MeasureSeek(const HubOptions& options);

// Consumes the subscription, a QUEUE, but acks only every other event; the others wait for a retry
// that is hours away.
absl::Status MeasureHoles(const HubOptions& options);

// Publishes `events` events while the first `consumers` subscriptions are consumed, until each of
// those has received everything.
absl::Status MeasureManySubscriptions(const HubOptions& options);

// A consumer that accepts what its credit allows and never acks. Prints once it is connected, and
// does not return.
absl::Status BeStuck(const HubOptions& options);

// A consumer that acks immediately, until it is killed. Prints once it is connected.
absl::Status BeVictim(const HubOptions& options);

// Repeatedly kills a consumer in a separate process, and measures how long its share takes to reach
// another one: for a STREAM, the next event of each of its partitions, which receive one event per
// millisecond; for a QUEUE, each of the events that it had in flight.
absl::Status MeasureFailover(const HubOptions& options);

}  // namespace eventhub::benchmark
