// Implements the tables of subscription_output.h.
#include "client/cli/output/subscription_output.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "client/cli/frame/command.h"
#include "client/cli/input/filter_json.h"
#include "client/cli/input/subscription_flags.h"
#include "client/cli/input/units.h"
#include "client/cli/output/table.h"
#include "client/cli/output/terminal.h"

namespace eventhub::cli {
namespace {

std::string AgeOr(absl::Duration age, const char* infinite) {
  return age == absl::InfiniteDuration() ? infinite : FormatAge(age);
}

std::string Rate(const client::RateLimit& limit) {
  std::string text;
  if (limit.events_per_second > 0) {
    absl::StrAppend(&text, FormatCount(limit.events_per_second), " events/s");
  }
  if (limit.bytes_per_second > 0) {
    absl::StrAppend(&text, text.empty() ? "" : ", ", FormatBytes(limit.bytes_per_second), "/s");
  }
  return text.empty() ? "unlimited" : text;
}

std::string State(const client::SubscriptionSummary& summary) {
  if (summary.subscription.paused) return "paused";
  const bool again = summary.stats.replay_events > 0;
  const bool behind = summary.stats.lag_events > 0;
  if (summary.consumers == 0) return behind || again ? "no consumer" : "idle";
  if (behind) return "behind";
  return again ? "replays" : "caught up";
}

std::string DryRunNote(bool dry_run) { return dry_run ? "dry run: nothing was changed\n" : ""; }

}  // namespace

Fields SubscriptionFields(const client::Subscription& subscription) {
  const bool queue = subscription.kind == client::SubscriptionKind::kQueue;
  Fields fields = {{"name", subscription.name},
                   {"topic", subscription.topic},
                   {"kind", absl::StrCat(KindName(subscription.kind),
                                         subscription.ordered_by_key ? ", ordered by key" : "")},
                   {"ack deadline", AgeOr(subscription.ack_deadline, "unlimited")}};
  if (!queue && subscription.ack_deadline == absl::ZeroDuration()) {
    fields.back().second = "unlimited";
  }
  fields.emplace_back(
      "retries", absl::StrCat("after ", FormatAge(subscription.retry_policy.min_backoff), " to ",
                              FormatAge(subscription.retry_policy.max_backoff)));
  fields.emplace_back("max attempts", subscription.max_delivery_attempts == 0
                                          ? "unlimited"
                                          : FormatCount(subscription.max_delivery_attempts));
  fields.emplace_back("dead letters", absl::StrCat("to ", subscription.dead_letter_topic));
  fields.emplace_back("expires", subscription.expire_after == absl::InfiniteDuration()
                                     ? "never"
                                     : absl::StrCat(FormatAge(subscription.expire_after),
                                                    " after its last consumer"));
  fields.emplace_back("rate", Rate(subscription.rate_limit));
  fields.emplace_back("acks", std::string(DurabilityName(subscription.ack_durability)));
  fields.emplace_back("paused", subscription.paused ? "yes" : "no");
  if (subscription.filter) {
    fields.emplace_back("filter", Printable(FilterText(subscription.filter->proto())));
  }
  fields.emplace_back("description", Printable(subscription.description));
  fields.emplace_back("created", FormatSecond(subscription.create_time));
  return fields;
}

std::string RenderSubscriptions(const std::vector<client::SubscriptionSummary>& subscriptions) {
  Table table({"NAME", "TOPIC", "KIND", "STATE", ">LAG", ">BYTES", ">OLDEST", ">OUT", ">CONSUMERS",
               ">DEAD LETTERS"});
  for (const client::SubscriptionSummary& summary : subscriptions) {
    const client::SubscriptionStats& stats = summary.stats;
    table.AddRow({summary.subscription.name, summary.subscription.topic,
                  std::string(KindName(summary.subscription.kind)), State(summary),
                  FormatCount(stats.lag_events), FormatBytes(stats.lag_bytes),
                  stats.lag_events == 0 ? "-" : FormatRoughAge(stats.oldest_age),
                  FormatCount(stats.in_flight_events), FormatCount(summary.consumers),
                  FormatCount(stats.open_dead_letters)});
  }
  return table.Render();
}

std::string RenderMoves(const std::vector<client::PartitionMove>& moves, bool dry_run) {
  if (moves.empty()) return absl::StrCat("nothing moves\n", DryRunNote(dry_run));
  Table table({">PARTITION", ">FROM", ">TO", ">LAG BEFORE", ">LAG AFTER"});
  uint64_t before = 0;
  uint64_t after = 0;
  for (const client::PartitionMove& move : moves) {
    before += move.lag_before;
    after += move.lag_after;
    table.AddRow({absl::StrCat(move.partition), absl::StrCat(move.from_offset),
                  absl::StrCat(move.to_offset), FormatCount(move.lag_before),
                  FormatCount(move.lag_after)});
  }
  return absl::StrCat(table.Render(), "lag: ", CountOf(before, "event"), " before, ",
                      FormatCount(after), " after\n", DryRunNote(dry_run));
}

std::string RenderReplay(const client::ReplayResult& result, bool dry_run) {
  Table table({">PARTITION", ">FIRST", ">LAST"});
  for (const client::PartitionRange& range : result.ranges) {
    table.AddRow({absl::StrCat(range.partition), absl::StrCat(range.range.start),
                  absl::StrCat(range.range.end - 1)});
  }
  return absl::StrCat(result.ranges.empty() ? "" : table.Render(),
                      result.events == 0 ? "nothing matched: " : "",
                      CountOf(result.events, "event"),
                      dry_run              ? " would be"
                      : result.events == 1 ? " is"
                                           : " are",
                      " replayed\n", DryRunNote(dry_run));
}

std::string RenderSnapshots(const std::vector<client::Snapshot>& snapshots) {
  Table table({"NAME", "CREATED", ">LAG"});
  for (const client::Snapshot& snapshot : snapshots) {
    table.AddRow(
        {snapshot.name, FormatSecond(snapshot.create_time), FormatCount(snapshot.lag_events)});
  }
  return table.Render();
}

std::string RenderDeadLetters(const std::vector<client::DeadLetter>& letters) {
  // If the dead-letter topic was changed, letters in different topics may have the same place.
  const bool several = std::any_of(letters.begin(), letters.end(), [&](const auto& letter) {
    return letter.topic != letters.front().topic;
  });
  std::vector<std::string> columns = {"LETTER", "SOURCE", ">ATTEMPTS", "TIME",
                                      "TYPE",   "KEY",    "ID",        "REASON"};
  if (several) columns.insert(columns.begin(), "TOPIC");
  Table table(std::move(columns));
  for (const client::DeadLetter& letter : letters) {
    std::vector<std::string> row = {
        absl::StrCat(letter.partition, ":", letter.offset),
        absl::StrCat(letter.source_partition, ":", letter.source_offset),
        FormatCount(letter.attempts),
        FormatSecond(letter.time),
        letter.event_trimmed ? "(event trimmed)" : Printable(letter.event.type()),
        Printable(letter.event.partition_key()),
        Printable(letter.event.id()),
        Printable(letter.reason)};
    if (several) row.insert(row.begin(), letter.topic.empty() ? "(deleted)" : letter.topic);
    table.AddRow(std::move(row));
  }
  return table.Render();
}

}  // namespace eventhub::cli
