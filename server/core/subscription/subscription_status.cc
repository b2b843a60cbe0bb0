#include "server/core/subscription/subscription_status.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "google/protobuf/util/time_util.h"
#include "server/core/subscription/dead_letter/dead_letter_office.h"

namespace eventhub {
namespace {

using google::protobuf::util::TimeUtil;

constexpr size_t kMaxPartitionFindings = 5;

// The size and age of the backlog.
void Measure(const SubscriptionContext& context, const CursorState& state,
             v1::SubscriptionPartition* partition) {
  if (state.lag == 0 || state.acked >= state.end) return;
  const Offset oldest = std::max(state.acked, state.log->start());
  if (oldest >= state.end) return;
  const absl::StatusOr<BatchInfo> batch =
      context.store.FindBatch(state.log->topic(), state.log->id(), oldest);
  if (!batch.ok()) return;  // Just trimmed.
  const uint64_t end_bytes = state.log->end_bytes();
  partition->set_lag_bytes(end_bytes - std::min(end_bytes, batch->header.bytes_before));
  const absl::Duration age = context.clock.Now() - batch->header.append_time();
  *partition->mutable_oldest_age() = TimeUtil::MicrosecondsToDuration(
      absl::ToInt64Microseconds(std::max(age, absl::ZeroDuration())));
}

v1::SubscriptionPartition Describe(const SubscriptionContext& context, const CursorState& state) {
  v1::SubscriptionPartition partition;
  partition.set_partition(state.log->id().value());
  partition.set_acked_offset(state.acked.value());
  partition.set_next_offset(state.next.value());
  partition.set_end_offset(state.end.value());
  partition.set_lag_events(static_cast<uint64_t>(state.lag));
  partition.set_in_flight_events(static_cast<uint64_t>(state.counts.leased));
  partition.set_delayed_events(static_cast<uint64_t>(state.counts.delayed));
  partition.set_blocked_events(static_cast<uint64_t>(state.counts.blocked));
  // Events that are added by a commit that is not visible yet do not count.
  partition.set_replay_events(static_cast<uint64_t>(state.counts.extra - state.counts.coming));
  partition.set_consumer(state.owner);
  partition.set_lease_epoch(state.epoch);
  partition.set_head_attempts(state.head_attempts);
  partition.set_head_reason(state.head_reason);
  partition.set_head_consumer(state.head_consumer);
  if (state.head_state == RangeState::kDelayed) {
    *partition.mutable_head_retry_time() =
        TimeUtil::MicrosecondsToTimestamp(absl::ToUnixMicros(state.head_due));
  }
  Measure(context, state, &partition);
  return partition;
}

void AddTo(v1::SubscriptionStats* stats, const v1::SubscriptionPartition& partition) {
  stats->set_lag_events(stats->lag_events() + partition.lag_events());
  stats->set_lag_bytes(stats->lag_bytes() + partition.lag_bytes());
  stats->set_in_flight_events(stats->in_flight_events() + partition.in_flight_events());
  stats->set_delayed_events(stats->delayed_events() + partition.delayed_events());
  stats->set_blocked_events(stats->blocked_events() + partition.blocked_events());
  stats->set_replay_events(stats->replay_events() + partition.replay_events());
  if (TimeUtil::DurationToMicroseconds(partition.oldest_age()) >
      TimeUtil::DurationToMicroseconds(stats->oldest_age())) {
    *stats->mutable_oldest_age() = partition.oldest_age();
  }
}

std::string Shown(const google::protobuf::Duration& age) {
  return absl::FormatDuration(
      absl::Trunc(absl::Microseconds(TimeUtil::DurationToMicroseconds(age)), absl::Seconds(1)));
}

// "1 event", "2 events".
std::string Numbered(uint64_t count, absl::string_view what) {
  return absl::StrCat(count, " ", what, count == 1 ? "" : "s");
}

// Why the oldest event of a partition is unsettled; empty: no special reason.
std::string HeadFinding(const v1::SubscriptionPartition& p) {
  if (p.head_attempts() == 0) return "";
  const std::string head = absl::StrCat(
      "partition ", p.partition(), ": the oldest unsettled event, offset ", p.acked_offset(), ", ");
  const std::string reason =
      p.head_reason().empty() ? "" : absl::StrCat("; last reason: ", p.head_reason());
  if (p.has_head_retry_time()) {
    return absl::StrCat(head, "failed ", Numbered(p.head_attempts(), "time"), " and is retried at ",
                        TimeUtil::ToString(p.head_retry_time()), reason);
  }
  if (!p.head_consumer().empty() && p.oldest_age().seconds() > 0) {
    return absl::StrCat(head, "attempt ", p.head_attempts(), ", is in flight at consumer ",
                        p.head_consumer(), reason);
  }
  if (p.head_consumer().empty() && p.head_attempts() > 1) {
    return absl::StrCat(head, "waits for attempt ", p.head_attempts() + 1, reason);
  }
  return "";
}

bool OutOfCredit(const v1::ConsumerInfo& consumer) {
  return consumer.in_use().events() >= consumer.credit().events() ||
         consumer.in_use().bytes() >= consumer.credit().bytes();
}

void AddConsumerFindings(const v1::Subscription& settings, size_t partitions,
                         const std::vector<v1::ConsumerInfo>& consumers,
                         std::vector<std::string>* findings) {
  if (consumers.empty()) {
    findings->push_back("no consumer is connected");
    return;
  }
  const auto without = std::count_if(consumers.begin(), consumers.end(), OutOfCredit);
  if (without == static_cast<std::ptrdiff_t>(consumers.size())) {
    findings->push_back(absl::StrCat(
        "no credit: ", consumers.size() == 1 ? "the only consumer has" : "all consumers have",
        " as many unacked events as allowed"));
  } else if (without > 0) {
    findings->push_back(absl::StrCat(without, " of ", consumers.size(),
                                     " consumers have no credit left: their events are not acked"));
  }
  for (const v1::ConsumerInfo& consumer : consumers) {
    if (!consumer.stalled()) continue;
    findings->push_back(absl::StrCat("consumer ", consumer.name(),
                                     " let a lease expire and has not responded since: it gets no "
                                     "events while others have credit"));
  }
  if (settings.kind() == v1::Subscription::KIND_STREAM && consumers.size() > partitions) {
    findings->push_back(absl::StrCat(consumers.size(), " consumers share ",
                                     Numbered(partitions, "partition"), ": some have none"));
  }
}

// Reports open dead letters in topics that are no longer the subscription's dead-letter topic.
void AddLetterFindings(const SubscriptionContext& context, const Subscription& subscription,
                       const std::string& dead_letter_topic, std::vector<std::string>* findings) {
  const absl::StatusOr<std::vector<TopicId>> topics =
      TopicsOfOpenLetters(context.store, subscription.id());
  if (!topics.ok()) {
    findings->push_back(
        absl::StrCat("its dead letters cannot be read: ", topics.status().message()));
    return;
  }
  for (const TopicId id : *topics) {
    const std::shared_ptr<Topic> topic = context.topics.Find(id);
    if (topic == nullptr) {
      findings->push_back(
          "a deleted dead-letter topic had open dead letters: those whose events are also gone "
          "from the subscription's topic cannot be redriven");
    } else if (topic->name() != dead_letter_topic) {
      findings->push_back(absl::StrCat("open dead letters remain in topic ", topic->name(),
                                       ", a former dead-letter topic: it can neither be deleted "
                                       "nor be trimmed beyond the first of them"));
    }
  }
}

}  // namespace

v1::SubscriptionStats StatsOf(const SubscriptionContext& context,
                              const Subscription::Report& report,
                              std::vector<v1::SubscriptionPartition>* partitions) {
  v1::SubscriptionStats stats;
  uint64_t lost = 0;
  for (const CursorState& state : report.cursors) {
    v1::SubscriptionPartition partition = Describe(context, state);
    AddTo(&stats, partition);
    lost += state.lost;
    if (partitions != nullptr) partitions->push_back(std::move(partition));
  }
  const SubscriptionCounters& counters = report.counters;
  stats.set_lost_events(lost);
  stats.set_delivered_events(counters.delivered_events);
  stats.set_delivered_bytes(counters.delivered_bytes);
  stats.set_redelivered_events(counters.redelivered_events);
  stats.set_acked_events(counters.acked);
  stats.set_nacked_events(counters.nacked);
  stats.set_skipped_events(counters.skipped);
  stats.set_expired_events(counters.expired);
  stats.set_dead_lettered_events(counters.dead_lettered);
  stats.set_filtered_events(counters.filtered);
  stats.set_open_dead_letters(
      static_cast<uint64_t>(std::max<int64_t>(0, counters.open_dead_letters)));
  if (counters.last_ack != absl::InfinitePast()) {
    *stats.mutable_last_ack_time() =
        TimeUtil::MicrosecondsToTimestamp(absl::ToUnixMicros(counters.last_ack));
  }
  return stats;
}

std::vector<std::string> Findings(const SubscriptionContext& context,
                                  const Subscription& subscription,
                                  const Subscription::Report& report,
                                  const v1::SubscriptionStats& stats,
                                  const std::vector<v1::SubscriptionPartition>& partitions,
                                  const std::vector<v1::ConsumerInfo>& consumers) {
  std::vector<std::string> findings;
  const v1::Subscription settings = subscription.settings();
  if (const absl::Status failure = context.writer.failure(); !failure.ok()) {
    findings.push_back(absl::StrCat("acks cannot be stored: ", failure.message()));
  }
  if (settings.paused()) findings.push_back("it is paused");
  if (context.topics.Find(settings.dead_letter_topic()) == nullptr) {
    findings.push_back(absl::StrCat("its dead-letter topic ", settings.dead_letter_topic(),
                                    " does not exist: events due there are retried"));
  }
  findings.insert(findings.end(), report.read_failures.begin(), report.read_failures.end());
  if (report.too_costly > 0) {
    findings.push_back(absl::StrCat("its filter was given up on ",
                                    Numbered(report.too_costly, "event"),
                                    ", which did not pass: it would have looked at more than ",
                                    kMaxFilterWork >> 20, " MiB of text for each"));
  }
  const bool behind = stats.lag_events() > 0 || stats.replay_events() > 0;
  if (behind) {
    AddConsumerFindings(settings, partitions.size(), consumers, &findings);
    if (report.rate_limited) findings.push_back("its rate limit holds deliveries back");
    size_t shown = 0;
    for (const v1::SubscriptionPartition& partition : partitions) {
      std::string finding = HeadFinding(partition);
      if (finding.empty() || shown++ == kMaxPartitionFindings) continue;
      findings.push_back(std::move(finding));
    }
    if (stats.blocked_events() > 0) {
      findings.push_back(absl::StrCat(Numbered(stats.blocked_events(), "event"),
                                      " waiting for earlier events of their partition keys"));
    }
    if (report.isolated > 0) {
      findings.push_back(absl::StrCat(Numbered(static_cast<uint64_t>(report.isolated), "event"),
                                      " delivered one at a time: this is their last attempt, and "
                                      "their consumers disconnected before"));
    }
    if (findings.empty() && stats.oldest_age().seconds() > 0) {
      findings.push_back(absl::StrCat("nothing blocks it; its consumers are ",
                                      Shown(stats.oldest_age()), " behind and working"));
    }
  }
  if (stats.replay_events() > 0) {
    findings.push_back(
        absl::StrCat(Numbered(stats.replay_events(), "event"), " left to be replayed or redriven"));
  }
  if (stats.open_dead_letters() > 0) {
    findings.push_back(absl::StrCat("open dead letters: ", stats.open_dead_letters()));
    AddLetterFindings(context, subscription, settings.dead_letter_topic(), &findings);
  }
  if (stats.lost_events() > 0) {
    findings.push_back(absl::StrCat(Numbered(stats.lost_events(), "event"),
                                    " lost: removed by retention before being settled"));
  }
  return findings;
}

}  // namespace eventhub
