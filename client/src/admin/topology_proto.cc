#include "client/src/admin/topology_proto.h"

#include "client/src/connection/grpc_status.h"

namespace eventhub::client {
namespace {

TopologyChange ChangeFromProto(const v1::TopologyChange& proto) {
  TopologyChange change;
  if (v1::TopologyChange::Kind_IsValid(proto.kind())) {
    change.kind = static_cast<TopologyChange::Kind>(proto.kind());
  }
  if (v1::TopologyChange::Action_IsValid(proto.action())) {
    change.action = static_cast<TopologyChange::Action>(proto.action());
  }
  change.name = proto.name();
  for (const v1::FieldChange& field : proto.fields()) {
    change.fields.push_back(
        {.path = field.path(), .old_value = field.old_value(), .new_value = field.new_value()});
  }
  return change;
}

}  // namespace

ApplyResult FromProto(const v1::ApplyTopologyResponse& proto) {
  ApplyResult result;
  for (const auto& change : proto.changes()) result.changes.push_back(ChangeFromProto(change));
  for (const auto& change : proto.unnamed()) result.unnamed.push_back(ChangeFromProto(change));
  if (proto.has_error()) result.status = FromProto(proto.error());
  return result;
}

}  // namespace eventhub::client
