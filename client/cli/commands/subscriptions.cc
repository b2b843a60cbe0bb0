// `eventhub subscriptions`: creates, lists, describes, updates, pauses and deletes subscriptions.
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "client/cli/frame/command.h"
#include "client/cli/input/places.h"
#include "client/cli/input/subscription_flags.h"
#include "client/cli/input/units.h"
#include "client/cli/output/subscription_output.h"
#include "client/cli/output/table.h"
#include "client/cli/output/topology_risks.h"
#include "storage/base/clock.h"
#include "storage/base/status_macros.h"

namespace eventhub::cli {
namespace {

constexpr char kSubscriptionsExamples[] = R"(
The hub keeps, for each subscription, what its consumers have acked. A stream delivers each partition
to one consumer at a time, in order; a queue delivers events to any consumer, and acks them one by
one.

Examples:
  eventhub subscriptions create billing --topic=orders --kind=queue --max-attempts=5
  eventhub subscriptions list
  eventhub subscriptions describe billing             why is it behind?
  eventhub subscriptions pause billing
  eventhub subscriptions seek billing --to=2h --dry-run
  eventhub subscriptions dead-letters list billing
  eventhub consume billing --exec=./bill)";

constexpr char kCreateSubscriptionExamples[] = R"(
Examples:
  eventhub subscriptions create billing --topic=orders --kind=queue --from=earliest
  eventhub subscriptions create audit --topic=orders --kind=stream
  eventhub subscriptions create eu --topic=orders --kind=queue --filter="subject LIKE 'eu/%'"
  eventhub subscriptions create mail --topic=orders --kind=queue --ordered-by-key \
    --ack-deadline=2m --max-attempts=5 --min-backoff=1s --max-backoff=10m --rate-events=100
  eventhub subscriptions create scratch --topic=orders --kind=queue --from=15m --expire-after=1h)";

constexpr char kListSubscriptionExamples[] = R"(
Examples:
  eventhub subscriptions list
  eventhub subscriptions list --topic=orders
  eventhub subscriptions list --output=json | jq -r 'select(.stats.lag_events > 1000) | .name')";

constexpr char kDescribeSubscriptionExamples[] = R"(
Prints the reasons why the subscription is behind; then its totals, the partitions that are furthest
behind, and each consumer with its events in flight and its credit.

Examples:
  eventhub subscriptions describe billing
  watch -n 1 eventhub subscriptions describe billing
  eventhub subscriptions describe billing --output=json | jq -r '.findings[]')";

constexpr char kUpdateSubscriptionExamples[] = R"(
Consumers stay connected. Topic, kind and order cannot be changed.

Examples:
  eventhub subscriptions update billing --max-attempts=10 --max-backoff=1h
  eventhub subscriptions update billing --rate-events=50
  eventhub subscriptions update eu --filter='{"prefix": {"subject": "eu/"}}'
  eventhub subscriptions update billing --rate-events=unlimited --description=)";

constexpr char kDeleteSubscriptionExamples[] = R"(
Deletes its snapshots and open dead letters too; the dead-letter topic stays.

Examples:
  eventhub subscriptions delete billing
  eventhub subscriptions delete billing audit --yes)";

constexpr char kPauseExamples[] = R"(
A paused subscription delivers nothing and keeps its position: delivery continues there when it is
resumed. Events in flight can be settled, and consumers stay connected.

Examples:
  eventhub subscriptions pause billing
  eventhub subscriptions resume billing)";

struct SubscriptionCommand {
  std::vector<std::string> names;
  std::string topic;
  client::SubscriptionKind kind = client::SubscriptionKind::kUnspecified;
  bool ordered_by_key = false;
  client::StartPosition from = client::StartPosition::Latest();
  client::SubscriptionUpdate update;
  uint32_t max_partitions = 0;
  bool yes = false;
  bool json = false;
};
using Flags = std::shared_ptr<SubscriptionCommand>;

