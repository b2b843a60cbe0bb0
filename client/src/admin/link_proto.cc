#include "client/src/admin/link_proto.h"

#include "client/src/base/proto_time.h"
#include "client/src/read/position_proto.h"

namespace eventhub::client {

Link FromProto(const v1::Link& proto) {
  Link link;
  link.name = proto.name();
  link.remote_address = proto.remote_address();
  link.remote_topic = proto.remote_topic();
  link.local_topic = proto.local_topic();
  if (proto.has_filter()) link.filter = Filter(proto.filter());
  link.start = FromProto(proto.start());
  link.disabled = proto.disabled();
  link.description = proto.description();
  link.tls = proto.tls();
  if (proto.has_create_time()) link.create_time = FromProto(proto.create_time());
  return link;
}

v1::Link ToProto(const Link& link) {
  v1::Link proto;
  proto.set_name(link.name);
  proto.set_remote_address(link.remote_address);
  proto.set_remote_topic(link.remote_topic);
  proto.set_local_topic(link.local_topic);
  if (link.filter) *proto.mutable_filter() = link.filter->proto();
  ToProto(link.start, *proto.mutable_start());
  proto.set_disabled(link.disabled);
  proto.set_description(link.description);
  proto.set_tls(link.tls);
  return proto;
}

v1::UpdateLinkRequest ToProto(const std::string& name, const LinkUpdate& update) {
  v1::UpdateLinkRequest proto;
  v1::Link& link = *proto.mutable_link();
  link.set_name(name);
  google::protobuf::FieldMask& mask = *proto.mutable_update_mask();
  if (update.remote_address) {
    link.set_remote_address(*update.remote_address);
    mask.add_paths("remote_address");
  }
  if (update.filter) {
    if (*update.filter) *link.mutable_filter() = (*update.filter)->proto();
    mask.add_paths("filter");
  }
  if (update.disabled) {
    link.set_disabled(*update.disabled);
    mask.add_paths("disabled");
  }
  if (update.description) {
    link.set_description(*update.description);
    mask.add_paths("description");
  }
  if (update.tls) {
    link.set_tls(*update.tls);
    mask.add_paths("tls");
  }
  return proto;
}

LinkStatus FromProto(const v1::LinkStatus& proto) {
  LinkStatus status;
  if (v1::LinkStatus::State_IsValid(proto.state())) {
    status.state = static_cast<LinkStatus::State>(proto.state());
  }
  status.error = proto.error();
  if (proto.has_state_time()) status.state_time = FromProto(proto.state_time());
  status.remote_hub_id = proto.remote_hub_id();
  status.lag_events = proto.lag_events();
  if (proto.has_lag_time()) status.lag_time = FromProto(proto.lag_time());
  status.appended_events = proto.appended_events();
  status.appended_bytes = proto.appended_bytes();
  status.looped_events = proto.looped_events();
  status.lost_events = proto.lost_events();
  status.refused_events = proto.refused_events();
  status.failures = proto.failures();
  for (const v1::PartitionOffset& position : proto.positions()) {
    status.positions.push_back(FromProto(position));
  }
  return status;
}

}  // namespace eventhub::client
