// The values of SubscriptionClient: durable subscriptions and their state.
// See eventhub/v1/subscription.proto, whose messages these mirror.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "eventhub/fault.h"
#include "eventhub/filter.h"
#include "eventhub/position.h"
#include "eventhub/topic.h"
#include "eventhub/v1/event.pb.h"

namespace eventhub::client {

// How consumers share a subscription.
enum class SubscriptionKind {
  kUnspecified = 0,  // Not valid.
  kStream = 1,       // Each partition is assigned to one consumer at a time, in order.
  kQueue = 2,        // Events go to any consumer, and are leased and acked individually.
};

// The delay before an event is redelivered after a retry that names no delay: `min_backoff` after
// the first attempt, doubled after each further attempt, at most `max_backoff`.
struct RetryPolicy {
  absl::Duration min_backoff = absl::Milliseconds(100);  // 0 to 1 h.
  absl::Duration max_backoff = absl::Minutes(1);         // `min_backoff` to 24 h.
};

// A rate limit; 0: no limit. One second's worth may be delivered in a burst.
struct RateLimit {
  uint64_t events_per_second = 0;
  uint64_t bytes_per_second = 0;  // Encoded.
};

// How much may be delivered to a consumer and not yet settled. 0 in either field pauses delivery.
struct Credit {
  uint32_t events = 1000;
  uint64_t bytes = 16 * 1024 * 1024;  // Encoded. A larger event is delivered alone.

