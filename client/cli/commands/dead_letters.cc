// `eventhub subscriptions dead-letters`: lists, shows, redrives and discards dead letters.
#include <algorithm>
#include <cstdio>
#include <limits>
#include <memory>
#include <optional>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "client/cli/frame/command.h"
#include "client/cli/input/json_values.h"
#include "client/cli/input/places.h"
#include "client/cli/input/units.h"
#include "client/cli/output/subscription_output.h"
#include "client/cli/run/progress.h"
#include "proto/json/event_json.h"
#include "proto/json/timestamp.h"
#include "storage/base/clock.h"
#include "storage/base/status_macros.h"

namespace eventhub::cli {
namespace {

constexpr char kDeadLettersExamples[] = R"(
A dead letter is an event that failed as often as the subscription allows, or that a consumer
parked. It stays in the dead-letter topic until it is redriven or discarded.

Examples:
  eventhub subscriptions dead-letters list billing
  eventhub subscriptions dead-letters show billing 0:17
  eventhub subscriptions dead-letters redrive billing --reason-contains='timeout' --dry-run
  eventhub subscriptions dead-letters redrive billing --all
  eventhub subscriptions dead-letters discard billing --type=shop.order.test)";

constexpr char kListDeadLetterExamples[] = R"(
LETTER is the position in the dead-letter topic, SOURCE that in the subscription's topic, both as
PARTITION:OFFSET. TOPIC is shown if there are several dead-letter topics. A letter whose event was
trimmed has the type `event trimmed`.

Examples:
  eventhub subscriptions dead-letters list billing
  eventhub subscriptions dead-letters list billing --since=1h --type=shop.order.placed --limit=1000
  eventhub subscriptions dead-letters list billing -o json | jq -r .reason | sort | uniq -c)";

constexpr char kShowDeadLetterExamples[] = R"(
Prints events as `read --output=json` does, with the attributes that say why each was given up.

Examples:
  eventhub subscriptions dead-letters show billing 0:17
  eventhub subscriptions dead-letters show billing --since=1h | jq .data)";

constexpr char kRedriveDeadLetterExamples[] = R"(
Delivers dead letters to this subscription again, and to no other reader of the topic; attempts are
counted from zero. A letter stays open if the subscription has yet to reach its event, after a seek
back, if its event is in flight to another pipeline, or if its event was trimmed, or superseded in a
topic that keeps the latest per key; their number is printed.

Examples:
  eventhub subscriptions dead-letters redrive billing 0:17 0:19
  eventhub subscriptions dead-letters redrive billing --range=0:0-99 --range=1:0-50 --dry-run
  eventhub subscriptions dead-letters redrive billing --until=2026-01-31 --reason-contains=timeout
  eventhub subscriptions dead-letters redrive billing --all)";

constexpr char kDiscardDeadLetterExamples[] = R"(
Discarded letters are no longer listed; the dead-letter topic keeps the events as its retention says.
Asks first, unless each letter is named.

Examples:
  eventhub subscriptions dead-letters discard billing 0:17 0:19
  eventhub subscriptions dead-letters discard billing --until=30d --dry-run
  eventhub subscriptions dead-letters discard billing --all
  eventhub subscriptions dead-letters discard billing --until=30d --yes     without asking)";

// The default number of rows of a table.
constexpr uint64_t kListed = 100;

struct DeadLetterFlags {
  std::string subscription;
  client::DeadLetterSelector selector;
  std::optional<uint64_t> limit;
  bool all = false;
  bool dry_run = false;
  bool yes = false;
  bool json = false;
};

bool SelectsAll(const client::DeadLetterSelector& selector) {
  return selector.ranges.empty() && !selector.start_time.has_value() &&
         !selector.end_time.has_value() && selector.types.empty() &&
         selector.reason_contains.empty() && selector.topic.empty();
}

absl::Status List(const Context& context, const DeadLetterFlags& flags) {
  const uint64_t limit =
      flags.limit.value_or(flags.json ? std::numeric_limits<uint64_t>::max() : kListed);
  std::vector<client::DeadLetter> letters;
  absl::Status written;
  uint64_t count = 0;
  bool more = false;
  RETURN_IF_ERROR(ConnectSubscriptions(context).ListDeadLetters(
      flags.subscription, flags.selector, /*with_data=*/false, [&](client::DeadLetter letter) {
        more = count == limit;
        if (more) return false;
        ++count;
        if (flags.json) {
          written = WriteOut(DeadLetterJson(letter).dump() + "\n");
        } else {
          letters.push_back(std::move(letter));
        }
        return written.ok();
      }));
  if (!flags.json) written.Update(WriteOut(RenderDeadLetters(letters)));
  if (more) std::fprintf(stderr, "eventhub: there are more; see --limit\n");
  return written;
}

