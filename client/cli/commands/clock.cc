// `eventhub clock`: shows whether the hub trusts the clock of its machine, and confirms the clock.
#include <memory>
#include <string>

#include "absl/strings/str_cat.h"
#include "client/cli/frame/command.h"
#include "client/cli/input/json.h"
#include "client/cli/input/units.h"
#include "storage/base/status_macros.h"

namespace eventhub::cli {
namespace {

constexpr char kClockExamples[] = R"(
The hub does not follow a jump of its machine's clock immediately: with a wrong clock it would
delete events and subscriptions by age, release delayed events, and write wrong times into the log.
It follows a jump that persists for 10 minutes (up to a day) or 24 hours; meanwhile nothing is
deleted by age, and `eventhub stats` says so.

Events appended with a wrong time keep it, and later events of the partition get no earlier time:
`eventhub topics describe TOPIC --partitions` marks them. They cannot be changed; copy them to a
new topic: eventhub read OLD -o json | eventhub publish NEW --input=json

Examples:
  eventhub clock show
  eventhub clock confirm                 the machine's clock is right, use it now
  eventhub clock confirm --yes)";

constexpr char kShowClockExamples[] = R"(
Examples:
  eventhub clock show
  eventhub clock show --output=json | jq -r .doubt)";

constexpr char kConfirmClockExamples[] = R"(
Confirms the current time of the hub's machine: retention, expiry and delayed events use it
immediately. Check the machine's clock first. Asks if the hub doubts it.

Examples:
  eventhub clock confirm
  eventhub clock confirm --yes           do not ask, as in a script)";

struct ClockFlags {
  bool yes = false;
  bool json = false;
};

absl::Status Show(const Context& context, const ClockFlags& flags) {
  ASSIGN_OR_RETURN(const client::HubStats stats, ConnectAdmin(context).GetStats());
  const std::string& doubt = stats.clock_doubt;
  if (flags.json) {
    return WriteOut(
        Json{{"trusted", doubt.empty()}, {"doubt", doubt.empty() ? Json(nullptr) : Json(doubt)}}
            .dump() +
        "\n");
  }
  return WriteOut(doubt.empty() ? "trusted\n" : absl::StrCat("doubted: ", doubt, "\n"));
}

absl::Status ConfirmDoubtedClock(client::AdminClient& admin) {
  ASSIGN_OR_RETURN(const client::HubStats stats, admin.GetStats());
  if (stats.clock_doubt.empty()) return absl::OkStatus();
  RETURN_IF_ERROR(NeedTerminal("clock confirm"));
  return Confirm(absl::StrCat(stats.clock_doubt,
                              "\nIs the clock of the hub's machine right? Events and subscriptions "
                              "are deleted by it."),
                 "the clock is still doubted");
}

absl::Status ConfirmClock(const Context& context, const ClockFlags& flags) {
  client::AdminClient admin = ConnectAdmin(context);
  if (!flags.yes) RETURN_IF_ERROR(ConfirmDoubtedClock(admin));
  ASSIGN_OR_RETURN(const absl::Time time, admin.ConfirmClock());
  if (flags.json) return WriteOut(Json{{"time", FormatMoment(time)}}.dump() + "\n");
  return WriteOut(absl::StrCat("the hub now uses ", FormatSecond(time), "\n"));
}

}  // namespace

void AddClockCommand(CLI::App& app, Context& context) {
  CLI::App* group = AddGroup(app, "clock", "Show or confirm the clock of the hub", kClockExamples);
  const auto flags = std::make_shared<ClockFlags>();

  CLI::App* show =
      AddVerb(*group, "show", "Show whether the hub trusts its clock", kShowClockExamples);
  AddOutputOption(*show, &flags->json);
  SetRun(*show, context, [&context, flags] { return Show(context, *flags); });

  CLI::App* confirm =
      AddVerb(*group, "confirm", "Confirm that the clock is right", kConfirmClockExamples);
  confirm->add_flag("-y,--yes", flags->yes, "Do not ask");
  AddOutputOption(*confirm, &flags->json);
  SetRun(*confirm, context, [&context, flags] { return ConfirmClock(context, *flags); });
}

}  // namespace eventhub::cli
