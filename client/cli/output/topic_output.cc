#include "client/cli/output/topic_output.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "client/cli/frame/command.h"
#include "client/cli/input/json_values.h"
#include "client/cli/input/units.h"
#include "client/cli/output/table.h"
#include "client/cli/output/terminal.h"

namespace eventhub::cli {
namespace {

std::string MaxAge(const client::Topic& topic) {
  if (topic.keep_nothing) return "keeps nothing";
  if (topic.latest_per_key) return "latest per key";
  return topic.max_age == absl::InfiniteDuration() ? "unlimited" : FormatAge(topic.max_age);
}

std::string MaxBytes(const client::Topic& topic) {
  if (topic.keep_nothing) return "-";
  return topic.max_bytes == 0 ? "unlimited" : FormatBytes(topic.max_bytes);
}

std::string KeepUntilAcked(const client::Topic& topic) {
  if (!topic.keep_until_acked) return "no";
  if (topic.keep_until_acked_max_bytes == 0) return "yes";
  return absl::StrCat("at most ", FormatBytes(topic.keep_until_acked_max_bytes));
}

std::string LatestPerKey(const client::Topic& topic) {
  if (!topic.latest_per_key) return "no";
  const client::LatestPerKey& latest = *topic.latest_per_key;
  return absl::StrCat("superseded events kept for ", FormatAge(latest.min_age),
                      ", delete markers for ",
                      FormatAge(latest.delete_marker_age.value_or(absl::ZeroDuration())));
}

const char* WhenFull(const client::Topic& topic) {
  if (topic.keep_nothing) return "-";
  return topic.refuse_when_full ? "refuses events" : "drops the oldest";
}

std::string CountAndBytes(uint64_t events, uint64_t bytes) {
  return absl::StrCat(FormatCount(events), " (", FormatBytes(bytes), ")");
}

}  // namespace

Json TopicJson(const client::Topic& topic) {
  Json json = {{"name", topic.name}, {"partitions", topic.partitions}};
  const bool ages = topic.max_age != absl::InfiniteDuration();
  json["max_age_seconds"] = ages ? Json(absl::ToDoubleSeconds(topic.max_age)) : Json(nullptr);
  json["max_bytes"] = topic.max_bytes != 0 ? Json(topic.max_bytes) : Json(nullptr);
  json["keep_until_acked"] = topic.keep_until_acked;
  json["keep_until_acked_max_bytes"] = topic.keep_until_acked_max_bytes != 0
                                           ? Json(topic.keep_until_acked_max_bytes)
                                           : Json(nullptr);
  json["keep_nothing"] = topic.keep_nothing;
  json["refuse_when_full"] = topic.refuse_when_full;
  json["latest_per_key"] =
      topic.latest_per_key ? Json{{"min_age_seconds", SecondsJson(topic.latest_per_key->min_age)},
                                  {"delete_marker_age_seconds",
                                   SecondsJson(topic.latest_per_key->delete_marker_age.value_or(
                                       absl::ZeroDuration()))}}
                           : Json(nullptr);
  json["deduplication_window_seconds"] = topic.deduplication_window == absl::ZeroDuration()
                                             ? Json(nullptr)
                                             : SecondsJson(topic.deduplication_window);
  json["default_durability"] = std::string(DurabilityName(topic.default_durability));
  json["max_event_bytes"] = topic.max_event_bytes;
  json["archive"] = topic.archive;
  json["erasable"] = topic.erasable;
  json["description"] = topic.description;
  json["create_time"] = FormatMoment(topic.create_time);
  return json;
}

Json StatsJson(const client::TopicStats& stats) {
  return {{"events", stats.events},
          {"bytes", stats.bytes},
          {"published_events", stats.published_events},
          {"published_bytes", stats.published_bytes},
          {"delivered_events", stats.delivered_events},
          {"delivered_bytes", stats.delivered_bytes},
          {"refused_requests", stats.refused_requests},
          {"readers", stats.readers},
          {"routed_events", stats.routed_events},
          {"duplicate_events", stats.duplicate_events},
          {"delayed_events", stats.delayed_events},
          {"unrouted_events", stats.unrouted_events},
          {"held_back_bytes", stats.held_back_bytes},
          {"removed_events", stats.removed_events}};
}

Json PartitionsJson(const std::vector<client::PartitionInfo>& partitions) {
  Json list = Json::array();
  for (const client::PartitionInfo& partition : partitions) {
    Json json = {{"partition", partition.partition},
                 {"start_offset", partition.start_offset},
                 {"end_offset", partition.end_offset},
                 {"bytes", partition.bytes},
                 {"removed_events", partition.removed_events}};
    json["archived_offset"] =
        partition.archived_offset ? Json(*partition.archived_offset) : Json(nullptr);
    json["history_start_offset"] =
        partition.history_start_offset ? Json(*partition.history_start_offset) : Json(nullptr);
    json["last_append_time"] = partition.last_append_time.has_value()
                                   ? Json(FormatMoment(*partition.last_append_time))
                                   : Json(nullptr);
    list.push_back(std::move(json));
  }
  return list;
}

Fields TopicFields(const client::Topic& topic) {
  return {{"name", topic.name},
          {"partitions", FormatCount(topic.partitions)},
          {"max age", MaxAge(topic)},
          {"max bytes", MaxBytes(topic)},
          {"until acked", KeepUntilAcked(topic)},
          {"when full", WhenFull(topic)},
          {"latest per key", LatestPerKey(topic)},
          {"deduplicates", topic.deduplication_window == absl::ZeroDuration()
                               ? "no"
                               : absl::StrCat("within ", FormatAge(topic.deduplication_window))},
          {"durability", std::string(DurabilityName(topic.default_durability))},
          {"max event", FormatBytes(topic.max_event_bytes)},
          {"archive", topic.keep_nothing ? "-"
                      : topic.archive    ? "if the hub has a lake"
                                         : "off"},
          {"erasable", topic.erasable ? "events with a datasubject" : "no"},
          {"description", Printable(topic.description)},
          {"created", FormatSecond(topic.create_time)}};
}

void AppendStatsFields(const client::TopicStats& stats, Fields* fields) {
  fields->emplace_back("events kept", CountAndBytes(stats.events, stats.bytes));
  fields->emplace_back("published",
                       absl::StrCat(CountAndBytes(stats.published_events, stats.published_bytes),
                                    " since the hub started"));
  // Shown only if not zero: most topics have none.
  const auto rare = [fields](const char* name, uint64_t events, const char* what) {
    if (events > 0) fields->emplace_back(name, absl::StrCat(FormatCount(events), what));
  };
  rare("routed", stats.routed_events, " copied to it since the hub started");
  rare("duplicates", stats.duplicate_events, " not appended since the hub started");
  rare("removed", stats.removed_events, " that later ones superseded, or delete markers");
  rare("delayed", stats.delayed_events, " waiting for their due time");
  rare("unrouted", stats.unrouted_events, " that no route copied since the hub started");
  if (stats.held_back_bytes > 0) {
    fields->emplace_back("held back", absl::StrCat(FormatBytes(stats.held_back_bytes),
                                                   " beyond retention, for subscriptions"));
  }
  fields->emplace_back("delivered",
                       absl::StrCat(CountAndBytes(stats.delivered_events, stats.delivered_bytes),
                                    " since the hub started"));
  fields->emplace_back("refused", absl::StrCat(CountOf(stats.refused_requests, "request"),
                                               " since the hub started"));
  fields->emplace_back("readers", FormatCount(stats.readers));
}

Json ArchiveJson(const client::ArchiveStatus& archive) {
  return {{"enabled", archive.enabled},
          {"lag_events", archive.lag_events},
          {"lag_bytes", archive.lag_bytes},
          {"lag_seconds", archive.lag ? SecondsJson(*archive.lag) : Json(nullptr)},
          {"archived_events", archive.archived_events},
          {"objects", archive.objects},
          {"missing_events", archive.missing_events},
          {"last_error", archive.last_error},
          {"last_error_time",
           archive.last_error_time ? Json(FormatMoment(*archive.last_error_time)) : Json(nullptr)}};
}

void AppendArchiveFields(const client::ArchiveStatus& archive, Fields* fields) {
  fields->emplace_back("archived", absl::StrCat(CountOf(archive.archived_events, "event"), " in ",
                                                CountOf(archive.objects, "object"),
                                                archive.enabled ? "" : "; archiving is off"));
  if (archive.lag_events > 0) {
    std::string lag = CountAndBytes(archive.lag_events, archive.lag_bytes);
    if (archive.lag) {
      absl::StrAppend(&lag, ", for ", FormatAge(absl::Trunc(*archive.lag, absl::Seconds(1))));
    }
    fields->emplace_back("not archived", std::move(lag));
  }
  if (archive.missing_events > 0) {
    fields->emplace_back("never archived", absl::StrCat(CountOf(archive.missing_events, "event"),
                                                        ", deleted before the lake had them"));
  }
  if (archive.last_error.empty()) return;
  fields->emplace_back(
      "archive error",
      absl::StrCat(Printable(archive.last_error),
                   archive.last_error_time
                       ? absl::StrCat(" (", FormatSecond(*archive.last_error_time), ")")
                       : ""));
}

std::string RenderTopics(const std::vector<client::TopicDescription>& topics) {
  Table table({"NAME", ">PARTITIONS", ">EVENTS", ">SIZE", ">MAX AGE", ">MAX BYTES", "DURABILITY",
               ">MAX EVENT", "CREATED", "DESCRIPTION"});
  for (const auto& [topic, stats, findings, archive] : topics) {
    table.AddRow({topic.name, FormatCount(topic.partitions), FormatCount(stats.events),
                  FormatBytes(stats.bytes), MaxAge(topic), MaxBytes(topic),
                  std::string(DurabilityName(topic.default_durability)),
                  FormatBytes(topic.max_event_bytes), FormatSecond(topic.create_time),
                  Printable(topic.description)});
  }
  return table.Render();
}

std::string RenderPartitions(const std::vector<client::PartitionInfo>& partitions, absl::Time now) {
  // The clocks of two machines may differ a little.
  const auto ahead = [latest = now + absl::Minutes(1)](const client::PartitionInfo& partition) {
    return partition.last_append_time.value_or(absl::InfinitePast()) > latest;
  };
  // Where the lake has events, its start is shown as well.
  const bool history =
      std::any_of(partitions.begin(), partitions.end(), [](const client::PartitionInfo& partition) {
        return partition.history_start_offset.has_value();
      });
  std::vector<std::string> columns = {">PARTITION", ">START", ">END",
                                      ">EVENTS",    ">BYTES", "LAST APPENDED"};
  if (history) columns.insert(columns.begin() + 1, ">HISTORY FROM");
  Table table(std::move(columns));
  for (const client::PartitionInfo& partition : partitions) {
    std::vector<std::string> row = {FormatCount(partition.partition),
                                    FormatCount(partition.start_offset),
                                    FormatCount(partition.end_offset),
                                    FormatCount(partition.end_offset - partition.start_offset -
                                                static_cast<int64_t>(partition.removed_events)),
                                    FormatBytes(partition.bytes),
                                    absl::StrCat(partition.last_append_time.has_value()
                                                     ? FormatMomentWide(*partition.last_append_time)
                                                     : "-",
                                                 ahead(partition) ? " !" : "")};
    if (history) {
      const std::optional<int64_t>& from = partition.history_start_offset;
      row.insert(row.begin() + 1, from ? FormatCount(*from) : "-");
    }
    table.AddRow(std::move(row));
  }
  const uint64_t wrong =
      static_cast<uint64_t>(std::count_if(partitions.begin(), partitions.end(), ahead));
  if (wrong == 0) return table.Render();
  return absl::StrCat(table.Render(), "! ", CountOf(wrong, "partition"),
                      " with append times ahead of the clock here; see eventhub clock --help\n");
}

}  // namespace eventhub::cli
