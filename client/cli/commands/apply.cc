// `eventhub apply` and `eventhub export`: keep the topology of a hub in files.
#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "client/cli/frame/command.h"
#include "client/cli/input/read_file.h"
#include "client/cli/input/topology_faults.h"
#include "client/cli/input/topology_yaml.h"
#include "client/cli/output/terminal.h"
#include "client/cli/output/topology_output.h"
#include "client/cli/output/topology_risks.h"
#include "client/cli/run/progress.h"
#include "eventhub/topology_client.h"
#include "storage/base/status_macros.h"

namespace eventhub::cli {
namespace {

// Returned with --exit-code if the hub differs from the files.
constexpr int kExitChanges = 3;

constexpr char kApplyExamples[] = R"(
Creates and updates topics, subscriptions, routes and links so that the hub matches the YAML files.
Checks everything first: if there is an error, nothing is changed, and every error is reported with
its line. Applying the same files again changes nothing. Changes that delete events or move keys are
marked with ! and confirmed, unless --yes is given. Pruning a topic with open dead letters is an
error.

  topics:
    - name: orders
      retention: {max_age: 7d, max_bytes: 10GiB}
    - name: orders.eu
  routes:
    - name: eu
      source_topic: orders
      target_topics: [orders.eu]
      filter: {prefix: {subject: eu/}}        or an expression: subject LIKE 'eu/%'
  subscriptions:
    - {name: billing, topic: orders.eu, kind: queue, max_delivery_attempts: 5}
  links:
    - {name: from-shop, remote_address: "shop:7070", remote_topic: egress, local_topic: orders}

Keys are the field names of the contract (eventhub/v1/*.proto).

Examples:
  eventhub apply -f topology.yaml --dry-run
  eventhub apply -f topics.yaml -f routes.yaml
  eventhub export | sed 's/max_age: 7d/max_age: 14d/' | eventhub apply -f -
  eventhub apply -f topology.yaml --dry-run --exit-code || echo 'somebody changed the hub by hand'
  eventhub apply -f topology.yaml --prune --yes             delete what the file does not name)";

constexpr char kExportExamples[] = R"(
Writes YAML that `eventhub apply` takes back without changes; settings that have their default are
left out.

Examples:
  eventhub export > topology.yaml
  eventhub export --address=hub-a:7070 | eventhub apply --address=hub-b:7070 -f -)";

struct ApplyFlags {
  std::vector<std::string> files;
  client::ApplyOptions options;
  bool exit_code = false;
  bool yes = false;
  bool json = false;
};

client::TopologyClient ConnectTopology(const Context& context) {
  return client::TopologyClient(ConnectToHub(context),
                                {.timeout = context.timeout.value_or(absl::Minutes(1))});
}

// Prints one line per fault.
absl::Status PrintFaults(const std::vector<std::string>& faults) {
  for (const std::string& fault : faults) {
    std::fprintf(stderr, "eventhub: %s\n", Printable(fault).c_str());
  }
  return SilentFailure();
}

// Prints the faults that the hub found: its message has one line per fault.
absl::Status PrintRefusal(const TopologyReader& reader, const absl::Status& status) {
  std::vector<std::string> faults = absl::StrSplit(status.message(), '\n', absl::SkipEmpty());
  for (std::string& fault : faults) fault = LocateFault(reader, fault);
  return faults.size() == 1 ? WithMessage(status, faults.front()) : PrintFaults(faults);
}

// One run of `apply`.
class ApplyRun {
 public:
  ApplyRun(const Context& context, const ApplyFlags& flags, const TopologyReader& reader)
      : flags_(flags),
        reader_(reader),
        client_(ConnectTopology(context)),
        subscriptions_(ConnectSubscriptions(context)),
        risks_(client::Topology(reader.topology())) {}

  absl::Status Run() {
    if (flags_.options.dry_run) return DryRun();
    uint64_t changes = 0;
    if (!flags_.yes || flags_.options.prune || ProgressLine::IsShown()) {
      ASSIGN_OR_RETURN(const client::ApplyResult plan, Plan());
      if (!flags_.yes) RETURN_IF_ERROR(ConfirmChanges(plan));
      changes = plan.changes.size();
    }
    ASSIGN_OR_RETURN(const client::ApplyResult result, Change(changes));
    return Report(result);
  }

 private:
  absl::Status DryRun() {
    ASSIGN_OR_RETURN(const client::ApplyResult plan, Plan());
    return Report(plan);
  }

  // Returns the changes that would be made, and finds their risks.
  absl::StatusOr<client::ApplyResult> Plan() {
    auto plan = WithProgress("comparing", [this] { return RemainingChanges(); });
    if (!plan.ok()) return PrintRefusal(reader_, plan.status());
    RETURN_IF_ERROR(risks_.FindDeadLetters(subscriptions_, *plan));
    return plan;
  }

  absl::StatusOr<client::ApplyResult> RemainingChanges() {
    return client_.Apply(client::Topology(reader_.topology()),
                         {.dry_run = true, .prune = flags_.options.prune});
  }

  // Asks for confirmation if a change cannot be undone.
  absl::Status ConfirmChanges(const client::ApplyResult& plan) const {
    const auto risky = std::find_if(
        plan.changes.begin(), plan.changes.end(), [this](const client::TopologyChange& change) {
          return change.action == client::TopologyChange::Action::kDelete ||
                 !risks_.Of(change).empty();
        });
    if (risky == plan.changes.end()) return absl::OkStatus();
    RETURN_IF_ERROR(NeedTerminal(
        absl::StrCat("apply, which changes '", risky->name, "' for good (see --dry-run)")));
    std::fputs(RenderApply(plan, risks_, kPlanned).c_str(), stderr);
    return Confirm("Make these changes?", "nothing was changed");
  }

  // `changes` is the number of changes; 0 means unknown.
  absl::StatusOr<client::ApplyResult> Change(uint64_t changes) {
    auto result = [&] {
      const CallProgress progress("applying", changes, [&]() -> absl::StatusOr<uint64_t> {
        ASSIGN_OR_RETURN(const client::ApplyResult left, RemainingChanges());
        return changes - std::min<uint64_t>(left.changes.size(), changes);
      });
      return client_.Apply(client::Topology(reader_.topology()), flags_.options);
    }();
    if (!result.ok()) return PrintRefusal(reader_, result.status());
    return result;
  }

  absl::Status Report(const client::ApplyResult& result) const {
    const bool dry_run = flags_.options.dry_run;
    RETURN_IF_ERROR(WriteOut(flags_.json
                                 ? ApplyJson(result, risks_, dry_run).dump() + "\n"
                                 : RenderApply(result, risks_, dry_run ? kDryRun : kApplied)));
    if (!result.status.ok()) {
      return WithKnownOutcome(WithMessage(
          result.status,
          absl::StrCat("not all changes were made, apply it again: ", result.status.message())));
    }
    return flags_.exit_code && !result.changes.empty() ? SilentFailure(kExitChanges)
                                                       : absl::OkStatus();
  }

  const ApplyFlags& flags_;
  const TopologyReader& reader_;
  client::TopologyClient client_;
  client::SubscriptionClient subscriptions_;
  PlanRisks risks_;
};

absl::Status Apply(const Context& context, const ApplyFlags& flags) {
  TopologyReader reader;
  for (const std::string& file : flags.files) {
    ASSIGN_OR_RETURN(const std::string text, ReadFile(file));
    reader.Read(FileName(file), text);
  }
  if (!reader.faults().empty()) return PrintFaults(reader.faults());
  // An empty topology may come from an export that failed at the other end of a pipe.
  if (flags.options.prune && reader.topology().ByteSizeLong() == 0) {
    return absl::InvalidArgumentError(
        "the topology to apply is empty: --prune would delete everything in the hub");
  }
  return ApplyRun(context, flags, reader).Run();
}

absl::Status Export(const Context& context) {
  ASSIGN_OR_RETURN(const client::Topology topology, WithProgress("exporting", [&context] {
                     return ConnectTopology(context).Export();
                   }));
  return WriteOut(WriteTopology(topology.proto()));
}

}  // namespace

void AddApplyCommand(CLI::App& app, Context& context) {
  CLI::App* command = AddVerb(app, "apply", "Make the hub match topology files", kApplyExamples);
  const auto flags = std::make_shared<ApplyFlags>();
  command
      ->add_option("-f,--file", flags->files,
                   "A topology in YAML; `-`: standard input; may be repeated")
      ->required()
      ->type_name("FILE")
      ->expected(1)
      ->allow_extra_args(false)
      ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll);
  command->add_flag("--dry-run", flags->options.dry_run, "Only print the changes");
  command->add_flag("--prune", flags->options.prune,
                    "Delete everything that no file names, including topics and their events");
  command->add_flag("--exit-code", flags->exit_code, "Exit with 3 if there are changes");
  command->add_flag("-y,--yes", flags->yes,
                    "Do not ask before a change that deletes events or moves keys");
  AddOutputOption(*command, &flags->json);
  SetRun(*command, context, [&context, flags] { return Apply(context, *flags); });
}

void AddExportCommand(CLI::App& app, Context& context) {
  CLI::App* command =
      AddVerb(app, "export", "Write the topology of the hub as YAML", kExportExamples);
  SetRun(*command, context, [&context] { return Export(context); });
}

}  // namespace eventhub::cli
