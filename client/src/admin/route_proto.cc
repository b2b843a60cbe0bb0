#include "client/src/admin/route_proto.h"

#include "client/src/base/proto_time.h"

namespace eventhub::client {
namespace {

RouteKey KeyFromProto(const v1::PartitionKeyOverride& proto) {
  switch (proto.key_case()) {
    case v1::PartitionKeyOverride::kFromAttribute:
      return RouteKey::FromAttribute(proto.from_attribute());
    case v1::PartitionKeyOverride::kConstant:
      return RouteKey::Constant(proto.constant());
    case v1::PartitionKeyOverride::kNone:
      return RouteKey::None();
    case v1::PartitionKeyOverride::KEY_NOT_SET:
      break;
  }
  return RouteKey::Keep();
}

void SetKey(const RouteKey& key, v1::Route& proto) {
  switch (key.kind) {
    case RouteKey::Kind::kKeep:
      break;
    case RouteKey::Kind::kFromAttribute:
      proto.mutable_partition_key()->set_from_attribute(key.value);
      break;
    case RouteKey::Kind::kConstant:
      proto.mutable_partition_key()->set_constant(key.value);
      break;
    case RouteKey::Kind::kNone:
      proto.mutable_partition_key()->set_none(true);
      break;
  }
}

void SetTargets(const std::vector<std::string>& topics, v1::Route& proto) {
  for (const std::string& topic : topics) proto.add_target_topics(topic);
}

void SetAttributes(const AttributeValues& attributes, v1::Route& proto) {
  for (const auto& [name, value] : attributes) (*proto.mutable_set_attributes())[name] = value;
}

}  // namespace

Route FromProto(const v1::Route& proto) {
  Route route;
  route.name = proto.name();
  route.source_topic = proto.source_topic();
  if (proto.has_filter()) route.filter = Filter(proto.filter());
  route.target_topics.assign(proto.target_topics().begin(), proto.target_topics().end());
  route.partition_key = KeyFromProto(proto.partition_key());
  route.set_attributes.insert(proto.set_attributes().begin(), proto.set_attributes().end());
  route.disabled = proto.disabled();
  route.on_unavailable = static_cast<OnUnavailable>(proto.on_unavailable());
  route.description = proto.description();
  if (proto.has_create_time()) route.create_time = FromProto(proto.create_time());
  if (proto.has_update_time()) route.update_time = FromProto(proto.update_time());
  return route;
}

v1::Route ToProto(const Route& route) {
  v1::Route proto;
  proto.set_name(route.name);
  proto.set_source_topic(route.source_topic);
  if (route.filter) *proto.mutable_filter() = route.filter->proto();
  SetTargets(route.target_topics, proto);
  SetKey(route.partition_key, proto);
  SetAttributes(route.set_attributes, proto);
  proto.set_disabled(route.disabled);
  proto.set_on_unavailable(static_cast<v1::Route::OnUnavailable>(route.on_unavailable));
  proto.set_description(route.description);
  return proto;
}

v1::UpdateRouteRequest ToProto(const std::string& name, const RouteUpdate& update) {
  v1::UpdateRouteRequest proto;
  v1::Route& route = *proto.mutable_route();
  route.set_name(name);
  google::protobuf::FieldMask& mask = *proto.mutable_update_mask();
  if (update.filter) {
    if (*update.filter) *route.mutable_filter() = (*update.filter)->proto();
    mask.add_paths("filter");
  }
  if (update.target_topics) {
    SetTargets(*update.target_topics, route);
    mask.add_paths("target_topics");
  }
  if (update.partition_key) {
    SetKey(*update.partition_key, route);
    mask.add_paths("partition_key");
  }
  if (update.set_attributes) {
    SetAttributes(*update.set_attributes, route);
    mask.add_paths("set_attributes");
  }
  if (update.disabled) {
    route.set_disabled(*update.disabled);
    mask.add_paths("disabled");
  }
  if (update.on_unavailable) {
    route.set_on_unavailable(static_cast<v1::Route::OnUnavailable>(*update.on_unavailable));
    mask.add_paths("on_unavailable");
  }
  if (update.description) {
    route.set_description(*update.description);
    mask.add_paths("description");
  }
  return proto;
}

RouteStats FromProto(const v1::RouteStats& proto) {
  RouteStats stats;
  stats.matched_events = proto.matched_events();
  stats.copied_events = proto.copied_events();
  stats.copied_bytes = proto.copied_bytes();
  stats.skipped_events = proto.skipped_events();
  stats.failed_requests = proto.failed_requests();
  stats.too_costly_events = proto.too_costly_events();
  stats.last_failure = proto.last_failure();
  if (proto.has_last_failure_time()) {
    stats.last_failure_time = FromProto(proto.last_failure_time());
  }
  return stats;
}

RouteTest FromProto(const v1::TestRoutesResponse& proto) {
  RouteTest test;
  for (const v1::RouteTrace& from : proto.traces()) {
    RouteTrace& trace = test.traces.emplace_back();
    trace.route = from.route();
    trace.source_topic = from.source_topic();
    trace.target_topic = from.target_topic();
    if (v1::RouteTrace::Outcome_IsValid(from.outcome())) {
      trace.outcome = static_cast<RouteTrace::Outcome>(from.outcome());
    }
    trace.reason = from.reason();
    trace.depth = from.depth();
    trace.partition_key = from.partition_key();
  }
  test.topics.assign(proto.topics().begin(), proto.topics().end());
  test.refusal = proto.refusal();
  return test;
}

}  // namespace eventhub::client
