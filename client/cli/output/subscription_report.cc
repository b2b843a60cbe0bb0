// Implements the report of subscription_output.h: why is it behind?
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "client/cli/input/subscription_flags.h"
#include "client/cli/input/units.h"
#include "client/cli/output/subscription_output.h"
#include "client/cli/output/table.h"
#include "client/cli/output/terminal.h"

namespace eventhub::cli {
namespace {

// A longer list would not help a reader.
constexpr size_t kPartitionsShown = 10;
constexpr size_t kReasonShown = 60;

std::string Ago(absl::Time time, absl::Time now) {
  return absl::StrCat(FormatRoughAge(now - time), " ago");
}

std::string AgoOrNever(const std::optional<absl::Time>& time, absl::Time now) {
  return time.has_value() ? Ago(*time, now) : "never";
}

std::string Headline(const client::SubscriptionDescription& description) {
  const client::Subscription& subscription = description.subscription;
  std::string line =
      absl::StrCat(subscription.name, ": ", KindName(subscription.kind), " of topic ",
                   subscription.topic, subscription.paused ? ", paused" : "");
  return absl::StrCat(line, "\n\n");
}

std::string Findings(const client::SubscriptionDescription& description) {
  std::string out;
  for (const std::string& finding : description.findings) {
    absl::StrAppend(&out, "  * ", Printable(finding), "\n");
  }
  if (!out.empty()) return out;
  return description.stats.lag_events == 0 ? "  * all is settled: it waits for new events\n"
                                           : "  * nothing blocks it: it is working\n";
}

Fields Totals(const client::SubscriptionDescription& description, absl::Time now) {
  const client::SubscriptionStats& stats = description.stats;
  Fields fields;
  const auto add = [&fields](const char* name, std::string text) {
    fields.emplace_back(name, std::move(text));
  };
  add("lag", stats.lag_events == 0 ? "none"
                                   : absl::StrCat(CountOf(stats.lag_events, "event"), " (",
                                                  FormatBytes(stats.lag_bytes), "), the oldest is ",
                                                  FormatRoughAge(stats.oldest_age), " old"));
  add("out", absl::StrCat(FormatCount(stats.in_flight_events), " at consumers, ",
                          FormatCount(stats.delayed_events), " wait for a retry, ",
                          FormatCount(stats.blocked_events), " for an earlier one of their key"));
  if (stats.replay_events > 0) {
    add("replays", CountOf(stats.replay_events, "event") + " left");
  }
  add("dead letters", absl::StrCat(FormatCount(stats.open_dead_letters), " open, ",
                                   FormatCount(stats.dead_lettered_events), " new since start"));
  if (stats.lost_events > 0) {
    add("lost", absl::StrCat(CountOf(stats.lost_events, "event"),
                             ", which retention removed before they were settled"));
  }
  add("delivered",
      absl::StrCat(FormatCount(stats.delivered_events), " (", FormatBytes(stats.delivered_bytes),
                   ") since start, ", FormatCount(stats.redelivered_events), " of them again"));
  if (stats.filtered_events > 0) {
    add("filtered", absl::StrCat(FormatCount(stats.filtered_events), " left out since start"));
  }
  add("settled",
      absl::StrCat(FormatCount(stats.acked_events), " acked, ", FormatCount(stats.nacked_events),
                   " nacked (", FormatCount(stats.skipped_events), " skipped), ",
                   FormatCount(stats.expired_events), " leases expired"));
  add("last ack", AgoOrNever(stats.last_ack_time, now));
  return fields;
}

// Describes the oldest event that is not settled.
std::string Head(const client::SubscriptionPartition& partition, absl::Time now) {
  std::string text;
  const auto add = [&text](const std::string& part) {
    absl::StrAppend(&text, text.empty() ? "" : ", ", part);
  };
  if (partition.head_attempts > 0) add(absl::StrCat("attempt ", partition.head_attempts));
  if (!partition.head_consumer.empty()) {
    add(absl::StrCat("at ", Printable(partition.head_consumer)));
  }
  if (partition.head_retry_time.has_value()) {
    const absl::Duration left = *partition.head_retry_time - now;
    add(left > absl::ZeroDuration() ? absl::StrCat("again in ", FormatRoughAge(left))
                                    : "again now");
  }
  if (!partition.head_reason.empty()) {
    const bool all = partition.head_reason.size() <= kReasonShown;
    add(absl::StrCat("\"", Printable(partition.head_reason.substr(0, kReasonShown)),
                     all ? "\"" : "…\""));
  }
  return text.empty() ? "-" : text;
}

std::string Partitions(const client::SubscriptionDescription& description, absl::Time now) {
  const bool queue = description.subscription.kind == client::SubscriptionKind::kQueue;
  std::vector<std::string> headers = {">PARTITION", ">ACKED TO", ">NEXT", ">END",
                                      ">LAG",       ">OLDEST",   ">OUT",  ">RETRY"};
  if (!queue) headers.emplace_back("CONSUMER");
  headers.emplace_back("OLDEST EVENT");
  Table table(std::move(headers));
  size_t shown = 0;
  for (const client::SubscriptionPartition& partition : description.partitions) {
    if (partition.lag_events == 0 && partition.replay_events == 0) continue;
    if (shown == kPartitionsShown) break;
    ++shown;
    std::vector<std::string> row = {
        absl::StrCat(partition.partition),       absl::StrCat(partition.acked_offset),
        absl::StrCat(partition.next_offset),     absl::StrCat(partition.end_offset),
        FormatCount(partition.lag_events),       FormatRoughAge(partition.oldest_age),
        FormatCount(partition.in_flight_events), FormatCount(partition.delayed_events)};
    if (!queue) row.push_back(partition.consumer.empty() ? "-" : Printable(partition.consumer));
    row.push_back(Head(partition, now));
    table.AddRow(std::move(row));
  }
  if (shown == 0) return "";
  return absl::StrCat("\nPartitions, those furthest behind first\n", table.Render());
}

std::string Consumers(const client::SubscriptionDescription& description, absl::Time now) {
  if (description.consumers.empty()) return "\nNo consumer is connected.\n";
  const bool queue = description.subscription.kind == client::SubscriptionKind::kQueue;
  std::vector<std::string> headers = {"CONSUMER", "ADDRESS",    ">CONNECTED",    ">OUT",
                                      ">CREDIT",  ">OUT BYTES", ">CREDIT BYTES", ">ACKED",
                                      ">NACKED",  ">LAST ACK"};
  headers.emplace_back(queue ? "STATE" : "PARTITIONS");
  Table table(std::move(headers));
  for (const client::ConsumerInfo& consumer : description.consumers) {
    std::string last = consumer.stalled   ? "stalled"
                       : consumer.leaving ? "leaving"
                       : queue            ? "-"
                                          : "";
    if (!queue) {
      absl::StrAppend(
          &last, last.empty() ? "" : ": ",
          consumer.partitions.empty() ? "none" : absl::StrJoin(consumer.partitions, ","));
    }
    table.AddRow({Printable(consumer.name), Printable(consumer.address),
                  Ago(consumer.connect_time, now), FormatCount(consumer.in_use.events),
                  FormatCount(consumer.credit.events), FormatBytes(consumer.in_use.bytes),
                  FormatBytes(consumer.credit.bytes), FormatCount(consumer.acked_events),
                  FormatCount(consumer.nacked_events), AgoOrNever(consumer.last_ack_time, now),
                  std::move(last)});
  }
  return absl::StrCat("\nConsumers\n", table.Render());
}

}  // namespace

std::string RenderDescription(const client::SubscriptionDescription& description, absl::Time now) {
  return absl::StrCat(Headline(description), Findings(description), "\n",
                      RenderFields(Totals(description, now)), Partitions(description, now),
                      Consumers(description, now), "\nSettings\n",
                      RenderFields(SubscriptionFields(description.subscription)));
}

}  // namespace eventhub::cli