absl::Status PrintSubscription(const client::Subscription& subscription, bool json) {
  return WriteOut(json ? SubscriptionJson(subscription).dump() + "\n"
                       : RenderFields(SubscriptionFields(subscription)));
}

absl::Status Create(const Context& context, const SubscriptionCommand& flags) {
  client::Subscription subscription;
  subscription.name = flags.names.front();
  subscription.topic = flags.topic;
  subscription.kind = flags.kind;
  subscription.ordered_by_key = flags.ordered_by_key;
  ApplyUpdate(flags.update, &subscription);
  client::SubscriptionClient client = ConnectSubscriptions(context);
  ASSIGN_OR_RETURN(const client::Subscription created,
                   client.CreateSubscription(subscription, flags.from));
  return PrintSubscription(created, flags.json);
}

absl::Status List(const Context& context, const SubscriptionCommand& flags) {
  ASSIGN_OR_RETURN(const auto subscriptions,
                   ConnectSubscriptions(context).ListSubscriptions(flags.topic));
  if (!flags.json) return WriteOut(RenderSubscriptions(subscriptions));
  std::string out;
  for (const auto& summary : subscriptions)
    absl::StrAppend(&out, SummaryJson(summary).dump(), "\n");
  return WriteOut(out);
}

absl::Status Describe(const Context& context, const SubscriptionCommand& flags) {
  ASSIGN_OR_RETURN(const auto description, ConnectSubscriptions(context).GetSubscription(
                                               flags.names.front(), flags.max_partitions));
  return WriteOut(flags.json ? DescriptionJson(description).dump() + "\n"
                             : RenderDescription(description, Clock::System().Now()));
}

absl::Status Update(const Context& context, const SubscriptionCommand& flags) {
  if (IsEmpty(flags.update)) return UsageError("subscriptions update: no setting is given");
  client::SubscriptionClient client = ConnectSubscriptions(context);
  const std::string& name = flags.names.front();
  if (!flags.yes) {
    ASSIGN_OR_RETURN(const auto before, client.GetSubscription(name, 1));
    client::Subscription after = before.subscription;
    ApplyUpdate(flags.update, &after);
    RETURN_IF_ERROR(ConfirmUpdate("subscriptions update", absl::StrCat("subscription '", name, "'"),
                                  RisksOf(before.subscription, after)));
  }
  ASSIGN_OR_RETURN(const client::Subscription updated,
                   client.UpdateSubscription(name, flags.update));
  return PrintSubscription(updated, flags.json);
}

absl::Status ConfirmDeletion(client::SubscriptionClient& client, const std::string& name) {
  ASSIGN_OR_RETURN(const auto there, client.GetSubscription(name, 1));
  return Confirm(
      absl::StrCat("Delete subscription '", name, "' with ",
                   CountOf(there.stats.lag_events, "unsettled event"), " and ",
                   CountOf(there.stats.open_dead_letters, "open dead letter"), " for good?"),
      absl::StrCat("subscription '", name, "' is kept"));
}

absl::Status Delete(const Context& context, const SubscriptionCommand& flags) {
  client::SubscriptionClient client = ConnectSubscriptions(context);
  if (!flags.yes) RETURN_IF_ERROR(NeedTerminal("subscriptions delete"));
  for (const std::string& name : flags.names) {
    if (!flags.yes) RETURN_IF_ERROR(ConfirmDeletion(client, name));
    RETURN_IF_ERROR(client.DeleteSubscription(name));
  }
  return absl::OkStatus();
}

absl::Status SetPaused(const Context& context, const SubscriptionCommand& flags, bool paused) {
  client::SubscriptionClient client = ConnectSubscriptions(context);
  for (const std::string& name : flags.names) {
    RETURN_IF_ERROR(client.UpdateSubscription(name, {.paused = paused}).status());
  }
  return absl::OkStatus();
}

void AddName(CLI::App& command, const Flags& flags) {
  command.add_option("NAME", flags->names, "Its name")->required()->expected(1);
}

void AddNames(CLI::App& command, const Flags& flags) {
  command.add_option("NAME", flags->names, "Their names")->required();
}