// Returns the prefix of the attributes in which the hub records the cause of a dead letter: the
// next after those that the event already has; see DeadLetter in subscription.proto.
std::string CausePrefix(const v1::Event& event) {
  constexpr int kMaxCauses = 8;
  const auto prefix = [](int n) {
    return n == 1 ? std::string("deadletter") : absl::StrCat("deadletter", n);
  };
  int last = kMaxCauses - 1;
  while (last > 0 && !event.attributes().contains(prefix(last) + "reason")) --last;
  return prefix(last + 1);
}

// The event as it is stored in the dead-letter topic.
v1::Event WithReason(client::DeadLetter letter, const std::string& subscription) {
  v1::Event event = std::move(letter.event);
  const std::string prefix = CausePrefix(event);
  auto& attributes = *event.mutable_attributes();
  attributes[prefix + "subscription"].set_string(subscription);
  attributes[prefix + "reason"].set_string(letter.reason);
  attributes[prefix + "partition"].set_integer(static_cast<int32_t>(letter.source_partition));
  attributes[prefix + "offset"].set_string(absl::StrCat(letter.source_offset));
  attributes[prefix + "attempts"].set_integer(static_cast<int32_t>(letter.attempts));
  *attributes[prefix + "time"].mutable_timestamp() = json::ToTimestamp(letter.time);
  const auto add = [&](const char* name, const std::string& text) {
    if (!text.empty()) attributes[prefix + name].set_string(text);
  };
  add("fault", letter.fault_id);
  if (!letter.fault) return event;
  add("processor", letter.fault->processor);
  add("pipeline", letter.fault->pipeline);
  add("step", letter.fault->step);
  add("error", letter.fault->error);
  add("message", letter.fault->message);
  return event;
}

absl::Status LettersNotFound(const DeadLetterFlags& flags) {
  return absl::NotFoundError(
      absl::StrCat("subscription '", flags.subscription, "' has no such dead letters"));
}

absl::Status Show(const Context& context, const DeadLetterFlags& flags) {
  const uint64_t limit = flags.limit.value_or(std::numeric_limits<uint64_t>::max());
  absl::Status written;
  uint64_t count = 0;
  RETURN_IF_ERROR(ConnectSubscriptions(context).ListDeadLetters(
      flags.subscription, flags.selector, /*with_data=*/true, [&](client::DeadLetter letter) {
        if (letter.event_trimmed) {
          std::fprintf(stderr, "eventhub: the event of dead letter %u:%lld is gone\n",
                       letter.partition, static_cast<long long>(letter.offset));
          return ++count < limit;
        }
        const json::Position position{letter.partition, letter.offset, letter.time};
        std::string line;
        json::AppendEvent(WithReason(std::move(letter), flags.subscription), {.position = position},
                          &line);
        written = WriteOut(line + "\n");
        return written.ok() && ++count < limit;
      }));
  return written.ok() && count == 0 ? LettersNotFound(flags) : written;
}

absl::Status CheckSelector(const char* verb, const DeadLetterFlags& flags) {
  if (SelectsAll(flags.selector) == flags.all) return absl::OkStatus();
  return UsageError(absl::StrCat(
      "subscriptions dead-letters ", verb, ": ",
      flags.all ? "--all and conditions exclude each other" : "give a condition or --all"));
}

// Whether the selector consists of single letters.
bool AreNamed(const client::DeadLetterSelector& selector) {
  return !selector.ranges.empty() &&
         std::all_of(selector.ranges.begin(), selector.ranges.end(),
                     [](const auto& at) { return at.range.end == at.range.start + 1; });
}

absl::Status PrintCount(uint64_t events, bool matched, const char* done,
                        const DeadLetterFlags& flags) {
  return WriteOut(absl::StrCat(matched ? "" : "nothing matched: ", CountOf(events, "dead letter"),
                               flags.dry_run ? " would be "
                               : events == 1 ? " is "
                                             : " are ",
                               done, "\n"));
}

