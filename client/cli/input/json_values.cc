#include "client/cli/input/json_values.h"

#include "client/cli/input/filter_json.h"
#include "client/cli/input/units.h"
#include "proto/json/event_json.h"

namespace eventhub::cli {

Json SecondsJson(absl::Duration duration) {
  return duration == absl::InfiniteDuration() ? Json(nullptr)
                                              : Json(absl::ToDoubleSeconds(duration));
}

Json LimitJson(uint64_t limit) { return limit == 0 ? Json(nullptr) : Json(limit); }

Json TimeJson(const std::optional<absl::Time>& time) {
  return time.has_value() ? Json(FormatMoment(*time)) : Json(nullptr);
}

Json NameJson(const std::string& name) { return name.empty() ? Json(nullptr) : Json(name); }

Json AttributeJson(const v1::AttributeValue& value) {
  std::string text;
  json::AppendAttribute(value, &text);
  return Json::parse(text);
}

Json FilterValueJson(const std::optional<client::Filter>& filter) {
  return filter ? Json::parse(FilterJson(filter->proto())) : Json(nullptr);
}

Json OffsetsJson(const std::vector<client::PartitionOffset>& offsets) {
  Json list = Json::array();
  for (const client::PartitionOffset& offset : offsets) {
    list.push_back({{"partition", offset.partition}, {"offset", offset.offset}});
  }
  return list;
}

}  // namespace eventhub::cli
