#include "client/src/admin/subscription_proto.h"

#include <algorithm>
#include <utility>

#include "client/src/base/proto_time.h"
#include "client/src/read/position_proto.h"
#include "client/src/subscribe/fault_proto.h"

namespace eventhub::client {
namespace {

// Returns nullopt for a time or duration that is not set.
template <typename Proto>
std::optional<absl::Time> OptionalTime(bool has, const Proto& proto) {
  return has ? std::optional(FromProto(proto)) : std::nullopt;
}

RetryPolicy FromProto(const v1::RetryPolicy& proto) {
  RetryPolicy policy;
  if (proto.has_min_backoff()) policy.min_backoff = client::FromProto(proto.min_backoff());
  if (proto.has_max_backoff()) policy.max_backoff = client::FromProto(proto.max_backoff());
  return policy;
}

Credit FromProto(const v1::Credit& proto) {
  return {.events = proto.events(), .bytes = proto.bytes()};
}

SubscriptionPartition FromProto(const v1::SubscriptionPartition& proto) {
  SubscriptionPartition partition;
  partition.partition = proto.partition();
  partition.acked_offset = proto.acked_offset();
  partition.next_offset = proto.next_offset();
  partition.end_offset = proto.end_offset();
  partition.lag_events = proto.lag_events();
  partition.lag_bytes = proto.lag_bytes();
  partition.oldest_age = client::FromProto(proto.oldest_age());
  partition.in_flight_events = proto.in_flight_events();
  partition.delayed_events = proto.delayed_events();
  partition.blocked_events = proto.blocked_events();
  partition.replay_events = proto.replay_events();
  partition.consumer = proto.consumer();
  partition.lease_epoch = proto.lease_epoch();
  partition.head_attempts = proto.head_attempts();
  partition.head_retry_time = OptionalTime(proto.has_head_retry_time(), proto.head_retry_time());
  partition.head_reason = proto.head_reason();
  partition.head_consumer = proto.head_consumer();
  return partition;
}

ConsumerInfo FromProto(const v1::ConsumerInfo& proto) {
  ConsumerInfo consumer;
  consumer.name = proto.name();
  consumer.address = proto.address();
  if (proto.has_connect_time()) consumer.connect_time = client::FromProto(proto.connect_time());
  consumer.credit = FromProto(proto.credit());
  consumer.in_use = FromProto(proto.in_use());
  consumer.partitions.assign(proto.partitions().begin(), proto.partitions().end());
  consumer.acked_events = proto.acked_events();
  consumer.nacked_events = proto.nacked_events();
  consumer.last_ack_time = OptionalTime(proto.has_last_ack_time(), proto.last_ack_time());
  consumer.leaving = proto.leaving();
  consumer.stalled = proto.stalled();
  return consumer;
}

}  // namespace

Subscription FromProto(const v1::Subscription& proto) {
  Subscription subscription;
  subscription.name = proto.name();
  subscription.topic = proto.topic();
  subscription.kind = v1::Subscription::Kind_IsValid(proto.kind())
                          ? static_cast<SubscriptionKind>(proto.kind())
                          : SubscriptionKind::kUnspecified;
  subscription.ordered_by_key = proto.ordered_by_key();
  subscription.ack_deadline =
      proto.has_ack_deadline() ? client::FromProto(proto.ack_deadline()) : absl::InfiniteDuration();
  subscription.retry_policy = FromProto(proto.retry_policy());
  subscription.max_delivery_attempts = proto.max_delivery_attempts();
  subscription.dead_letter_topic = proto.dead_letter_topic();
  if (proto.has_expire_after()) {
    subscription.expire_after = client::FromProto(proto.expire_after());
  }
  subscription.paused = proto.paused();
  subscription.rate_limit = {.events_per_second = proto.rate_limit().events_per_second(),
                             .bytes_per_second = proto.rate_limit().bytes_per_second()};
  subscription.ack_durability = static_cast<Durability>(proto.ack_durability());
  subscription.description = proto.description();
  if (proto.has_filter()) subscription.filter = Filter(proto.filter());
  if (proto.has_create_time()) subscription.create_time = client::FromProto(proto.create_time());
  return subscription;
}

v1::Subscription ToProto(const Subscription& subscription) {
  v1::Subscription proto;
  proto.set_name(subscription.name);
  proto.set_topic(subscription.topic);
  proto.set_kind(static_cast<v1::Subscription::Kind>(subscription.kind));
  proto.set_ordered_by_key(subscription.ordered_by_key);
  if (subscription.ack_deadline != absl::ZeroDuration() &&
      subscription.ack_deadline != absl::InfiniteDuration()) {
    ToProto(subscription.ack_deadline, *proto.mutable_ack_deadline());
  }
  v1::RetryPolicy& policy = *proto.mutable_retry_policy();
  ToProto(subscription.retry_policy.min_backoff, *policy.mutable_min_backoff());
  ToProto(subscription.retry_policy.max_backoff, *policy.mutable_max_backoff());
  proto.set_max_delivery_attempts(subscription.max_delivery_attempts);
  proto.set_dead_letter_topic(subscription.dead_letter_topic);
  if (subscription.expire_after != absl::InfiniteDuration()) {
    ToProto(subscription.expire_after, *proto.mutable_expire_after());
  }
  proto.set_paused(subscription.paused);
  if (subscription.rate_limit.events_per_second != 0 ||
      subscription.rate_limit.bytes_per_second != 0) {
    ToProto(subscription.rate_limit, *proto.mutable_rate_limit());
  }
  proto.set_ack_durability(static_cast<v1::Durability>(subscription.ack_durability));
  proto.set_description(subscription.description);
  if (subscription.filter) *proto.mutable_filter() = subscription.filter->proto();
  return proto;
}

v1::UpdateSubscriptionRequest ToProto(const std::string& name, const SubscriptionUpdate& update) {
  v1::UpdateSubscriptionRequest proto;
  v1::Subscription& to = *proto.mutable_subscription();
  to.set_name(name);
  google::protobuf::FieldMask& mask = *proto.mutable_update_mask();
  if (update.ack_deadline) {
    if (*update.ack_deadline != absl::InfiniteDuration()) {
      ToProto(*update.ack_deadline, *to.mutable_ack_deadline());
    }
    mask.add_paths("ack_deadline");
  }
  if (update.min_backoff) {
    ToProto(*update.min_backoff, *to.mutable_retry_policy()->mutable_min_backoff());
    mask.add_paths("retry_policy.min_backoff");
  }
  if (update.max_backoff) {
    ToProto(*update.max_backoff, *to.mutable_retry_policy()->mutable_max_backoff());
    mask.add_paths("retry_policy.max_backoff");
  }
  if (update.max_delivery_attempts) {
    to.set_max_delivery_attempts(*update.max_delivery_attempts);
    mask.add_paths("max_delivery_attempts");
  }
  if (update.dead_letter_topic) {
    to.set_dead_letter_topic(*update.dead_letter_topic);
    mask.add_paths("dead_letter_topic");
  }
  if (update.expire_after) {
    if (*update.expire_after != absl::InfiniteDuration()) {
      ToProto(*update.expire_after, *to.mutable_expire_after());
    }
    mask.add_paths("expire_after");
  }
  if (update.paused) {
    to.set_paused(*update.paused);
    mask.add_paths("paused");
  }
  if (update.events_per_second) {
    to.mutable_rate_limit()->set_events_per_second(*update.events_per_second);
    mask.add_paths("rate_limit.events_per_second");
  }
  if (update.bytes_per_second) {
    to.mutable_rate_limit()->set_bytes_per_second(*update.bytes_per_second);
    mask.add_paths("rate_limit.bytes_per_second");
  }
  if (update.ack_durability) {
    to.set_ack_durability(static_cast<v1::Durability>(*update.ack_durability));
    mask.add_paths("ack_durability");
  }
  if (update.description) {
    to.set_description(*update.description);
    mask.add_paths("description");
  }
  if (update.filter) {
    if (*update.filter) *to.mutable_filter() = (*update.filter)->proto();
    mask.add_paths("filter");
  }
  return proto;
}

SubscriptionStats FromProto(const v1::SubscriptionStats& proto) {
  SubscriptionStats stats;
  stats.lag_events = proto.lag_events();
  stats.lag_bytes = proto.lag_bytes();
  stats.oldest_age = client::FromProto(proto.oldest_age());
  stats.in_flight_events = proto.in_flight_events();
  stats.delayed_events = proto.delayed_events();
  stats.blocked_events = proto.blocked_events();
  stats.delivered_events = proto.delivered_events();
  stats.delivered_bytes = proto.delivered_bytes();
  stats.redelivered_events = proto.redelivered_events();
  stats.acked_events = proto.acked_events();
  stats.nacked_events = proto.nacked_events();
  stats.skipped_events = proto.skipped_events();
  stats.expired_events = proto.expired_events();
  stats.dead_lettered_events = proto.dead_lettered_events();
  stats.filtered_events = proto.filtered_events();
  stats.open_dead_letters = proto.open_dead_letters();
  stats.lost_events = proto.lost_events();
  stats.replay_events = proto.replay_events();
  stats.last_ack_time = OptionalTime(proto.has_last_ack_time(), proto.last_ack_time());
  return stats;
}

SubscriptionDescription FromProto(const v1::GetSubscriptionResponse& proto) {
  SubscriptionDescription description;
  description.subscription = FromProto(proto.subscription());
  description.stats = FromProto(proto.stats());
  for (const auto& partition : proto.partitions()) {
    description.partitions.push_back(FromProto(partition));
  }
  for (const auto& consumer : proto.consumers()) {
    description.consumers.push_back(FromProto(consumer));
  }
  description.findings.assign(proto.findings().begin(), proto.findings().end());
  return description;
}

SubscriptionSummary FromProto(const v1::SubscriptionSummary& proto) {
  return {.subscription = FromProto(proto.subscription()),
          .stats = FromProto(proto.stats()),
          .consumers = proto.consumers()};
}

v1::SeekSubscriptionRequest ToProto(const std::string& name, const SeekTarget& target) {
  v1::SeekSubscriptionRequest proto;
  proto.set_name(name);
  if (target.start) ToProto(*target.start, *proto.mutable_start());
  if (!target.snapshot.empty()) proto.set_snapshot(target.snapshot);
  for (const PartitionOffset& offset : target.offsets) ToProto(offset, *proto.add_offsets());
  return proto;
}

PartitionMove FromProto(const v1::PartitionMove& proto) {
  return {.partition = proto.partition(),
          .from_offset = proto.from_offset(),
          .to_offset = proto.to_offset(),
          .lag_before = proto.lag_before(),
          .lag_after = proto.lag_after()};
}

v1::ReplaySubscriptionRequest ToProto(const std::string& name, const ReplaySpec& spec) {
  v1::ReplaySubscriptionRequest proto;
  proto.set_name(name);
  proto.mutable_partitions()->Assign(spec.partitions.begin(), spec.partitions.end());
  ToProto(spec.start, *proto.mutable_start());
  if (spec.stop_offset) proto.set_stop_offset(*spec.stop_offset);
  if (spec.stop_time) ToProto(*spec.stop_time, *proto.mutable_stop_time());
  if (spec.rate_limit) ToProto(*spec.rate_limit, *proto.mutable_rate_limit());
  if (spec.filter) *proto.mutable_filter() = spec.filter->proto();
  return proto;
}

Snapshot FromProto(const v1::Snapshot& proto) {
  Snapshot snapshot;
  snapshot.name = proto.name();
  if (proto.has_create_time()) snapshot.create_time = client::FromProto(proto.create_time());
  snapshot.lag_events = proto.lag_events();
  return snapshot;
}

void ToProto(const RateLimit& limit, v1::RateLimit& proto) {
  proto.set_events_per_second(limit.events_per_second);
  proto.set_bytes_per_second(limit.bytes_per_second);
}

DeadLetter FromProto(v1::DeadLetter proto) {
  DeadLetter letter;
  letter.partition = proto.partition();
  letter.offset = proto.offset();
  letter.source_partition = proto.source_partition();
  letter.source_offset = proto.source_offset();
  letter.attempts = proto.attempts();
  letter.reason = proto.reason();
  if (proto.has_time()) letter.time = client::FromProto(proto.time());
  letter.event = std::move(*proto.mutable_event());
  letter.event_trimmed = proto.event_trimmed();
  letter.topic = proto.topic();
  letter.fault_id = proto.fault_id();
  if (proto.has_fault()) letter.fault = client::FromProto(proto.fault());
  const bool known = proto.state() >= 0 && proto.state() <= v1::DeadLetter::STATE_DISCARDED;
  if (known) letter.state = static_cast<DeadLetterState>(proto.state());
  letter.failures = std::max(proto.failures(), 1U);
  if (proto.has_first_time()) letter.first_time = client::FromProto(proto.first_time());
  letter.close_time = OptionalTime(proto.has_close_time(), proto.close_time());
  letter.subscription = proto.subscription();
  return letter;
}

v1::DeadLetterSelector ToProto(const DeadLetterSelector& selector) {
  v1::DeadLetterSelector proto;
  for (const PartitionRange& from : selector.ranges) {
    v1::DeadLetterRange& range = *proto.add_ranges();
    range.set_partition(from.partition);
    range.mutable_range()->set_start(from.range.start);
    range.mutable_range()->set_end(from.range.end);
  }
  if (selector.start_time) ToProto(*selector.start_time, *proto.mutable_start_time());
  if (selector.end_time) ToProto(*selector.end_time, *proto.mutable_end_time());
  for (const std::string& type : selector.types) proto.add_types(type);
  proto.set_reason_contains(selector.reason_contains);
  proto.set_topic(selector.topic);
  const auto add = [](const std::vector<std::string>& from, auto& to) {
    to.Add(from.begin(), from.end());
  };
  add(selector.fault_ids, *proto.mutable_fault_ids());
  add(selector.processors, *proto.mutable_processors());
  add(selector.pipelines, *proto.mutable_pipelines());
  add(selector.steps, *proto.mutable_steps());
  add(selector.errors, *proto.mutable_errors());
  add(selector.groups, *proto.mutable_groups());
  if (selector.filter) *proto.mutable_filter() = selector.filter->proto();
  for (const DeadLetterState state : selector.states) {
    proto.add_states(static_cast<v1::DeadLetter::State>(state));
  }
  return proto;
}

DeadLetterGroup FromProto(const v1::DeadLetterGroup& proto) {
  DeadLetterGroup group{.subscription = proto.subscription(),
                        .processor = proto.processor(),
                        .pipeline = proto.pipeline(),
                        .step = proto.step(),
                        .error = proto.error(),
                        .events = proto.events(),
                        .failed_again = proto.failed_again()};
  if (proto.has_first_time()) group.first_time = client::FromProto(proto.first_time());
  if (proto.has_last_time()) group.last_time = client::FromProto(proto.last_time());
  group.message = proto.message();
  return group;
}

}  // namespace eventhub::client
