// Durable subscriptions and what the hub has to say of them: the values of SubscriptionClient.
// See eventhub/v1/subscription.proto, whose messages these mirror.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "eventhub/filter.h"
#include "eventhub/position.h"
#include "eventhub/topic.h"
#include "eventhub/v1/event.pb.h"

namespace eventhub::client {

// How the work of a subscription is shared.
enum class SubscriptionKind {
  kUnspecified = 0,  // Not valid.
  kStream = 1,       // Each partition is at one consumer at a time, in order; cumulative acks.
  kQueue = 2,        // Events go to any consumer, and are leased and acked one by one.
};

// The delay before an event is delivered again after a retry that names none: `min_backoff` after
// the first attempt, twice as long after each further one, at most `max_backoff`.
struct RetryPolicy {
  absl::Duration min_backoff = absl::Milliseconds(100);  // 0 to 1 h.
  absl::Duration max_backoff = absl::Minutes(1);         // `min_backoff` to 24 h.
};

// A bound on a flow; 0: no limit. A second's worth may come at once.
struct RateLimit {
  uint64_t events_per_second = 0;
  uint64_t bytes_per_second = 0;  // Encoded.
};

// How much may be delivered to a consumer and not yet settled. 0 in either holds delivery.
struct Credit {
  uint32_t events = 1000;
  uint64_t bytes = 16 * 1024 * 1024;  // Encoded. A larger event comes alone.

