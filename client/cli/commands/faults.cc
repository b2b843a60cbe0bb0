// `eventhub faults`: the dead letters of all subscriptions, with what failed in which pipeline.
#include <algorithm>
#include <atomic>
#include <cstdio>
#include <limits>
#include <memory>
#include <optional>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "client/cli/frame/command.h"
#include "client/cli/input/filter_flag.h"
#include "client/cli/input/units.h"
#include "client/cli/output/fault_output.h"
#include "client/cli/run/fault_wait.h"
#include "client/cli/run/progress.h"
#include "eventhub/fault_client.h"
#include "storage/base/clock.h"
#include "storage/base/status_macros.h"

namespace eventhub::cli {
namespace {

using client::DeadLetterState;

constexpr char kFaultsExamples[] = R"(
A fault is an event on which a consumer, or one pipeline of a stream processor, gave up. It is a
dead letter of its subscription until it is resubmitted or discarded.

Examples:
  eventhub faults count
  eventhub faults list --pipeline=charge --error=DEADLINE_EXCEEDED --since=1h
  eventhub faults show 3f0c2a9d5be1478890ab34cd56ef7812
  eventhub faults resubmit --pipeline=charge            prints what it would do
  eventhub faults resubmit --pipeline=charge --yes)";

constexpr char kListFaultsExamples[] = R"(
Lists open faults, unless --state names other states. FAILURES is the number of times that the event
has failed in the pipeline.

Examples:
  eventhub faults list
  eventhub faults list --subscription=payments --state=failed-again
  eventhub faults list --filter="deadlettererror = 'TIMEOUT' AND subject LIKE 'eu/%'"
  eventhub faults list --state=all -o json | jq -r .detail.message | sort | uniq -c)";

constexpr char kCountFaultsExamples[] = R"(
Prints one row for each error in each step: the number of faults, the number of those that failed
again, the times of the first and the last failure, and the message of the last.

Examples:
  eventhub faults count
  eventhub faults count --subscription=payments --since=1d
  eventhub faults count --state=resolved -o json)";

constexpr char kShowFaultExamples[] = R"(
Prints each fault as one line of JSON: its state, the details of the failure, and the event with its
data.

Examples:
  eventhub faults show 3f0c2a9d5be1478890ab34cd56ef7812 | jq .
  eventhub faults show --pipeline=charge --limit=1 | jq .detail.causes)";

constexpr char kResubmitExamples[] = R"(
Delivers the events again, in log order, each only to the pipeline that gave up on it. Without
--yes, prints what it would do. After an error or an interruption, repeat the command; it continues
with the remaining faults. A fault stays open if its event is gone, if the subscription has yet to
reach the event after a seek back, or while the event is in flight to another pipeline. With --wait,
the exit code is 1 if a fault failed again, or is not settled in time.

Examples:
  eventhub faults resubmit 3f0c2a9d5be1478890ab34cd56ef7812 --yes
  eventhub faults resubmit --pipeline=charge --error=TIMEOUT
  eventhub faults resubmit --pipeline=charge --error=TIMEOUT --rate-events=100 --yes
  eventhub faults resubmit --pipeline=charge --yes --wait=10m && echo mended
  eventhub faults resubmit --subscription=payments --all --yes)";

constexpr char kDiscardFaultExamples[] = R"(
Closes faults without delivering their events again. The dead-letter topic keeps the events
according to its retention. Without --yes, prints what it would do.

Examples:
  eventhub faults discard --until=30d
  eventhub faults discard --until=30d --yes)";

// The default number of rows of a table.
constexpr uint64_t kListedFaults = 100;

struct FaultFlags {
  std::string subscription;
  client::DeadLetterSelector selector;
  std::optional<std::optional<client::Filter>> filter;
  std::optional<uint64_t> limit;
  client::RateLimit rate;
  std::optional<absl::Duration> wait;
  bool all_pipelines = false;
  bool all = false;
  bool yes = false;
  bool json = false;

  client::DeadLetterSelector Selector() const {
    client::DeadLetterSelector with_filter = selector;
    if (filter) with_filter.filter = *filter;
    return with_filter;
  }
};

