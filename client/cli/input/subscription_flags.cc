#include "client/cli/input/subscription_flags.h"

#include <cstdint>
#include <limits>
#include <optional>
#include <string>

#include "absl/strings/str_cat.h"
#include "client/cli/frame/command.h"
#include "client/cli/input/filter_flag.h"
#include "client/cli/input/units.h"
#include "storage/base/status_macros.h"

namespace eventhub::cli {
namespace {

// `never` and `unlimited` are an infinite duration.
absl::StatusOr<absl::Duration> ParseAgeOrNever(absl::string_view text) {
  if (text == "never" || text == "unlimited") return absl::InfiniteDuration();
  return ParseAge(text);
}

absl::StatusOr<uint64_t> ParseEventRate(absl::string_view text) {
  if (text == "unlimited") return 0;
  return ParseCount(text, 0, std::numeric_limits<uint64_t>::max());
}

absl::StatusOr<uint64_t> ParseByteRate(absl::string_view text) {
  if (text == "unlimited") return 0;
  return ParseBytes(text);
}

void AddDeliveryFlags(CLI::App& command, client::SubscriptionUpdate& update) {
  AddParsedOption(
      command, "--ack-deadline", &update.ack_deadline, ParseAgeOrNever,
      "How long a consumer may hold an event, unless it extends the lease, before it goes to "
      "another (queue: 30s unless set; stream: unlimited)",
      "DURATION");
  AddParsedOption(command, "--min-backoff", &update.min_backoff, ParseDelay,
                  "The delay of the first retry, doubled for each further one (default 100ms)",
                  "DURATION");
  AddParsedOption(command, "--max-backoff", &update.max_backoff, ParseDelay,
                  "The maximum delay of a retry (default 1m)", "DURATION");
  AddCountOption(command, "--max-attempts", &update.max_delivery_attempts, 0, 1000,
                 "An event becomes a dead letter after this many failed attempts; 0: never");
  command
      .add_option_function<std::string>(
          "--dead-letter-topic",
          [&update](const std::string& topic) { update.dead_letter_topic = topic; },
          "The topic for dead letters, created if missing (default NAME.dead-letters)")
      ->type_name("TOPIC");
}

void AddLimitFlags(CLI::App& command, client::SubscriptionUpdate& update) {
  AddParsedOption(command, "--rate-events", &update.events_per_second, ParseEventRate,
                  "Maximum events per second, over all consumers; 0 or unlimited: no limit", "N");
  AddParsedOption(command, "--rate-bytes", &update.bytes_per_second, ParseByteRate,
                  "Maximum bytes per second, e.g. 1MiB; 0 or unlimited: no limit", "SIZE");
  AddParsedOption(command, "--expire-after", &update.expire_after, ParseAgeOrNever,
                  "Delete it after this long without a consumer; or never", "DURATION");
  AddParsedOption(command, "--ack-durability", &update.ack_durability, ParseDurability,
                  "What an ack survives: synced: a power loss, written: a crash of the hub "
                  "(default: that of the topic)",
                  "synced|written");
  command
      .add_option_function<std::string>(
          "--description", [&update](const std::string& text) { update.description = text; },
          "A description for people")
      ->type_name("TEXT");
  AddFilterOption(command, &update.filter, "Deliver only matching events");
}

}  // namespace

void AddSubscriptionFlags(CLI::App& command, client::SubscriptionUpdate& update) {
  AddDeliveryFlags(command, update);
  AddLimitFlags(command, update);
}

bool IsEmpty(const client::SubscriptionUpdate& update) {
  const auto any = [](const auto&... fields) { return (fields.has_value() || ...); };
  return !any(update.ack_deadline, update.min_backoff, update.max_backoff,
              update.max_delivery_attempts, update.dead_letter_topic, update.expire_after,
              update.paused, update.events_per_second, update.bytes_per_second,
              update.ack_durability, update.description, update.filter);
}

void ApplyUpdate(const client::SubscriptionUpdate& update, client::Subscription* subscription) {
  SetIfGiven(update.ack_deadline, &subscription->ack_deadline);
  SetIfGiven(update.min_backoff, &subscription->retry_policy.min_backoff);
  SetIfGiven(update.max_backoff, &subscription->retry_policy.max_backoff);
  SetIfGiven(update.max_delivery_attempts, &subscription->max_delivery_attempts);
  SetIfGiven(update.dead_letter_topic, &subscription->dead_letter_topic);
  SetIfGiven(update.expire_after, &subscription->expire_after);
  SetIfGiven(update.paused, &subscription->paused);
  SetIfGiven(update.events_per_second, &subscription->rate_limit.events_per_second);
  SetIfGiven(update.bytes_per_second, &subscription->rate_limit.bytes_per_second);
  SetIfGiven(update.ack_durability, &subscription->ack_durability);
  SetIfGiven(update.description, &subscription->description);
  SetIfGiven(update.filter, &subscription->filter);
}

absl::StatusOr<client::SubscriptionKind> ParseKind(absl::string_view text) {
  if (text == "stream") return client::SubscriptionKind::kStream;
  if (text == "queue") return client::SubscriptionKind::kQueue;
  return absl::InvalidArgumentError(absl::StrCat("'", text, "' is not one of: stream, queue"));
}

absl::string_view KindName(client::SubscriptionKind kind) {
  switch (kind) {
    case client::SubscriptionKind::kStream:
      return "stream";
    case client::SubscriptionKind::kQueue:
      return "queue";
    case client::SubscriptionKind::kUnspecified:
      break;
  }
  return "unknown";
}

}  // namespace eventhub::cli