void AddCreate(CLI::App& group, Context& context, const Flags& flags) {
  CLI::App* create = AddVerb(group, "create", "Create a subscription", kCreateSubscriptionExamples);
  AddName(*create, flags);
  create->add_option("--topic", flags->topic, "The topic to consume")
      ->required()
      ->type_name("TOPIC");
  AddParsedOption(*create, "--kind", &flags->kind, ParseKind,
                  "stream: each partition at one consumer, in order; queue: events to any consumer",
                  "stream|queue")
      ->required();
  AddParsedOption(
      *create, "--from", &flags->from,
      [](absl::string_view text) { return ParseStart(text, Clock::System().Now()); },
      "latest (default), earliest, an offset, a time, or a duration back from now", "PLACE");
  create->add_flag("--ordered-by-key", flags->ordered_by_key,
                   "queue: an event waits until the earlier ones of its key are settled");
  AddSubscriptionFlags(*create, flags->update);
  AddOutputOption(*create, &flags->json);
  SetRun(*create, context, [&context, flags] { return Create(context, *flags); });
}

void AddQueries(CLI::App& group, Context& context, const Flags& flags) {
  CLI::App* list =
      AddVerb(group, "list", "List subscriptions with their lag", kListSubscriptionExamples);
  list->add_option("--topic", flags->topic, "Only those of this topic")->type_name("TOPIC");
  AddOutputOption(*list, &flags->json);
  SetRun(*list, context, [&context, flags] { return List(context, *flags); });

  CLI::App* describe = AddVerb(group, "describe", "Explain why a subscription is behind",
                               kDescribeSubscriptionExamples);
  AddName(*describe, flags);
  AddCountOption(*describe, "--max-partitions", &flags->max_partitions, 1, 1000,
                 "With --output=json: at most this many partitions (default 100)");
  AddOutputOption(*describe, &flags->json);
  SetRun(*describe, context, [&context, flags] { return Describe(context, *flags); });
}

void AddChanges(CLI::App& group, Context& context, const Flags& flags) {
  CLI::App* update = AddVerb(group, "update", "Change settings", kUpdateSubscriptionExamples);
  AddName(*update, flags);
  AddSubscriptionFlags(*update, flags->update);
  AddOutputOption(*update, &flags->json);
  update->add_flag("-y,--yes", flags->yes, "Do not ask before a change that may delete it");
  SetRun(*update, context, [&context, flags] { return Update(context, *flags); });

  CLI::App* remove =
      AddVerb(group, "delete", "Delete subscriptions for good", kDeleteSubscriptionExamples);
  AddNames(*remove, flags);
  remove->add_flag("-y,--yes", flags->yes, "Do not ask");
  SetRun(*remove, context, [&context, flags] { return Delete(context, *flags); });

  CLI::App* pause = AddVerb(group, "pause", "Pause delivery", kPauseExamples);
  AddNames(*pause, flags);
  SetRun(*pause, context, [&context, flags] { return SetPaused(context, *flags, true); });

  CLI::App* resume = AddVerb(group, "resume", "Resume delivery", kPauseExamples);
  AddNames(*resume, flags);
  SetRun(*resume, context, [&context, flags] { return SetPaused(context, *flags, false); });
}

}  // namespace

void AddSubscriptionsCommand(CLI::App& app, Context& context) {
  CLI::App* group =
      AddGroup(app, "subscriptions",
               "Manage subscriptions: create, describe, pause, seek, dead letters, ...",
               kSubscriptionsExamples);
  // The callbacks own it.
  const auto flags = std::make_shared<SubscriptionCommand>();
  AddCreate(*group, context, flags);
  AddQueries(*group, context, flags);
  AddChanges(*group, context, flags);
  AddSeekCommand(*group, context);
  AddReplayCommand(*group, context);
  AddSnapshotsCommand(*group, context);
  AddDeadLettersCommand(*group, context);
}

}  // namespace eventhub::cli