absl::StatusOr<uint64_t> OpenLetters(client::SubscriptionClient& client,
                                     const std::string& subscription) {
  ASSIGN_OR_RETURN(const auto there, client.GetSubscription(subscription, 1));
  return there.stats.open_dead_letters;
}

uint64_t CountOfTaken(uint64_t events) { return events; }
uint64_t CountOfTaken(const client::RedriveResult& result) { return result.events; }

// Redrives or discards letters by `take(dry_run)`; meanwhile shows how many of them are done.
template <typename Take>
std::invoke_result_t<Take, bool> TakeLetters(const Context& context, const DeadLetterFlags& flags,
                                             const std::string& doing, const Take& take) {
  if (flags.dry_run || !ProgressLine::IsShown()) return take(flags.dry_run);
  ASSIGN_OR_RETURN(const auto would, take(/*dry_run=*/true));
  client::SubscriptionClient client = ConnectSubscriptions(context);
  ASSIGN_OR_RETURN(const uint64_t before, OpenLetters(client, flags.subscription));
  const CallProgress progress(doing, CountOfTaken(would), [&]() -> absl::StatusOr<uint64_t> {
    ASSIGN_OR_RETURN(const uint64_t open, OpenLetters(client, flags.subscription));
    return before - std::min(open, before);
  });
  return take(/*dry_run=*/false);
}

absl::Status Redrive(const Context& context, const DeadLetterFlags& flags) {
  RETURN_IF_ERROR(CheckSelector("redrive", flags));
  client::SubscriptionClient client = ConnectSubscriptions(context);
  const auto redrive = [&](bool dry_run) {
    return client.RedriveDeadLetters(flags.subscription, flags.selector, dry_run);
  };
  ASSIGN_OR_RETURN(const client::RedriveResult result,
                   TakeLetters(context, flags, "redriving", redrive));
  const bool matched = result.events + result.to_come + result.trimmed + result.in_flight > 0;
  if (!matched && AreNamed(flags.selector)) return LettersNotFound(flags);
  if (flags.json) {
    return WriteOut(Json{{"dry_run", flags.dry_run},
                         {"events", result.events},
                         {"to_come", result.to_come},
                         {"trimmed", result.trimmed},
                         {"in_flight", result.in_flight}}
                        .dump() +
                    "\n");
  }
  RETURN_IF_ERROR(PrintCount(result.events, matched, "redriven", flags));
  const auto left = [](uint64_t events, const char* one, const char* more) {
    if (events == 0) return absl::OkStatus();
    return WriteOut(absl::StrCat(CountOf(events, "dead letter"), events == 1 ? one : more, "\n"));
  };
  RETURN_IF_ERROR(left(result.to_come, " stays: the subscription has not reached its event yet",
                       " stay: the subscription has not reached their events yet"));
  RETURN_IF_ERROR(left(result.in_flight,
                       " stays: its event is in flight to another pipeline; repeat the command "
                       "when it is settled",
                       " stay: their events are in flight to other pipelines; repeat the command "
                       "when they are settled"));
  return left(result.trimmed, " stays: its event is gone, it can only be discarded",
              " stay: their events are gone, they can only be discarded");
}

absl::Status PrintDiscarded(uint64_t events, const DeadLetterFlags& flags) {
  if (flags.json) {
    return WriteOut(Json{{"dry_run", flags.dry_run}, {"events", events}}.dump() + "\n");
  }
  return PrintCount(events, events > 0, "discarded", flags);
}

// Returns whether there is anything to discard; CANCELLED if the user declines.
absl::StatusOr<bool> ConfirmDiscarding(client::SubscriptionClient& client,
                                       const DeadLetterFlags& flags) {
  ASSIGN_OR_RETURN(const uint64_t events,
                   client.DiscardDeadLetters(flags.subscription, flags.selector, /*dry_run=*/true));
  if (events == 0) return false;
  RETURN_IF_ERROR(Confirm(absl::StrCat("Discard ", CountOf(events, "dead letter"),
                                       " of subscription '", flags.subscription, "' for good?"),
                          "nothing was discarded"));
  return true;
}

