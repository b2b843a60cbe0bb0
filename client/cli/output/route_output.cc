#include "client/cli/output/route_output.h"

#include <algorithm>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "client/cli/input/filter_json.h"
#include "client/cli/input/json_values.h"
#include "client/cli/input/units.h"
#include "client/cli/output/table.h"
#include "client/cli/output/terminal.h"

namespace eventhub::cli {
namespace {

const char* OnUnavailableName(client::OnUnavailable action) {
  return action == client::OnUnavailable::kSkip ? "skip" : "fail";
}

const char* OutcomeName(client::RouteTrace::Outcome outcome) {
  switch (outcome) {
    case client::RouteTrace::Outcome::kCopied:
      return "copied";
    case client::RouteTrace::Outcome::kFiltered:
      return "filtered";
    case client::RouteTrace::Outcome::kDisabled:
      return "disabled";
    case client::RouteTrace::Outcome::kSkipped:
      return "skipped";
    case client::RouteTrace::Outcome::kRefused:
      return "refused";
    case client::RouteTrace::Outcome::kUnknown:
      break;
  }
  return "unknown";
}

Json KeyJson(const client::RouteKey& key) {
  switch (key.kind) {
    case client::RouteKey::Kind::kFromAttribute:
      return {{"from_attribute", key.value}};
    case client::RouteKey::Kind::kConstant:
      return {{"constant", key.value}};
    case client::RouteKey::Kind::kNone:
      return {{"none", true}};
    case client::RouteKey::Kind::kKeep:
      break;
  }
  return nullptr;
}

std::string KeyText(const client::RouteKey& key) {
  switch (key.kind) {
    case client::RouteKey::Kind::kFromAttribute:
      return absl::StrCat("the attribute ", Printable(key.value));
    case client::RouteKey::Kind::kConstant:
      return absl::StrCat("'", Printable(key.value), "' for all");
    case client::RouteKey::Kind::kNone:
      return "none";
    case client::RouteKey::Kind::kKeep:
      break;
  }
  return "that of the event";
}

}  // namespace

Json RouteJson(const client::Route& route) {
  Json attributes = Json::object();
  for (const auto& [name, value] : route.set_attributes) attributes[name] = AttributeJson(value);
  return {{"name", route.name},
          {"source_topic", route.source_topic},
          {"filter", FilterValueJson(route.filter)},
          {"target_topics", route.target_topics},
          {"partition_key", KeyJson(route.partition_key)},
          {"set_attributes", attributes},
          {"disabled", route.disabled},
          {"on_unavailable", OnUnavailableName(route.on_unavailable)},
          {"description", route.description},
          {"create_time", FormatMoment(route.create_time)},
          {"update_time", FormatMoment(route.update_time)}};
}

Json RouteStatsJson(const client::RouteStats& stats) {
  return {{"matched_events", stats.matched_events},
          {"copied_events", stats.copied_events},
          {"copied_bytes", stats.copied_bytes},
          {"skipped_events", stats.skipped_events},
          {"failed_requests", stats.failed_requests},
          {"too_costly_events", stats.too_costly_events},
          {"last_failure", NameJson(stats.last_failure)},
          {"last_failure_time", TimeJson(stats.last_failure_time)}};
}

Json RouteTestJson(const client::RouteTest& test) {
  Json traces = Json::array();
  for (const client::RouteTrace& trace : test.traces) {
    traces.push_back({{"route", trace.route},
                      {"source_topic", trace.source_topic},
                      {"target_topic", NameJson(trace.target_topic)},
                      {"outcome", OutcomeName(trace.outcome)},
                      {"reason", trace.reason},
                      {"depth", trace.depth},
                      {"partition_key", NameJson(trace.partition_key)}});
  }
  return {{"topics", test.topics}, {"refusal", NameJson(test.refusal)}, {"traces", traces}};
}

Fields RouteFields(const client::Route& route) {
  Fields fields = {{"name", route.name},
                   {"from", route.source_topic},
                   {"to", absl::StrJoin(route.target_topics, ", ")},
                   {"filter", route.filter ? Printable(FilterText(route.filter->proto())) : "none"},
                   {"key", KeyText(route.partition_key)}};
  for (const auto& [name, value] : route.set_attributes) {
    fields.emplace_back("sets", Printable(absl::StrCat(name, "=", AttributeJson(value).dump())));
  }
  fields.emplace_back("state", route.disabled ? "paused" : "active");
  fields.emplace_back("unavailable", route.on_unavailable == client::OnUnavailable::kSkip
                                         ? "skip: a copy that its target cannot take is left out"
                                         : "fail: an event is everywhere it belongs, or nowhere");
  fields.emplace_back("description", Printable(route.description));
  fields.emplace_back("created", FormatSecond(route.create_time));
  fields.emplace_back("changed", FormatSecond(route.update_time));
  return fields;
}

void AppendRouteStatsFields(const client::RouteStats& stats, Fields* fields) {
  fields->emplace_back(
      "matched", absl::StrCat(CountOf(stats.matched_events, "event"), " since the hub started"));
  fields->emplace_back("copied", absl::StrCat(FormatCount(stats.copied_events), " (",
                                              FormatBytes(stats.copied_bytes), "), ",
                                              FormatCount(stats.skipped_events), " left out"));
  fields->emplace_back("failed",
                       absl::StrCat(FormatCount(stats.failed_requests), " requests refused"));
  if (stats.too_costly_events > 0) {
    fields->emplace_back("given up", absl::StrCat("the filter would have examined too much of ",
                                                  CountOf(stats.too_costly_events, "event"),
                                                  ", which were not copied"));
  }
  if (stats.last_failure.empty()) return;
  const std::string when =
      stats.last_failure_time ? absl::StrCat(" at ", FormatSecond(*stats.last_failure_time)) : "";
  fields->emplace_back("last failure", absl::StrCat(Printable(stats.last_failure), when));
}

std::string RenderOffsets(const std::vector<client::PartitionOffset>& offsets) {
  constexpr size_t kShown = 8;
  std::string text;
  for (size_t i = 0; i < std::min(offsets.size(), kShown); ++i) {
    absl::StrAppend(&text, i == 0 ? "" : ", ", offsets[i].partition, ":", offsets[i].offset);
  }
  return absl::StrCat(text, offsets.size() > kShown ? ", …" : "");
}

std::string RenderRoutes(const std::vector<client::RouteDescription>& routes) {
  Table table({"NAME", "FROM", "TO", "STATE", ">MATCHED", ">COPIED", ">SIZE", ">LEFT OUT",
               ">REFUSED", "DESCRIPTION"});
  for (const auto& [route, stats, effective] : routes) {
    table.AddRow({route.name, route.source_topic, absl::StrJoin(route.target_topics, ","),
                  route.disabled ? "paused" : "active", FormatCount(stats.matched_events),
                  FormatCount(stats.copied_events), FormatBytes(stats.copied_bytes),
                  FormatCount(stats.skipped_events), FormatCount(stats.failed_requests),
                  Printable(route.description)});
  }
  return table.Render();
}

std::string RenderRouteTest(const std::string& topic, const client::RouteTest& test) {
  std::string out;
  if (test.traces.empty()) {
    absl::StrAppend(&out, "no route leads from ", topic, "\n");
  } else {
    Table table({"ROUTE", "FROM", "OUTCOME", "TO", "KEY", "WHY"});
    for (const client::RouteTrace& trace : test.traces) {
      table.AddRow({absl::StrCat(std::string(2 * size_t{trace.depth}, ' '), trace.route),
                    trace.source_topic, OutcomeName(trace.outcome), trace.target_topic,
                    Printable(trace.partition_key), Printable(trace.reason)});
    }
    absl::StrAppend(&out, table.Render());
  }
  if (!test.refusal.empty()) {
    return absl::StrCat(out, "it would be refused: ", Printable(test.refusal), "\n");
  }
  if (test.topics.empty()) return absl::StrCat(out, "no topic would hold it\n");
  return absl::StrCat(out, "it would be in: ", absl::StrJoin(test.topics, ", "), "\n");
}

}  // namespace eventhub::cli