client::FaultClient ConnectFaults(const Context& context) {
  return client::FaultClient(ConnectToHub(context), AdminOptionsOf(context));
}

absl::Status FaultsNotFound() { return absl::NotFoundError("there are no such faults"); }

absl::StatusOr<std::vector<DeadLetterState>> ParseStates(absl::string_view text) {
  const std::vector<DeadLetterState> all = {
      DeadLetterState::kOpen, DeadLetterState::kFailedAgain, DeadLetterState::kResubmitted,
      DeadLetterState::kResolved, DeadLetterState::kDiscarded};
  if (text == "all") return all;
  for (const DeadLetterState state : all) {
    if (text == StateName(state)) return std::vector<DeadLetterState>{state};
  }
  return absl::InvalidArgumentError(absl::StrCat(
      "'", text, "' is not one of: open, failed-again, resubmitted, resolved, discarded, all"));
}

absl::Status ListFaults(const Context& context, const FaultFlags& flags) {
  const uint64_t limit =
      flags.limit.value_or(flags.json ? std::numeric_limits<uint64_t>::max() : kListedFaults);
  std::vector<client::DeadLetter> faults;
  absl::Status written;
  uint64_t count = 0;
  bool more = false;
  RETURN_IF_ERROR(ConnectFaults(context).List(
      flags.subscription, flags.Selector(), /*with_data=*/false, [&](client::DeadLetter fault) {
        more = count == limit;
        if (more) return false;
        ++count;
        if (flags.json) {
          written = WriteOut(FaultJson(fault, /*with_event=*/false).dump() + "\n");
        } else {
          faults.push_back(std::move(fault));
        }
        return written.ok();
      }));
  if (!flags.json) written.Update(WriteOut(RenderFaults(faults)));
  if (more) std::fprintf(stderr, "eventhub: there are more; see --limit\n");
  return written;
}

absl::Status CountFaults(const Context& context, const FaultFlags& flags) {
  ASSIGN_OR_RETURN(std::vector<client::DeadLetterGroup> groups,
                   ConnectFaults(context).Count(flags.subscription, flags.Selector()));
  // The largest first; otherwise in the order of the client.
  const auto rank = [](const client::DeadLetterGroup& group) {
    return std::tie(group.subscription, group.processor, group.pipeline, group.step, group.error);
  };
  std::sort(groups.begin(), groups.end(), [&](const auto& a, const auto& b) {
    return a.events != b.events ? a.events > b.events : rank(a) < rank(b);
  });
  if (!flags.json) return WriteOut(RenderFaultGroups(groups));
  for (const client::DeadLetterGroup& group : groups) {
    RETURN_IF_ERROR(WriteOut(FaultGroupJson(group).dump() + "\n"));
  }
  return absl::OkStatus();
}

absl::Status ShowFaults(const Context& context, const FaultFlags& flags) {
  const uint64_t limit = flags.limit.value_or(std::numeric_limits<uint64_t>::max());
  client::DeadLetterSelector selector = flags.Selector();
  // A fault that is selected by its id is shown in any state.
  if (!selector.fault_ids.empty() && selector.states.empty()) selector.states = *ParseStates("all");
  absl::Status written;
  uint64_t count = 0;
  RETURN_IF_ERROR(ConnectFaults(context).List(
      flags.subscription, selector, /*with_data=*/true, [&](const client::DeadLetter& fault) {
        written = WriteOut(FaultJson(fault, /*with_event=*/true).dump() + "\n");
        return written.ok() && ++count < limit;
      }));
  return written.ok() && count == 0 ? FaultsNotFound() : written;
}

bool SelectsAllFaults(const FaultFlags& flags) {
  const client::DeadLetterSelector selector = flags.Selector();
  return selector.fault_ids.empty() && selector.processors.empty() && selector.pipelines.empty() &&
         selector.steps.empty() && selector.errors.empty() && selector.groups.empty() &&
         selector.types.empty() && !selector.start_time && !selector.end_time && !selector.filter &&
         selector.states.empty() && selector.reason_contains.empty();
}

// The number of faults of one subscription.
struct Affected {
  std::string subscription;
  uint64_t events = 0;
};

