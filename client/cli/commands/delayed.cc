// `eventhub delayed`: lists and cancels delayed events.
#include <cstdint>
#include <cstdio>
#include <limits>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "client/cli/frame/command.h"
#include "client/cli/input/json_values.h"
#include "client/cli/input/units.h"
#include "client/cli/output/table.h"
#include "client/cli/output/terminal.h"
#include "eventhub/delayed_event_client.h"
#include "proto/json/event_json.h"
#include "storage/base/clock.h"
#include "storage/base/status_macros.h"

namespace eventhub::cli {
namespace {

constexpr char kDelayedExamples[] = R"(
An event that was published with --deliver-after or --deliver-at is kept aside, invisible, and is
appended to its topic when it is due.

Examples:
  echo 'pay by tonight' | eventhub publish reminders --deliver-after=8h
  eventhub delayed list reminders
  eventhub delayed cancel reminders 6614f0ff8160f-10000000001)";

constexpr char kListDelayedExamples[] = R"(
In the order in which they are due. A duration is counted from now.

Examples:
  eventhub delayed list reminders
  eventhub delayed list reminders --due-before=1h
  eventhub delayed list reminders --due-from=2026-12-24 --due-before=2026-12-27 --output=json
  eventhub delayed list reminders -o json | jq -r 'select(.event.type == "test") | .delay_id')";

constexpr char kCancelDelayedExamples[] = R"(
Cancelled events are never appended. Prints how many were cancelled; the others were appended or
cancelled before. It is an error if none was cancelled.

Examples:
  eventhub delayed cancel reminders 6614f0ff8160f-10000000001
  eventhub delayed list reminders -o json | jq -r .delay_id | xargs eventhub delayed cancel reminders)";

// The default number of events to list.
constexpr uint64_t kListedDelayed = 100;

struct DelayedCommand {
  std::string topic;
  std::vector<std::string> ids;
  client::DueRange range;
  std::optional<uint64_t> limit;
  bool json = false;
};

client::DelayedEventClient ConnectDelayed(const Context& context) {
  return client::DelayedEventClient(ConnectToHub(context), AdminOptionsOf(context));
}

std::string DelayedJson(const client::DelayedEvent& delayed) {
  std::string event;
  json::AppendEvent(delayed.event, {}, &event);
  Json json = {{"delay_id", delayed.delay_id},
               {"due_time", FormatMoment(delayed.due_time)},
               {"accept_time", FormatMoment(delayed.accept_time)},
               {"partition", delayed.partition ? Json(*delayed.partition) : Json(nullptr)}};
  if (!delayed.refusal.empty()) json["refusal"] = delayed.refusal;
  std::string line = json.dump();
  line.pop_back();
  return absl::StrCat(line, ",\"event\":", event, "}\n");
}

absl::Status ListDelayed(const Context& context, const DelayedCommand& flags) {
  const uint64_t limit =
      flags.limit.value_or(flags.json ? std::numeric_limits<uint64_t>::max() : kListedDelayed);
  Table table({"DELAY ID", "DUE", "IN", "TYPE", "KEY", "ID"});
  const absl::Time now = Clock::System().Now();
  absl::Status written;
  uint64_t count = 0;
  std::string refusal;
  bool more = false;
  RETURN_IF_ERROR(ConnectDelayed(context).List(
      flags.topic, flags.range, [&](const client::DelayedEvent& delayed) {
        more = count == limit;
        if (more) return false;
        ++count;
        if (refusal.empty()) refusal = delayed.refusal;
        if (flags.json) {
          written = WriteOut(DelayedJson(delayed));
        } else {
          table.AddRow({delayed.delay_id, FormatSecond(delayed.due_time),
                        delayed.due_time > now    ? FormatRoughAge(delayed.due_time - now)
                        : delayed.refusal.empty() ? "due"
                                                  : "refused",
                        Printable(delayed.event.type()), Printable(delayed.event.partition_key()),
                        Printable(delayed.event.id())});
        }
        return written.ok();
      }));
  if (!flags.json) written.Update(WriteOut(table.Render()));
  if (!refusal.empty() && !flags.json) {
    std::fprintf(stderr, "eventhub: due events are not appended: %s\n", Printable(refusal).c_str());
  }
  if (more) std::fprintf(stderr, "eventhub: there are more; see --limit\n");
  return written;
}

absl::Status CancelDelayed(const Context& context, const DelayedCommand& flags) {
  ASSIGN_OR_RETURN(const uint64_t cancelled,
                   ConnectDelayed(context).Cancel(flags.topic, flags.ids));
  if (flags.json) {
    RETURN_IF_ERROR(
        WriteOut(Json{{"cancelled", cancelled}, {"asked", flags.ids.size()}}.dump() + "\n"));
  }
  if (cancelled == 0) {
    return absl::NotFoundError(
        absl::StrCat("nothing was cancelled: topic '", flags.topic, "' does not hold ",
                     flags.ids.size() == 1 ? "this delayed event" : "any of these delayed events"));
  }
  if (flags.json) return absl::OkStatus();
  return WriteOut(absl::StrCat(FormatCount(cancelled), " of ", CountOf(flags.ids.size(), "event"),
                               " cancelled\n"));
}

}  // namespace

void AddDelayedCommand(CLI::App& app, Context& context) {
  CLI::App* group = AddGroup(app, "delayed", "List and cancel delayed events", kDelayedExamples);
  const auto flags = std::make_shared<DelayedCommand>();
  const auto add = [group, flags](const char* verb, const char* description, const char* examples) {
    CLI::App* command = AddVerb(*group, verb, description, examples);
    command->add_option("TOPIC", flags->topic, "The topic")->required();
    AddOutputOption(*command, &flags->json);
    return command;
  };
  const auto moment = [](absl::string_view text) {
    return ParseFutureMoment(text, Clock::System().Now());
  };
  CLI::App* list = add("list", "List delayed events by their due time", kListDelayedExamples);
  AddParsedOption(*list, "--due-from", &flags->range.from, moment, "Due at or after this time",
                  "TIME");
  AddParsedOption(*list, "--due-before", &flags->range.before, moment, "Due before this time",
                  "TIME");
  AddCountOption(*list, "-n,--limit", &flags->limit, 1, std::numeric_limits<uint64_t>::max(),
                 "At most this many (default for a table: 100)");
  SetRun(*list, context, [&context, flags] { return ListDelayed(context, *flags); });

  CLI::App* cancel = add("cancel", "Cancel delayed events", kCancelDelayedExamples);
  cancel->add_option("ID", flags->ids, "Their delay ids")->required();
  SetRun(*cancel, context, [&context, flags] { return CancelDelayed(context, *flags); });
}

}  // namespace eventhub::cli