  friend bool operator==(const Credit&, const Credit&) = default;
};

// A durable place in a topic's log, shared by any number of consumers.
struct Subscription {
  // 1 to 200 of `a-z A-Z 0-9 . _ -`, the first one a letter, a digit or `_`. Cannot be changed.
  std::string name{};
  // Cannot be changed.
  std::string topic{};
  // Required. Cannot be changed.
  SubscriptionKind kind = SubscriptionKind::kUnspecified;
  // QUEUE: an event is delivered only when all earlier ones of its partition key are settled.
  // Cannot be changed.
  bool ordered_by_key = false;
  // QUEUE: how long an event may be at a consumer before it goes to another, unless extended;
  // 100 ms to 12 h; 0 at creation: 30 s. STREAM: how long a partition may stay without an ack while
  // events are out; 0 at creation, or infinite: for ever.
  absl::Duration ack_deadline = absl::ZeroDuration();
  RetryPolicy retry_policy{};
  // An event of which so many attempts failed becomes a dead letter; 1 to 1,000; 0: never. What
  // counts is at `max_delivery_attempts` in eventhub/v1/subscription.proto.
  uint32_t max_delivery_attempts = 0;
  // Empty at creation: `name` with `.dead-letters` after it.
  std::string dead_letter_topic{};
  // Deleted when no consumer was connected for so long; at least 1 min; infinite: never.
  absl::Duration expire_after = absl::InfiniteDuration();
  // Nothing is delivered while it is paused; what is out can be settled.
  bool paused = false;
  // Of the deliveries to all consumers together.
  RateLimit rate_limit{};
  // What a settled ack survives. kDefault at creation: that of the topic.
  Durability ack_durability = Durability::kDefault;
  // For people; at most 1,024 bytes.
  std::string description{};
  // Only events that pass are delivered; the hub acks the others itself.
  std::optional<Filter> filter{};
  // Set by the hub.
  absl::Time create_time = absl::InfinitePast();
};

// A change of a subscription: what is set is changed.
struct SubscriptionUpdate {
  std::optional<absl::Duration> ack_deadline{};  // Infinite: for ever; STREAM only.
  std::optional<absl::Duration> min_backoff{};
  std::optional<absl::Duration> max_backoff{};
  std::optional<uint32_t> max_delivery_attempts{};  // 0: no limit.
  std::optional<std::string> dead_letter_topic{};   // Has to exist.
  std::optional<absl::Duration> expire_after{};     // Infinite: never.
  std::optional<bool> paused{};
  std::optional<uint64_t> events_per_second{};  // 0: no limit.
  std::optional<uint64_t> bytes_per_second{};   // 0: no limit.
  std::optional<Durability> ack_durability{};
  std::optional<std::string> description{};
  // Takes effect with what was not delivered yet. Holds nothing: no filter any more.
  std::optional<std::optional<Filter>> filter{};
};

// How a subscription does; counts are since the hub started unless said otherwise, bytes are of
// encoded events.
struct SubscriptionStats {
  uint64_t lag_events = 0;  // Not settled: undelivered, out, or waiting for a retry.
  uint64_t lag_bytes = 0;
  absl::Duration oldest_age = absl::ZeroDuration();  // Of the oldest unsettled event; 0: none.
  uint64_t in_flight_events = 0;                     // At consumers now.
  uint64_t delayed_events = 0;                       // Waiting for a retry now.
  uint64_t blocked_events = 0;    // Waiting for an earlier event of their key now.
  uint64_t delivered_events = 0;  // Each delivery counted.
  uint64_t delivered_bytes = 0;
  uint64_t redelivered_events = 0;  // Deliveries of events that may have been handled.
  uint64_t acked_events = 0;
  uint64_t nacked_events = 0;   // Whatever the action.
  uint64_t skipped_events = 0;  // Nacked with skip.
  uint64_t expired_events = 0;  // Leases that ended because time was up.
  uint64_t dead_lettered_events = 0;
  uint64_t filtered_events = 0;    // Left out by the filter.
  uint64_t open_dead_letters = 0;  // Now.
  uint64_t lost_events = 0;        // Trimmed before they were settled, ever.
  uint64_t replay_events = 0;      // Of replays and redrives, still to be settled; not in the lag.
  std::optional<absl::Time> last_ack_time{};
};

// A subscription in one partition.
struct SubscriptionPartition {
  uint32_t partition = 0;
  int64_t acked_offset = 0;  // Everything before it is settled.
  int64_t next_offset = 0;   // The next that was never delivered.
  int64_t end_offset = 0;    // What the next event will get.
  uint64_t lag_events = 0;   // As in SubscriptionStats, here and below.
  uint64_t lag_bytes = 0;
  absl::Duration oldest_age = absl::ZeroDuration();
  uint64_t in_flight_events = 0;
  uint64_t delayed_events = 0;
  uint64_t blocked_events = 0;
  uint64_t replay_events = 0;
  std::string consumer{};  // STREAM: who has it; empty: nobody.
  uint64_t lease_epoch = 0;
  // Of the oldest unsettled event:
  uint32_t head_attempts = 0;
  std::optional<absl::Time> head_retry_time{};  // Set only while it waits for a retry.
  std::string head_reason{};                    // What its last nack said.
  std::string head_consumer{};                  // Who has it; empty: nobody.
};

// A consumer that is connected.
struct ConsumerInfo {
  std::string name{};
  std::string address{};
  absl::Time connect_time = absl::InfinitePast();
  Credit credit{};                     // What it allows to be out at once.
  Credit in_use{};                     // What is out.
  std::vector<uint32_t> partitions{};  // STREAM: those it has.
  uint64_t acked_events = 0;
  uint64_t nacked_events = 0;
  std::optional<absl::Time> last_ack_time{};
  bool leaving = false;  // It has not settled everything yet.
  bool stalled = false;  // QUEUE: it let a lease end, and nothing came from it since.
};

// The settings and the state of a subscription.
struct SubscriptionDescription {
  Subscription subscription{};
  SubscriptionStats stats{};
  std::vector<SubscriptionPartition> partitions{};  // Those furthest behind first.
  std::vector<ConsumerInfo> consumers{};            // By name.
  // What keeps it from going on or going faster, in words, the weightiest first.
  std::vector<std::string> findings{};
};

// A subscription in a list.
struct SubscriptionSummary {
  Subscription subscription{};
  SubscriptionStats stats{};
  uint32_t consumers = 0;  // Connected now.
};

// Where a seek goes: `start` or `snapshot`, or `offsets` alone, or `offsets` with one of those,
// which then go before it. Partitions that nothing is said of stay as they are.
struct SeekTarget {
  std::optional<StartPosition> start{};
  std::string snapshot{};  // The name of a snapshot of the subscription; empty: none.
  std::vector<PartitionOffset> offsets{};
};

// How a seek moves, or would move, a partition.
struct PartitionMove {
  uint32_t partition = 0;
  int64_t from_offset = 0;  // Up to where everything was settled before.
  int64_t to_offset = 0;    // Up to where it is now.
  uint64_t lag_before = 0;  // Unsettled events.
  uint64_t lag_after = 0;
};

// What to deliver again.
struct ReplaySpec {
  std::vector<uint32_t> partitions{};  // Each at most once. Empty: all.
  StartPosition start{};               // The first event of each partition.
  // Up to before this offset of each partition. Not set: the next that was never delivered.
  std::optional<int64_t> stop_offset{};
  // Up to before the first event appended at this time or later.
  std::optional<absl::Time> stop_time{};
  // Of all replays of the subscription from now on. Not set: as the subscription's.
  std::optional<RateLimit> rate_limit{};
};

// What is, or would be, delivered again.
struct ReplayResult {
  uint64_t events = 0;  // Those not settled yet are not among them.
  std::vector<PartitionRange> ranges{};
};

// An ack state that was kept.
struct Snapshot {
  std::string name{};
  absl::Time create_time = absl::InfinitePast();
  uint64_t lag_events = 0;  // Unsettled events at that time.
};

// An event that its subscription gave up.
struct DeadLetter {
  uint32_t partition = 0;  // Where it is in the dead-letter topic: its identity.
  int64_t offset = 0;
  uint32_t source_partition = 0;  // Where it comes from.
  int64_t source_offset = 0;
  uint32_t attempts = 0;  // How many it had.
  std::string reason{};
  absl::Time time = absl::InfinitePast();  // When it was given up.
  v1::Event event{};                       // As published; `data` only if it was asked for.
  // The event is gone, and `event` empty: retention removed it, or its topics were deleted.
  bool event_trimmed = false;
  std::string topic{};  // The dead-letter topic that it is in; empty if that was deleted.
};

// Picks open dead letters; all conditions have to hold, and none picks all.
struct DeadLetterSelector {
  std::vector<PartitionRange> ranges{};    // Of the dead-letter topic's offsets; empty: all.
  std::optional<absl::Time> start_time{};  // Given up at this time or later.
  std::optional<absl::Time> end_time{};    // Given up before this time.
  std::vector<std::string> types{};        // Of one of these event types; empty: any.
  std::string reason_contains{};           // Empty: any reason.
  std::string topic{};                     // In this dead-letter topic; empty: in any.
};

// What became of dead letters that were to be redriven, or would.
struct RedriveResult {
  uint64_t events = 0;   // That return to the subscription.
  uint64_t to_come = 0;  // That stay: the subscription has yet to come to their events.
  uint64_t trimmed = 0;  // That stay: their events are gone.
};

}  // namespace eventhub::client