// The open faults that are selected, by subscription.
absl::StatusOr<std::vector<Affected>> FindAffected(client::FaultClient& client,
                                                   const FaultFlags& flags) {
  ASSIGN_OR_RETURN(const std::vector<client::DeadLetterGroup> groups,
                   client.Count(flags.subscription, flags.Selector()));
  std::vector<Affected> affected;
  for (const client::DeadLetterGroup& group : groups) {
    if (affected.empty() || affected.back().subscription != group.subscription) {
      affected.push_back({group.subscription});
    }
    affected.back().events += group.events;
  }
  return affected;
}

// The result of closing faults, or of a dry run.
struct Closed {
  client::RedriveResult sum;
  Json subscriptions = Json::array();
};

using CloseFaults = absl::StatusOr<client::RedriveResult> (client::FaultClient::*)(
    const std::string&, client::CloseLettersSpec, const client::FaultClient::OnPage&);

absl::StatusOr<Closed> CloseAll(client::FaultClient& client, const FaultFlags& flags,
                                const std::vector<Affected>& affected, const std::string& doing,
                                CloseFaults close) {
  uint64_t total = 0;
  for (const Affected& one : affected) total += one.events;
  client::CloseLettersSpec spec{
      .selector = flags.Selector(), .dry_run = !flags.yes, .all_pipelines = flags.all_pipelines};
  if (flags.rate.events_per_second > 0) spec.rate_limit = flags.rate;
  Closed closed;
  std::atomic<uint64_t> done{0};
  const CallProgress progress(doing, flags.yes ? total : 0,
                              [&done]() -> absl::StatusOr<uint64_t> { return done.load(); });
  for (const Affected& one : affected) {
    const client::RedriveResult before = closed.sum;
    const auto count = [&before, &done](const client::RedriveResult& part) {
      done = before.events + part.events;
      return true;
    };
    absl::StatusOr<client::RedriveResult> part =
        (client.*close)(one.subscription, spec, client::FaultClient::OnPage(count));
    if (!part.ok()) {
      return WithMessage(
          part.status(),
          absl::StrCat("subscription '", one.subscription, "', after ",
                       CountOf(done.load(), "fault"), " of ", FormatCount(total),
                       " were done (repeat the command for the rest): ", part.status().message()));
    }
    closed.sum.events += part->events;
    closed.sum.to_come += part->to_come;
    closed.sum.trimmed += part->trimmed;
    closed.sum.in_flight += part->in_flight;
    closed.subscriptions.push_back({{"subscription", one.subscription}, {"faults", part->events}});
  }
  return closed;
}

absl::Status PrintStaying(uint64_t events, const char* why) {
  if (events == 0) return absl::OkStatus();
  return WriteOut(
      absl::StrCat(CountOf(events, "fault"), events == 1 ? " stays: " : " stay: ", why, "\n"));
}

Json ClosedJson(const Closed& closed, const FaultFlags& flags) {
  const client::RedriveResult& sum = closed.sum;
  return {{"dry_run", !flags.yes},      {"faults", sum.events},
          {"to_come", sum.to_come},     {"trimmed", sum.trimmed},
          {"in_flight", sum.in_flight}, {"subscriptions", closed.subscriptions}};
}

absl::Status PrintClosed(const Closed& closed, const FaultFlags& flags, const char* done) {
  const client::RedriveResult& sum = closed.sum;
  const size_t subscriptions = closed.subscriptions.size();
  const char* const verb = !flags.yes ? " would be " : sum.events == 1 ? " is " : " are ";
  RETURN_IF_ERROR(WriteOut(
      absl::StrCat(CountOf(sum.events, "fault"), " of ", CountOf(subscriptions, "subscription"),
                   verb, done, !flags.yes && sum.events > 0 ? "; pass --yes to do so" : "", "\n")));
  RETURN_IF_ERROR(PrintStaying(sum.to_come, "the subscription has not reached the event yet"));
  RETURN_IF_ERROR(PrintStaying(sum.in_flight,
                               "the event is in flight to another pipeline; repeat "
                               "the command when it is settled"));
  return PrintStaying(sum.trimmed, "the event is gone; the fault can only be discarded");
}

