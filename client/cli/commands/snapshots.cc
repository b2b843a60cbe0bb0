// `eventhub subscriptions snapshots`: manages named cursors of a subscription.
#include <memory>
#include <string>

#include "absl/strings/str_cat.h"
#include "client/cli/frame/command.h"
#include "client/cli/output/subscription_output.h"
#include "client/cli/run/progress.h"
#include "storage/base/status_macros.h"

namespace eventhub::cli {
namespace {

constexpr char kSnapshotsExamples[] = R"(
A snapshot does not hold back retention: events that it would restore may have been trimmed.

Examples:
  eventhub subscriptions snapshots create billing before-deploy
  eventhub subscriptions snapshots list billing
  eventhub subscriptions seek billing --to=snapshot:before-deploy
  eventhub subscriptions snapshots delete billing before-deploy)";

constexpr char kCreateSnapshotExamples[] = R"(
Examples:
  eventhub subscriptions snapshots create billing before-deploy
  eventhub subscriptions snapshots create billing nightly-$(date +%F) --output=json)";

constexpr char kListSnapshotExamples[] = R"(
Examples:
  eventhub subscriptions snapshots list billing
  eventhub subscriptions snapshots list billing --output=json | jq -r .name)";

constexpr char kDeleteSnapshotExamples[] = R"(
Examples:
  eventhub subscriptions snapshots delete billing before-deploy)";

struct SnapshotFlags {
  std::string subscription;
  std::string name;
  bool json = false;
};

absl::Status Create(const Context& context, const SnapshotFlags& flags) {
  ASSIGN_OR_RETURN(const client::Snapshot snapshot, WithProgress("taking the snapshot", [&] {
                     return ConnectSubscriptions(context).CreateSnapshot(flags.subscription,
                                                                         flags.name);
                   }));
  return WriteOut(flags.json ? SnapshotJson(snapshot).dump() + "\n" : RenderSnapshots({snapshot}));
}

absl::Status List(const Context& context, const SnapshotFlags& flags) {
  ASSIGN_OR_RETURN(const auto snapshots,
                   ConnectSubscriptions(context).ListSnapshots(flags.subscription));
  if (!flags.json) return WriteOut(RenderSnapshots(snapshots));
  std::string out;
  for (const auto& snapshot : snapshots) absl::StrAppend(&out, SnapshotJson(snapshot).dump(), "\n");
  return WriteOut(out);
}

absl::Status Delete(const Context& context, const SnapshotFlags& flags) {
  return ConnectSubscriptions(context).DeleteSnapshot(flags.subscription, flags.name);
}

}  // namespace

void AddSnapshotsCommand(CLI::App& subscriptions, Context& context) {
  CLI::App* group =
      AddGroup(subscriptions, "snapshots", "Create, list and delete snapshots", kSnapshotsExamples);
  const auto flags = std::make_shared<SnapshotFlags>();
  const auto add = [group, flags](const std::string& verb, const std::string& description,
                                  const char* examples) {
    CLI::App* command = AddVerb(*group, verb, description, examples);
    command->add_option("SUBSCRIPTION", flags->subscription, "The subscription")->required();
    return command;
  };
  CLI::App* create = add("create", "Save the acked state under a name", kCreateSnapshotExamples);
  create->add_option("NAME", flags->name, "The name of the snapshot")->required();
  AddOutputOption(*create, &flags->json);
  SetRun(*create, context, [&context, flags] { return Create(context, *flags); });

  CLI::App* list = add("list", "List snapshots by name", kListSnapshotExamples);
  AddOutputOption(*list, &flags->json);
  SetRun(*list, context, [&context, flags] { return List(context, *flags); });

  CLI::App* remove = add("delete", "Delete a snapshot", kDeleteSnapshotExamples);
  remove->add_option("NAME", flags->name, "The name of the snapshot")->required();
  SetRun(*remove, context, [&context, flags] { return Delete(context, *flags); });
}

}  // namespace eventhub::cli