  friend bool operator==(const Credit&, const Credit&) = default;
};

// A durable cursor in a topic's log, shared by any number of consumers.
struct Subscription {
  // 1 to 200 of `a-z A-Z 0-9 . _ -`, the first one a letter, a digit or `_`. Cannot be changed.
  std::string name{};
  // Cannot be changed.
  std::string topic{};
  // Required. Cannot be changed.
  SubscriptionKind kind = SubscriptionKind::kUnspecified;
  // QUEUE: an event is delivered only after all earlier events with its partition key are settled.
  // Cannot be changed.
  bool ordered_by_key = false;
  // QUEUE: how long a consumer may hold an event before another one gets it, unless the lease is
  // extended; 100 ms to 12 h; 0 at creation: 30 s. STREAM: how long a consumer may hold a partition
  // without an ack while events are in flight; 0 at creation, or infinite: forever.
  absl::Duration ack_deadline = absl::ZeroDuration();
  RetryPolicy retry_policy{};
  // After this many failed attempts, an event becomes a dead letter; 1 to 1,000; 0: never.
  // `max_delivery_attempts` in eventhub/v1/subscription.proto defines which attempts count.
  uint32_t max_delivery_attempts = 0;
  // Empty at creation: `name` followed by `.dead-letters`.
  std::string dead_letter_topic{};
  // Deletes the subscription if no consumer connects for this long; at least 1 min; infinite:
  // never.
  absl::Duration expire_after = absl::InfiniteDuration();
  // While paused, nothing is delivered; events in flight can be settled.
  bool paused = false;
  // Limits the deliveries to all consumers together.
  RateLimit rate_limit{};
  // The durability of acks. kDefault at creation: the topic's default.
  Durability ack_durability = Durability::kDefault;
  // For people; at most 1,024 bytes.
  std::string description{};
  // Only events that pass this filter are delivered; the hub acks the others itself.
  std::optional<Filter> filter{};
  // Set by the hub.
  absl::Time create_time = absl::InfinitePast();
};

// A change of a subscription: fields that are set are changed.
struct SubscriptionUpdate {
  std::optional<absl::Duration> ack_deadline{};  // Infinite: forever; STREAM only.
  std::optional<absl::Duration> min_backoff{};
  std::optional<absl::Duration> max_backoff{};
  std::optional<uint32_t> max_delivery_attempts{};  // 0: no limit.
  std::optional<std::string> dead_letter_topic{};   // Must exist.
  std::optional<absl::Duration> expire_after{};     // Infinite: never.
  std::optional<bool> paused{};
  std::optional<uint64_t> events_per_second{};  // 0: no limit.
  std::optional<uint64_t> bytes_per_second{};   // 0: no limit.
  std::optional<Durability> ack_durability{};
  std::optional<std::string> description{};
  // Applies to events that were not delivered yet. An empty inner optional removes the filter.
  std::optional<std::optional<Filter>> filter{};
};

// The state and the counters of a subscription. Counters are since the hub started unless noted;
// bytes are of encoded events.
struct SubscriptionStats {
  uint64_t lag_events = 0;  // Unsettled: undelivered, in flight, or waiting for a retry.
  uint64_t lag_bytes = 0;
  absl::Duration oldest_age = absl::ZeroDuration();  // Of the oldest unsettled event; 0: none.
  uint64_t in_flight_events = 0;                     // At consumers now.
  uint64_t delayed_events = 0;                       // Waiting for a retry now.
  uint64_t blocked_events = 0;    // Waiting for an earlier event of their key now.
  uint64_t delivered_events = 0;  // Every delivery counts.
  uint64_t delivered_bytes = 0;
  uint64_t redelivered_events = 0;  // Deliveries of events that may have been handled before.
  uint64_t acked_events = 0;
  uint64_t nacked_events = 0;   // With any action.
  uint64_t skipped_events = 0;  // Nacked with skip.
  uint64_t expired_events = 0;  // Leases that expired.
  uint64_t dead_lettered_events = 0;
  uint64_t filtered_events = 0;    // Dropped by the filter.
  uint64_t open_dead_letters = 0;  // Now.
  uint64_t lost_events = 0;        // Trimmed before they were settled, ever.
  uint64_t replay_events = 0;      // Unsettled, of replays and redrives; not part of the lag.
  std::optional<absl::Time> last_ack_time{};
};

// The state of a subscription in one partition.
struct SubscriptionPartition {
  uint32_t partition = 0;
  int64_t acked_offset = 0;  // Everything before it is settled.
  int64_t next_offset = 0;   // The first that was never delivered.
  int64_t end_offset = 0;    // The offset that the next event will get.
  uint64_t lag_events = 0;   // As in SubscriptionStats, here and below.
  uint64_t lag_bytes = 0;
  absl::Duration oldest_age = absl::ZeroDuration();
  uint64_t in_flight_events = 0;
  uint64_t delayed_events = 0;
  uint64_t blocked_events = 0;
  uint64_t replay_events = 0;
  std::string consumer{};  // STREAM: which consumer has the partition; empty: none.
  uint64_t lease_epoch = 0;
  // Of the oldest unsettled event:
  uint32_t head_attempts = 0;
  std::optional<absl::Time> head_retry_time{};  // Set only while it waits for a retry.
  std::string head_reason{};                    // The reason of its last nack.
  std::string head_consumer{};                  // Its consumer; empty: none.
};

// A connected consumer.
struct ConsumerInfo {
  std::string name{};
  std::string address{};
  absl::Time connect_time = absl::InfinitePast();
  Credit credit{};                     // How much it allows in flight.
  Credit in_use{};                     // How much is in flight.
  std::vector<uint32_t> partitions{};  // STREAM: the partitions assigned to it.
  uint64_t acked_events = 0;
  uint64_t nacked_events = 0;
  std::optional<absl::Time> last_ack_time{};
  bool leaving = false;  // It is leaving, and has not settled everything yet.
  bool stalled = false;  // QUEUE: it let a lease expire, and has sent nothing since.
};

// A subscription and its state.
struct SubscriptionDescription {
  Subscription subscription{};
  SubscriptionStats stats{};
  std::vector<SubscriptionPartition> partitions{};  // The furthest behind first.
  std::vector<ConsumerInfo> consumers{};            // By name.
  // The reasons why it is behind, in words, the most important first.
  std::vector<std::string> findings{};
};

// A subscription in a list.
struct SubscriptionSummary {
  Subscription subscription{};
  SubscriptionStats stats{};
  uint32_t consumers = 0;  // Connected now.
};

// The target of a seek: `start`, `snapshot` or `offsets`; or `offsets` together with one of the
// other two, over which it takes precedence. Partitions that no field covers are not moved.
struct SeekTarget {
  std::optional<StartPosition> start{};
  std::string snapshot{};  // The name of a snapshot of the subscription; empty: none.
  std::vector<PartitionOffset> offsets{};
};

// How a seek moves a partition, or would move it.
struct PartitionMove {
  uint32_t partition = 0;
  int64_t from_offset = 0;  // Everything before it was settled before the seek.
  int64_t to_offset = 0;    // Everything before it is settled after the seek.
  uint64_t lag_before = 0;  // Unsettled events.
  uint64_t lag_after = 0;
};

// Which events a replay delivers again.
struct ReplaySpec {
  std::vector<uint32_t> partitions{};  // Each at most once. Empty: all.
  // The first event in each partition; it may be one that only the hub's lake still has.
  StartPosition start{};
  // The end of the range in each partition, exclusive. Unset: the first event never delivered.
  std::optional<int64_t> stop_offset{};
  // Only events appended before this time.
  std::optional<absl::Time> stop_time{};
  // The rate limit of all replays of the subscription from now on. Unset: the subscription's limit.
  std::optional<RateLimit> rate_limit{};
  // Only events that match, besides the filter of the subscription. All replays that are not done
  // have the same filter: FAILED_PRECONDITION (ErrorReason::kReplayInProgress).
  std::optional<Filter> filter{};
};

// The result of a replay, or of its dry run.
struct ReplayResult {
  // Offsets, without those of events that are not settled yet. Events that the filter excludes, or
  // that compaction removed, are counted, and not delivered.
  uint64_t events = 0;
  std::vector<PartitionRange> ranges{};
};

// A saved ack state.
struct Snapshot {
  std::string name{};
  absl::Time create_time = absl::InfinitePast();
  uint64_t lag_events = 0;  // Unsettled events at that time.
};

// The state of a dead letter.
enum class DeadLetterState {
  kUnknown,      // The hub is older, or newer, than faults.
  kOpen,         // It waits for a decision.
  kFailedAgain,  // It is open, and its event failed before in the same pipeline.
  kResubmitted,  // It was redriven, and its event is not settled yet.
  kResolved,     // It was redriven, and its event is settled.
  kDiscarded,
};

// An event that its subscription gave up on.
struct DeadLetter {
  uint32_t partition = 0;  // Its position in the dead-letter topic, which identifies it.
  int64_t offset = 0;
  uint32_t source_partition = 0;  // The position of the original event.
  int64_t source_offset = 0;
  uint32_t attempts = 0;  // Delivery attempts.
  std::string reason{};
  absl::Time time = absl::InfinitePast();  // When it became a dead letter.
  v1::Event event{};                       // As published; `data` only if requested.
  // The event no longer exists, and `event` is empty: it was trimmed, or its topics were deleted.
  bool event_trimmed = false;
  std::string topic{};  // The dead-letter topic that holds it; empty if that was deleted.
  // Identifies the fault: this event in this pipeline of this subscription, however often it
  // fails. Empty if an older hub made the letter.
  std::string fault_id{};
  std::optional<FaultDetail> fault{};  // What the consumer reported, if anything.
  DeadLetterState state = DeadLetterState::kUnknown;
  uint32_t failures = 1;                         // How often it was given up.
  absl::Time first_time = absl::InfinitePast();  // When it was first given up.
  std::optional<absl::Time> close_time{};        // When it was redriven or discarded.
  std::string subscription{};
};

// Selects dead letters that meet all conditions. Without conditions, selects all that are open.
struct DeadLetterSelector {
  std::vector<PartitionRange> ranges{};    // Offsets in the dead-letter topic; empty: all.
  std::optional<absl::Time> start_time{};  // Became dead letters at this time or later.
  std::optional<absl::Time> end_time{};    // Became dead letters before this time.
  std::vector<std::string> types{};        // With one of these event types; empty: any.
  std::string reason_contains{};           // Empty: any reason.
  std::string topic{};                     // In this dead-letter topic; empty: in any.
  // With one of these values in FaultDetail, or in DeadLetter; empty: any.
  std::vector<std::string> fault_ids{};
  std::vector<std::string> processors{};
  std::vector<std::string> pipelines{};
  std::vector<std::string> steps{};
  std::vector<std::string> errors{};
  std::vector<std::string> groups{};
  // Whose event, as it is in the dead-letter topic, passes.
  std::optional<Filter> filter{};
  // In one of these states; empty: open, failed again or not. Only those two can be closed.
  std::vector<DeadLetterState> states{};
};

// Dead letters of one subscription that failed alike.
struct DeadLetterGroup {
  std::string subscription{};
  std::string processor{};  // As in FaultDetail; empty if the consumer reported nothing.
  std::string pipeline{};
  std::string step{};
  std::string error{};
  uint64_t events = 0;
  uint64_t failed_again = 0;                     // Of these.
  absl::Time first_time = absl::InfinitePast();  // When the first and the last were given up.
  absl::Time last_time = absl::InfinitePast();
  std::string message{};  // Of the last.
};

// Letters to close, a page at a time.
struct CloseLettersSpec {
  DeadLetterSelector selector{};
  bool dry_run = false;     // Only count them.
  uint32_t max_events = 0;  // Of a page, at most 10,000; 0: one page has all.
  std::string page_token{};
  // Only for a redrive: to all pipelines, not only to that of the letter; and the limit of all
  // redrives and replays of the subscription from now on. Unset: as it is.
  bool all_pipelines = false;
  std::optional<RateLimit> rate_limit{};
};

// The result of a redrive, or of its dry run.
struct RedriveResult {
  uint64_t events = 0;     // Return to the subscription.
  uint64_t to_come = 0;    // Stay, because the subscription has not reached their events yet.
  uint64_t trimmed = 0;    // Stay, because their events no longer exist, or were superseded.
  uint64_t in_flight = 0;  // Stay, because their events are in flight to others.
  std::string next_page_token{};  // With CloseLettersSpec::max_events; empty: all are done.
};

}  // namespace eventhub::client