// E.g. "2 faults are resolved, 1 failed again".
std::string SettledText(const SettledFaults& settled) {
  std::string text = absl::StrCat(CountOf(settled.resolved, "fault"),
                                  settled.resolved == 1 ? " is" : " are", " resolved");
  const auto add = [&text](uint64_t count, const char* what) {
    if (count > 0) absl::StrAppend(&text, ", ", FormatCount(count), what);
  };
  add(settled.failed_again, " failed again");
  add(settled.discarded, settled.discarded == 1 ? " was discarded" : " were discarded");
  add(settled.unsettled, settled.unsettled == 1 ? " is not settled yet" : " are not settled yet");
  add(settled.gone, settled.gone == 1 ? " is gone" : " are gone");
  return absl::StrCat(text, "\n");
}

// Waits for what was resubmitted, and reports it. A silent failure if not all of it is resolved or
// discarded.
absl::Status AwaitSettled(FaultWait& wait, const Closed& closed, const FaultFlags& flags) {
  ASSIGN_OR_RETURN(const SettledFaults settled, wait.Await(*flags.wait));
  if (flags.json) {
    Json json = ClosedJson(closed, flags);
    json["resolved"] = settled.resolved;
    json["failed_again"] = settled.failed_again;
    json["discarded"] = settled.discarded;
    json["unsettled"] = settled.unsettled;
    json["gone"] = settled.gone;
    RETURN_IF_ERROR(WriteOut(json.dump() + "\n"));
  } else {
    RETURN_IF_ERROR(WriteOut(SettledText(settled)));
  }
  return settled.failed_again + settled.unsettled > 0 ? SilentFailure() : absl::OkStatus();
}

absl::Status CloseSelected(const Context& context, const FaultFlags& flags, const char* verb,
                           const char* doing, const char* done, CloseFaults close) {
  if (SelectsAllFaults(flags) != flags.all) {
    return UsageError(absl::StrCat("faults ", verb, ": ",
                                   flags.all ? "--all and conditions exclude each other"
                                             : "give a fault, a condition or --all"));
  }
  if (flags.wait && !flags.yes) {
    return UsageError(
        "faults resubmit: --wait needs --yes, since a dry run has nothing to wait for");
  }
  client::FaultClient client = ConnectFaults(context);
  ASSIGN_OR_RETURN(const std::vector<Affected> affected, FindAffected(client, flags));
  if (affected.empty() && !flags.selector.fault_ids.empty()) return FaultsNotFound();
  FaultWait wait(client);
  if (flags.wait) RETURN_IF_ERROR(wait.Remember(flags.subscription, flags.Selector()));
  ASSIGN_OR_RETURN(const Closed closed, CloseAll(client, flags, affected, doing, close));
  if (!flags.json) {
    RETURN_IF_ERROR(PrintClosed(closed, flags, done));
  } else if (!flags.wait) {
    return WriteOut(ClosedJson(closed, flags).dump() + "\n");
  }
  return flags.wait ? AwaitSettled(wait, closed, flags) : absl::OkStatus();
}

absl::StatusOr<std::string> ParseText(absl::string_view text) { return std::string(text); }

void AddFaultSelectorFlags(CLI::App& command, FaultFlags& flags) {
  const auto moment = [](absl::string_view text) {
    return ParseMoment(text, Clock::System().Now());
  };
  client::DeadLetterSelector& selector = flags.selector;
  AddParsedListOption(command, "FAULT", &selector.fault_ids, ParseText, "The id of a fault",
                      "ID ...")
      ->expected(-1);
  command.add_option("--subscription", flags.subscription, "Faults of this subscription")
      ->type_name("SUBSCRIPTION");
  const auto add = [&command](const char* name, std::vector<std::string>* values,
                              const char* description, const char* type_name) {
    AddParsedListOption(command, name, values, ParseText, description, type_name);
  };
  add("--processor", &selector.processors,
      "Faults of this processor; may be repeated, like the options below", "NAME");
  add("--pipeline", &selector.pipelines, "Faults of this pipeline", "NAME");
  add("--step", &selector.steps, "Faults of this step", "NAME");
  add("--error", &selector.errors, "Faults with this type of error", "TYPE");
  add("--group", &selector.groups, "Faults of this group of events that failed together", "GROUP");
  add("--type", &selector.types, "Faults of events of this type", "TYPE");
  AddParsedOption(command, "--since", &selector.start_time, moment,
                  "Faults at or after this time, or a duration back from now", "TIME");
  AddParsedOption(command, "--until", &selector.end_time, moment, "Faults before this time",
                  "TIME");
  AddFilterOption(command, &flags.filter, "Faults whose dead letter passes");
}

