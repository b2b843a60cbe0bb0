#include "server/core/route/route_settings.h"

#include <string>

#include "absl/container/flat_hash_set.h"
#include "absl/strings/str_cat.h"
#include "eventhub/v1/event.pb.h"
#include "proto/wire/event_rules.h"
#include "server/core/base/errors.h"
#include "server/core/base/field_checks.h"
#include "server/core/base/timestamps.h"
#include "server/core/event/event_scanner.h"
#include "storage/base/status_macros.h"

namespace eventhub {
namespace {

constexpr int kMaxTargets = 64;
constexpr size_t kMaxSetAttributes = 32;

absl::Status CheckTargets(const v1::Route& route) {
  if (route.target_topics().empty()) return InvalidField("route.target_topics", "is required");
  if (route.target_topics_size() > kMaxTargets) {
    return InvalidField("route.target_topics", absl::StrCat("names more than ", kMaxTargets));
  }
  absl::flat_hash_set<absl::string_view> seen;
  for (const std::string& target : route.target_topics()) {
    RETURN_IF_ERROR(CheckName("route.target_topics", target));
    if (target == route.source_topic()) {
      return InvalidField("route.target_topics", absl::StrCat("includes the source, ", target));
    }
    if (!seen.insert(target).second) {
      return InvalidField("route.target_topics", absl::StrCat("names ", target, " twice"));
    }
  }
  return absl::OkStatus();
}

absl::Status CheckKey(const v1::Route& route) {
  if (!route.has_partition_key()) return absl::OkStatus();
  const v1::PartitionKeyOverride& key = route.partition_key();
  switch (key.key_case()) {
    case v1::PartitionKeyOverride::kFromAttribute:
      if (key.from_attribute().empty() ||
          key.from_attribute().size() > wire::kMaxAttributeNameBytes) {
        return InvalidField("route.partition_key.from_attribute",
                            absl::StrCat("must be 1 to ", wire::kMaxAttributeNameBytes, " bytes"));
      }
      if (key.from_attribute() == "data" || key.from_attribute() == "data_base64") {
        return InvalidField("route.partition_key.from_attribute",
                            "is data, which is not an attribute");
      }
      return absl::OkStatus();
    case v1::PartitionKeyOverride::kConstant:
      if (key.constant().empty() || key.constant().size() > wire::kMaxStringAttributeBytes) {
        return InvalidField(
            "route.partition_key.constant",
            absl::StrCat("must be 1 to ", wire::kMaxStringAttributeBytes, " bytes"));
      }
      return absl::OkStatus();
    case v1::PartitionKeyOverride::kNone:
      return absl::OkStatus();
    case v1::PartitionKeyOverride::KEY_NOT_SET:
      break;
  }
  return InvalidField("route.partition_key", "sets none of from_attribute, constant and none");
}

// Applies the rules for events, to an event with these attributes.
absl::Status CheckAttributes(const v1::Route& route, EventRules rules) {
  if (route.set_attributes().size() > kMaxSetAttributes) {
    return InvalidField("route.set_attributes", absl::StrCat("has more than ", kMaxSetAttributes));
  }
  for (const auto& [name, value] : route.set_attributes()) {
    v1::EventBatch batch;
    v1::Event& event = *batch.add_events();
    event.set_id("id");
    event.set_source("source");
    event.set_type("type");
    (*event.mutable_attributes())[name] = value;
    EventScan scan;
    const absl::Status status =
        ScanEvents(batch.SerializeAsString(), SIZE_MAX, false, &scan, rules);
    if (status.ok()) continue;
    const absl::string_view message = status.message();
    const size_t colon = message.find(": ");
    const absl::string_view problem =
        colon == absl::string_view::npos ? message : message.substr(colon + 2);
    return InvalidField("route.set_attributes", absl::StrCat("'", name, "' ", problem));
  }
  return absl::OkStatus();
}

}  // namespace

absl::Status CheckRouteSettings(const v1::Route& route, EventRules rules) {
  RETURN_IF_ERROR(CheckName("route.name", route.name()));
  RETURN_IF_ERROR(CheckName("route.source_topic", route.source_topic()));
  RETURN_IF_ERROR(CheckTargets(route));
  RETURN_IF_ERROR(CheckKey(route));
  RETURN_IF_ERROR(CheckAttributes(route, rules));
  if (route.on_unavailable() != v1::Route::ON_UNAVAILABLE_FAIL &&
      route.on_unavailable() != v1::Route::ON_UNAVAILABLE_SKIP) {
    return InvalidField("route.on_unavailable", "must be FAIL or SKIP");
  }
  return CheckDescription("route.description", route.description());
}

absl::StatusOr<v1::Route> NewRouteSettings(const v1::Route& asked, absl::Time now) {
  v1::Route route = asked;
  if (route.on_unavailable() == v1::Route::ON_UNAVAILABLE_UNSPECIFIED) {
    route.set_on_unavailable(v1::Route::ON_UNAVAILABLE_FAIL);
  }
  *route.mutable_create_time() = TimestampOf(now);
  *route.mutable_update_time() = route.create_time();
  DropUnknownFields(route);
  RETURN_IF_ERROR(CheckRouteSettings(route, EventRules::kPublished));
  return route;
}

absl::StatusOr<v1::Route> ChangedRouteSettings(const v1::Route& current, const v1::Route& asked,
                                               const google::protobuf::FieldMask& mask,
                                               absl::Time now) {
  if (mask.paths().empty()) return InvalidField("update_mask", "is required");
  v1::Route route = current;
  EventRules rules = EventRules::kStored;
  for (const std::string& path : mask.paths()) {
    if (path == "filter") {
      route.clear_filter();
      if (asked.has_filter()) *route.mutable_filter() = asked.filter();
    } else if (path == "target_topics") {
      *route.mutable_target_topics() = asked.target_topics();
    } else if (path == "partition_key") {
      route.clear_partition_key();
      if (asked.has_partition_key()) *route.mutable_partition_key() = asked.partition_key();
    } else if (path == "set_attributes") {
      *route.mutable_set_attributes() = asked.set_attributes();
      rules = EventRules::kPublished;
    } else if (path == "disabled") {
      route.set_disabled(asked.disabled());
    } else if (path == "on_unavailable") {
      route.set_on_unavailable(asked.on_unavailable() == v1::Route::ON_UNAVAILABLE_UNSPECIFIED
                                   ? v1::Route::ON_UNAVAILABLE_FAIL
                                   : asked.on_unavailable());
    } else if (path == "description") {
      route.set_description(asked.description());
    } else {
      return InvalidField("update_mask", absl::StrCat("names ", path, ", which cannot be changed"));
    }
  }
  *route.mutable_update_time() = TimestampOf(now);
  DropUnknownFields(route);
  RETURN_IF_ERROR(CheckRouteSettings(route, rules));
  return route;
}

bool SkipsUnavailable(const v1::Route& route) {
  return route.on_unavailable() == v1::Route::ON_UNAVAILABLE_SKIP;
}

}  // namespace eventhub
