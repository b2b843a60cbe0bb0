#include "client/cli/output/fault_output.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "client/cli/input/json_values.h"
#include "client/cli/input/units.h"
#include "client/cli/output/subscription_output.h"
#include "client/cli/output/table.h"
#include "client/cli/output/terminal.h"
#include "proto/json/event_json.h"

namespace eventhub::cli {
namespace {

Json DetailJson(const client::FaultDetail& detail) {
  return {{"processor", detail.processor}, {"pipeline", detail.pipeline},
          {"step", detail.step},           {"error", detail.error},
          {"message", detail.message},     {"causes", detail.causes},
          {"attempts", detail.attempts},   {"host", detail.host},
          {"time", TimeJson(detail.time)}, {"trace_id", detail.trace_id},
          {"group", detail.group}};
}

// The maximum length in a table; JSON has the whole text.
constexpr size_t kMessageBytes = 100;

std::string OrDash(const std::string& text) { return text.empty() ? "-" : Printable(text); }

}  // namespace

absl::string_view StateName(client::DeadLetterState state) {
  switch (state) {
    case client::DeadLetterState::kOpen:
      return "open";
    case client::DeadLetterState::kFailedAgain:
      return "failed-again";
    case client::DeadLetterState::kResubmitted:
      return "resubmitted";
    case client::DeadLetterState::kResolved:
      return "resolved";
    case client::DeadLetterState::kDiscarded:
      return "discarded";
    case client::DeadLetterState::kUnknown:
      break;
  }
  return "unknown";
}

Json FaultJson(const client::DeadLetter& fault, bool with_event) {
  Json json = {{"fault", fault.fault_id},
               {"state", StateName(fault.state)},
               {"failures", fault.failures},
               {"subscription", fault.subscription},
               {"first_time", FormatMoment(fault.first_time)},
               {"close_time", TimeJson(fault.close_time)},
               {"detail", fault.fault ? DetailJson(*fault.fault) : Json()}};
  json.update(DeadLetterJson(fault));
  if (with_event && !fault.event_trimmed) {
    std::string event;
    json::AppendEvent(fault.event, {}, &event);
    json["event"] = Json::parse(event);
  }
  return json;
}

Json FaultGroupJson(const client::DeadLetterGroup& group) {
  return {{"subscription", group.subscription},
          {"processor", group.processor},
          {"pipeline", group.pipeline},
          {"step", group.step},
          {"error", group.error},
          {"faults", group.events},
          {"failed_again", group.failed_again},
          {"first_time", FormatMoment(group.first_time)},
          {"last_time", FormatMoment(group.last_time)},
          {"message", group.message}};
}

std::string RenderFaults(const std::vector<client::DeadLetter>& faults) {
  Table table({"FAULT", "STATE", ">FAILURES", "SUBSCRIPTION", "PIPELINE", "STEP", "ERROR", "TIME",
               "EVENT", "MESSAGE"});
  for (const client::DeadLetter& fault : faults) {
    const client::FaultDetail detail = fault.fault.value_or(client::FaultDetail());
    table.AddRow(
        {OrDash(fault.fault_id), std::string(StateName(fault.state)), FormatCount(fault.failures),
         fault.subscription, OrDash(detail.pipeline), OrDash(detail.step), OrDash(detail.error),
         FormatSecond(fault.time),
         fault.event_trimmed ? "(event trimmed)" : Printable(fault.event.id()),
         PrintableStart(detail.message.empty() ? fault.reason : detail.message, kMessageBytes)});
  }
  return table.Render();
}

std::string RenderFaultGroups(const std::vector<client::DeadLetterGroup>& groups) {
  Table table({">FAULTS", ">AGAIN", "ERROR", "STEP", "PIPELINE", "SUBSCRIPTION", "FIRST", "LAST",
               "MESSAGE"});
  for (const client::DeadLetterGroup& group : groups) {
    table.AddRow({FormatCount(group.events), FormatCount(group.failed_again), OrDash(group.error),
                  OrDash(group.step), OrDash(group.pipeline), group.subscription,
                  FormatSecond(group.first_time), FormatSecond(group.last_time),
                  PrintableStart(group.message, kMessageBytes)});
  }
  return table.Render();
}

}  // namespace eventhub::cli