void AddFaultStateFlag(CLI::App& command, FaultFlags& flags) {
  command
      .add_option_function<std::vector<std::string>>(
          "--state",
          [&flags](const std::vector<std::string>& texts) {
            for (const std::string& text : texts) {
              const auto states = ParseStates(text);
              if (!states.ok()) {
                throw CLI::ValidationError("--state", std::string(states.status().message()));
              }
              flags.selector.states.insert(flags.selector.states.end(), states->begin(),
                                           states->end());
            }
          },
          "Faults in this state: open, failed-again, resubmitted, resolved, discarded or all; may "
          "be repeated")
      ->expected(1)
      ->allow_extra_args(false)
      ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll)
      ->type_name("STATE");
}

}  // namespace

void AddFaultsCommand(CLI::App& app, Context& context) {
  CLI::App* group =
      AddGroup(app, "faults", "Find, resubmit and discard events that consumers gave up on",
               kFaultsExamples);
  const auto flags = std::make_shared<FaultFlags>();
  const auto add = [&](const char* verb, const char* description, const char* examples) {
    CLI::App* command = AddVerb(*group, verb, description, examples);
    AddFaultSelectorFlags(*command, *flags);
    return command;
  };
  const auto add_limit = [&](CLI::App* command, const char* description) {
    AddCountOption(*command, "-n,--limit", &flags->limit, 1, std::numeric_limits<uint64_t>::max(),
                   description);
  };
  CLI::App* list = add("list", "List faults", kListFaultsExamples);
  AddFaultStateFlag(*list, *flags);
  add_limit(list, "Maximum number of faults (default for a table: 100)");
  AddOutputOption(*list, &flags->json);
  SetRun(*list, context, [&context, flags] { return ListFaults(context, *flags); });

  CLI::App* count = add("count", "Count faults by error", kCountFaultsExamples);
  AddFaultStateFlag(*count, *flags);
  AddOutputOption(*count, &flags->json);
  SetRun(*count, context, [&context, flags] { return CountFaults(context, *flags); });

  CLI::App* show = add("show", "Print faults with their events", kShowFaultExamples);
  AddFaultStateFlag(*show, *flags);
  add_limit(show, "Maximum number of faults");
  SetRun(*show, context, [&context, flags] { return ShowFaults(context, *flags); });

  const auto add_action = [&](CLI::App* command) {
    command->add_flag("--all", flags->all, "Select all; required if no condition is given");
    command->add_flag("-y,--yes", flags->yes, "Do it; without this option, nothing is changed");
    AddOutputOption(*command, &flags->json);
  };
  CLI::App* resubmit = add("resubmit", "Deliver events again to the pipelines that gave up on them",
                           kResubmitExamples);
  add_action(resubmit);
  AddCountOption(*resubmit, "--rate-events", &flags->rate.events_per_second, 1,
                 std::numeric_limits<uint64_t>::max(),
                 "Maximum events per second, over all redrives and replays of the subscription");
  AddParsedOption(*resubmit, "--wait", &flags->wait, ParseAge,
                  "Then wait until they are resolved or failed again, for at most this long",
                  "DURATION");
  resubmit->add_flag("--all-pipelines", flags->all_pipelines,
                     "Deliver to all pipelines, e.g. after a pipeline was renamed");
  SetRun(*resubmit, context, [&context, flags] {
    return CloseSelected(context, *flags, "resubmit", "resubmitting", "resubmitted",
                         &client::FaultClient::Resubmit);
  });

  CLI::App* discard = add("discard", "Discard faults for good", kDiscardFaultExamples);
  add_action(discard);
  SetRun(*discard, context, [&context, flags] {
    return CloseSelected(context, *flags, "discard", "discarding", "discarded",
                         &client::FaultClient::Discard);
  });
}

}  // namespace eventhub::cli
