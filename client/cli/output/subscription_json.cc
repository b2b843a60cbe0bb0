// Implements the JSON functions of subscription_output.h.
#include <utility>

#include "client/cli/frame/command.h"
#include "client/cli/input/json_values.h"
#include "client/cli/input/subscription_flags.h"
#include "client/cli/input/units.h"
#include "client/cli/output/subscription_output.h"

namespace eventhub::cli {
namespace {

Json CreditJson(const client::Credit& credit) {
  return {{"events", credit.events}, {"bytes", credit.bytes}};
}

Json PartitionJson(const client::SubscriptionPartition& partition) {
  return {{"partition", partition.partition},
          {"acked_offset", partition.acked_offset},
          {"next_offset", partition.next_offset},
          {"end_offset", partition.end_offset},
          {"lag_events", partition.lag_events},
          {"lag_bytes", partition.lag_bytes},
          {"oldest_age_seconds", absl::ToDoubleSeconds(partition.oldest_age)},
          {"in_flight_events", partition.in_flight_events},
          {"delayed_events", partition.delayed_events},
          {"blocked_events", partition.blocked_events},
          {"replay_events", partition.replay_events},
          {"consumer", NameJson(partition.consumer)},
          {"lease_epoch", partition.lease_epoch},
          {"head_attempts", partition.head_attempts},
          {"head_retry_time", TimeJson(partition.head_retry_time)},
          {"head_reason", partition.head_reason},
          {"head_consumer", NameJson(partition.head_consumer)}};
}

Json ConsumerJson(const client::ConsumerInfo& consumer) {
  return {{"name", consumer.name},
          {"address", consumer.address},
          {"connect_time", FormatMoment(consumer.connect_time)},
          {"credit", CreditJson(consumer.credit)},
          {"in_use", CreditJson(consumer.in_use)},
          {"partitions", consumer.partitions},
          {"acked_events", consumer.acked_events},
          {"nacked_events", consumer.nacked_events},
          {"last_ack_time", TimeJson(consumer.last_ack_time)},
          {"leaving", consumer.leaving},
          {"stalled", consumer.stalled}};
}

}  // namespace

Json SubscriptionJson(const client::Subscription& subscription) {
  return {{"name", subscription.name},
          {"topic", subscription.topic},
          {"kind", std::string(KindName(subscription.kind))},
          {"ordered_by_key", subscription.ordered_by_key},
          {"paused", subscription.paused},
          {"ack_deadline_seconds", SecondsJson(subscription.ack_deadline)},
          {"min_backoff_seconds", SecondsJson(subscription.retry_policy.min_backoff)},
          {"max_backoff_seconds", SecondsJson(subscription.retry_policy.max_backoff)},
          {"max_delivery_attempts", LimitJson(subscription.max_delivery_attempts)},
          {"dead_letter_topic", subscription.dead_letter_topic},
          {"expire_after_seconds", SecondsJson(subscription.expire_after)},
          {"events_per_second", LimitJson(subscription.rate_limit.events_per_second)},
          {"bytes_per_second", LimitJson(subscription.rate_limit.bytes_per_second)},
          {"ack_durability", std::string(DurabilityName(subscription.ack_durability))},
          {"filter", FilterValueJson(subscription.filter)},
          {"description", subscription.description},
          {"create_time", FormatMoment(subscription.create_time)}};
}

Json SubscriptionStatsJson(const client::SubscriptionStats& stats) {
  return {{"lag_events", stats.lag_events},
          {"lag_bytes", stats.lag_bytes},
          {"oldest_age_seconds", absl::ToDoubleSeconds(stats.oldest_age)},
          {"in_flight_events", stats.in_flight_events},
          {"delayed_events", stats.delayed_events},
          {"blocked_events", stats.blocked_events},
          {"delivered_events", stats.delivered_events},
          {"delivered_bytes", stats.delivered_bytes},
          {"redelivered_events", stats.redelivered_events},
          {"acked_events", stats.acked_events},
          {"nacked_events", stats.nacked_events},
          {"skipped_events", stats.skipped_events},
          {"expired_events", stats.expired_events},
          {"dead_lettered_events", stats.dead_lettered_events},
          {"filtered_events", stats.filtered_events},
          {"open_dead_letters", stats.open_dead_letters},
          {"lost_events", stats.lost_events},
          {"replay_events", stats.replay_events},
          {"last_ack_time", TimeJson(stats.last_ack_time)}};
}

Json SummaryJson(const client::SubscriptionSummary& summary) {
  Json json = SubscriptionJson(summary.subscription);
  json["consumers"] = summary.consumers;
  json["stats"] = SubscriptionStatsJson(summary.stats);
  return json;
}

Json DescriptionJson(const client::SubscriptionDescription& description) {
  Json json = SubscriptionJson(description.subscription);
  json["findings"] = description.findings;
  json["stats"] = SubscriptionStatsJson(description.stats);
  json["partition_list"] = Json::array();
  for (const auto& partition : description.partitions) {
    json["partition_list"].push_back(PartitionJson(partition));
  }
  json["consumers"] = Json::array();
  for (const auto& consumer : description.consumers) {
    json["consumers"].push_back(ConsumerJson(consumer));
  }
  return json;
}

Json MovesJson(const std::vector<client::PartitionMove>& moves, bool dry_run) {
  Json list = Json::array();
  for (const client::PartitionMove& move : moves) {
    list.push_back({{"partition", move.partition},
                    {"from_offset", move.from_offset},
                    {"to_offset", move.to_offset},
                    {"lag_before", move.lag_before},
                    {"lag_after", move.lag_after}});
  }
  return {{"dry_run", dry_run}, {"moves", std::move(list)}};
}

Json ReplayJson(const client::ReplayResult& result, bool dry_run) {
  Json list = Json::array();
  for (const client::PartitionRange& range : result.ranges) {
    list.push_back({{"partition", range.partition},
                    {"start_offset", range.range.start},
                    {"end_offset", range.range.end}});
  }
  return {{"dry_run", dry_run}, {"events", result.events}, {"ranges", std::move(list)}};
}

Json SnapshotJson(const client::Snapshot& snapshot) {
  return {{"name", snapshot.name},
          {"create_time", FormatMoment(snapshot.create_time)},
          {"lag_events", snapshot.lag_events}};
}

Json DeadLetterJson(const client::DeadLetter& letter) {
  return {{"topic", letter.topic},
          {"event_trimmed", letter.event_trimmed},
          {"partition", letter.partition},
          {"offset", letter.offset},
          {"source_partition", letter.source_partition},
          {"source_offset", letter.source_offset},
          {"attempts", letter.attempts},
          {"reason", letter.reason},
          {"time", FormatMoment(letter.time)},
          {"id", letter.event.id()},
          {"source", letter.event.source()},
          {"type", letter.event.type()},
          {"subject", letter.event.subject()},
          {"partitionkey", letter.event.partition_key()}};
}

}  // namespace eventhub::cli