absl::Status Discard(const Context& context, const DeadLetterFlags& flags) {
  RETURN_IF_ERROR(CheckSelector("discard", flags));
  const bool ask = !flags.yes && !flags.dry_run && !AreNamed(flags.selector);
  if (ask) RETURN_IF_ERROR(NeedTerminal("subscriptions dead-letters discard"));
  client::SubscriptionClient client = ConnectSubscriptions(context);
  if (ask) {
    ASSIGN_OR_RETURN(const bool any, ConfirmDiscarding(client, flags));
    if (!any) return PrintDiscarded(0, flags);
  }
  const auto discard = [&](bool dry_run) {
    return client.DiscardDeadLetters(flags.subscription, flags.selector, dry_run);
  };
  ASSIGN_OR_RETURN(const uint64_t events, TakeLetters(context, flags, "discarding", discard));
  if (events == 0 && AreNamed(flags.selector)) return LettersNotFound(flags);
  return PrintDiscarded(events, flags);
}

void AddSelectorFlags(CLI::App& command, client::DeadLetterSelector& selector) {
  const auto moment = [](absl::string_view text) {
    return ParseMoment(text, Clock::System().Now());
  };
  const auto type = [](absl::string_view text) -> absl::StatusOr<std::string> {
    return std::string(text);
  };
  AddParsedListOption(command, "--range", &selector.ranges, ParsePartitionRange,
                      "Offsets of the dead-letter topic, both ends included; may be repeated",
                      "PARTITION:FIRST-LAST");
  AddParsedOption(command, "--since", &selector.start_time, moment,
                  "Given up at or after this time, or a duration back from now", "TIME");
  AddParsedOption(command, "--until", &selector.end_time, moment, "Given up before this time",
                  "TIME");
  AddParsedListOption(command, "--type", &selector.types, type,
                      "Of this event type; may be repeated", "TYPE");
  command.add_option("--topic", selector.topic, "In this dead-letter topic, if there were several")
      ->type_name("TOPIC");
  command.add_option("--reason-contains", selector.reason_contains, "Whose reason contains this")
      ->type_name("TEXT");
}

}  // namespace

void AddDeadLettersCommand(CLI::App& subscriptions, Context& context) {
  CLI::App* group = AddGroup(subscriptions, "dead-letters",
                             "List, show, redrive and discard dead letters", kDeadLettersExamples);
  const auto flags = std::make_shared<DeadLetterFlags>();
  const auto add = [group, flags](const std::string& verb, const std::string& description,
                                  const char* examples) {
    CLI::App* command = AddVerb(*group, verb, description, examples);
    command->add_option("SUBSCRIPTION", flags->subscription, "The subscription")->required();
    AddParsedListOption(*command, "LETTER", &flags->selector.ranges, ParsePartitionRange,
                        "The position in the dead-letter topic, as listed", "PARTITION:OFFSET")
        ->expected(-1);
    AddSelectorFlags(*command, flags->selector);
    return command;
  };
  const auto add_limit = [flags](CLI::App* command, const char* description) {
    AddCountOption(*command, "-n,--limit", &flags->limit, 1, std::numeric_limits<uint64_t>::max(),
                   description);
  };
  CLI::App* list = add("list", "List open dead letters, oldest first", kListDeadLetterExamples);
  add_limit(list, "At most this many (default for a table: 100)");
  AddOutputOption(*list, &flags->json);
  SetRun(*list, context, [&context, flags] { return List(context, *flags); });

  CLI::App* show = add("show", "Print dead letters with their data", kShowDeadLetterExamples);
  add_limit(show, "At most this many");
  SetRun(*show, context, [&context, flags] { return Show(context, *flags); });

  const auto add_action = [&](const char* verb, const char* description, const char* examples,
                              absl::Status (*run)(const Context&, const DeadLetterFlags&)) {
    CLI::App* command = add(verb, description, examples);
    command->add_flag("--all", flags->all, "Select all; required if no condition is given");
    command->add_flag("--dry-run", flags->dry_run, "Only count the letters");
    AddOutputOption(*command, &flags->json);
    SetRun(*command, context, [&context, flags, run] { return run(context, *flags); });
    return command;
  };
  add_action("redrive", "Deliver dead letters again", kRedriveDeadLetterExamples, Redrive);
  add_action("discard", "Discard dead letters for good", kDiscardDeadLetterExamples, Discard)
      ->add_flag("-y,--yes", flags->yes, "Do not ask");
}

}  // namespace eventhub::cli
