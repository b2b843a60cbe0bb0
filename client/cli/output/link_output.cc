#include "client/cli/output/link_output.h"

#include "absl/strings/str_cat.h"
#include "client/cli/frame/hub_address.h"
#include "client/cli/input/filter_json.h"
#include "client/cli/input/json_values.h"
#include "client/cli/input/units.h"
#include "client/cli/output/route_output.h"
#include "client/cli/output/table.h"
#include "client/cli/output/terminal.h"

namespace eventhub::cli {
namespace {

const char* StateName(client::LinkStatus::State state) {
  switch (state) {
    case client::LinkStatus::State::kDisabled:
      return "disabled";
    case client::LinkStatus::State::kConnecting:
      return "connecting";
    case client::LinkStatus::State::kCatchingUp:
      return "catching up";
    case client::LinkStatus::State::kCaughtUp:
      return "caught up";
    case client::LinkStatus::State::kBlocked:
      return "blocked";
    case client::LinkStatus::State::kUnknown:
      break;
  }
  return "unknown";
}

// The state in tables and reports. JSON has the name in the contract.
const char* StateText(client::LinkStatus::State state) {
  return state == client::LinkStatus::State::kDisabled ? "paused" : StateName(state);
}

std::string StateInWords(const client::LinkStatus& status) {
  switch (status.state) {
    case client::LinkStatus::State::kDisabled:
      return "it reads nothing until it is resumed";
    case client::LinkStatus::State::kConnecting:
      return "it is trying to reach the other hub and its topic";
    case client::LinkStatus::State::kCatchingUp:
      return "it appends events, and there are more";
    case client::LinkStatus::State::kCaughtUp:
      return "it has appended all events";
    case client::LinkStatus::State::kBlocked:
      return "the local topic refuses its events; it retries";
    case client::LinkStatus::State::kUnknown:
      break;
  }
  return "this command line does not know the state";
}

// The error in tables and reports. JSON has the hub's message.
std::string ErrorText(const client::LinkStatus& status) {
  return Printable(ExplainConnectionError(status.error));
}

std::string StartText(const client::StartPosition& start) {
  switch (start.kind) {
    case client::StartPosition::Kind::kLatest:
      return "latest";
    case client::StartPosition::Kind::kOffset:
      return absl::StrCat("offset ", start.offset);
    case client::StartPosition::Kind::kTimestamp:
      return FormatMoment(start.timestamp);
    case client::StartPosition::Kind::kRetained:
      return "retained";
    case client::StartPosition::Kind::kEarliest:
      break;
  }
  return "earliest";
}

Json StartJson(const client::StartPosition& start) {
  if (start.kind == client::StartPosition::Kind::kOffset) return start.offset;
  return StartText(start);
}

// In other states the lag is that of the last answer of the remote hub, if there was one.
bool IsLagKnown(const client::LinkStatus& status) {
  return status.state == client::LinkStatus::State::kCatchingUp ||
         status.state == client::LinkStatus::State::kCaughtUp ||
         status.state == client::LinkStatus::State::kBlocked;
}

std::string LagText(const client::LinkStatus& status) {
  std::string text = CountOf(status.lag_events, "event");
  if (!IsLagKnown(status)) {
    return status.lag_events > 0 ? absl::StrCat("unknown; it was ", text, " when last asked for")
                                 : "unknown";
  }
  if (status.lag_time) {
    absl::StrAppend(&text, ", the last one appended is ", FormatRoughAge(*status.lag_time),
                    " late");
  }
  return text;
}

}  // namespace

Json LinkJson(const client::Link& link) {
  return {{"name", link.name},
          {"remote_address", link.remote_address},
          {"remote_topic", link.remote_topic},
          {"local_topic", link.local_topic},
          {"filter", FilterValueJson(link.filter)},
          {"start", StartJson(link.start)},
          {"disabled", link.disabled},
          {"tls", link.tls},
          {"description", link.description},
          {"create_time", FormatMoment(link.create_time)}};
}

Json LinkStatusJson(const client::LinkStatus& status) {
  return {{"state", StateName(status.state)},
          {"error", NameJson(status.error)},
          {"state_time", FormatMoment(status.state_time)},
          {"remote_hub_id", NameJson(status.remote_hub_id)},
          {"lag_events", IsLagKnown(status) ? Json(status.lag_events) : Json(nullptr)},
          {"lag_seconds", status.lag_time ? SecondsJson(*status.lag_time) : Json(nullptr)},
          {"appended_events", status.appended_events},
          {"appended_bytes", status.appended_bytes},
          {"looped_events", status.looped_events},
          {"lost_events", status.lost_events},
          {"refused_events", status.refused_events},
          {"failures", status.failures},
          {"positions", OffsetsJson(status.positions)}};
}

Fields LinkFields(const client::Link& link) {
  return {{"name", link.name},
          {"from", absl::StrCat(link.remote_topic, " of ", link.remote_address)},
          {"to", link.local_topic},
          {"filter", link.filter ? Printable(FilterText(link.filter->proto())) : "none"},
          {"start", StartText(link.start)},
          {"paused", link.disabled ? "yes" : "no"},
          {"description", Printable(link.description)},
          {"created", FormatSecond(link.create_time)}};
}

std::string RenderLinks(const std::vector<client::LinkDescription>& links) {
  Table table({"NAME", "REMOTE", "REMOTE TOPIC", "TO", "STATE", ">LAG", ">APPENDED", ">LOST",
               ">REFUSED", "ERROR"});
  for (const auto& [link, status] : links) {
    table.AddRow({link.name, link.remote_address, link.remote_topic, link.local_topic,
                  StateText(status.state),
                  IsLagKnown(status) ? FormatCount(status.lag_events) : "-",
                  FormatCount(status.appended_events), FormatCount(status.lost_events),
                  FormatCount(status.refused_events), ErrorText(status)});
  }
  return table.Render();
}

std::string RenderLinkReport(const client::LinkDescription& description, absl::Time now) {
  const auto& [link, status] = description;
  std::string out =
      absl::StrCat(link.name, ": ", link.remote_topic, " of ", link.remote_address, " to ",
                   link.local_topic, "\n\n  * ", StateText(status.state), " for ",
                   FormatRoughAge(now - status.state_time), ": ", StateInWords(status), "\n");
  if (!status.error.empty()) absl::StrAppend(&out, "  * ", ErrorText(status), "\n");
  if (status.lost_events > 0) {
    absl::StrAppend(&out, "  * ", CountOf(status.lost_events, "event"),
                    status.lost_events == 1 ? " was" : " were",
                    " trimmed there before the link read them\n");
  }
  if (status.refused_events > 0) {
    absl::StrAppend(&out, "  * ", CountOf(status.refused_events, "event"),
                    status.refused_events == 1 ? " was" : " were",
                    " skipped: the local topic can never accept them\n");
  }
  Fields fields = {
      {"lag", LagText(status)},
      {"appended", absl::StrCat(FormatCount(status.appended_events), " (",
                                FormatBytes(status.appended_bytes), ") since the hub started")},
      {"looped", absl::StrCat(FormatCount(status.looped_events),
                              " skipped: they have already been in this hub")},
      {"failures", CountOf(status.failures, "connection")},
      {"remote hub", status.remote_hub_id.empty() ? "not reached yet" : status.remote_hub_id},
      {"next", RenderOffsets(status.positions)}};
  const Fields settings = LinkFields(link);
  fields.insert(fields.end(), settings.begin() + 3, settings.end());
  return absl::StrCat(out, "\n", RenderFields(fields));
}

}  // namespace eventhub::cli
