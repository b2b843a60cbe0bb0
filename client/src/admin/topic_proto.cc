#include "client/src/admin/topic_proto.h"

#include "client/src/base/proto_time.h"

namespace eventhub::client {

namespace {

void LatestToProto(const LatestPerKey& latest, v1::LatestPerKey& proto) {
  client::ToProto(latest.min_age, *proto.mutable_min_age());
  if (latest.delete_marker_age) {
    client::ToProto(*latest.delete_marker_age, *proto.mutable_delete_marker_age());
  }
}

}  // namespace

Topic FromProto(const v1::Topic& proto) {
  Topic topic;
  topic.name = proto.name();
  topic.partitions = proto.partitions();
  if (proto.retention().has_max_age()) topic.max_age = FromProto(proto.retention().max_age());
  topic.max_bytes = proto.retention().max_bytes();
  topic.keep_until_acked = proto.retention().keep_until_acked();
  topic.keep_until_acked_max_bytes = proto.retention().keep_until_acked_max_bytes();
  topic.keep_nothing = proto.retention().none();
  topic.refuse_when_full = proto.retention().refuse_when_full();
  if (proto.retention().has_latest_per_key()) {
    const v1::LatestPerKey& latest = proto.retention().latest_per_key();
    topic.latest_per_key = LatestPerKey{.min_age = FromProto(latest.min_age()),
                                        .delete_marker_age = FromProto(latest.delete_marker_age())};
  }
  topic.default_durability = static_cast<Durability>(proto.default_durability());
  topic.max_event_bytes = proto.max_event_bytes();
  topic.description = proto.description();
  if (proto.has_deduplication_window()) {
    topic.deduplication_window = FromProto(proto.deduplication_window());
  }
  topic.archive = proto.archive() || !proto.has_archive();
  topic.erasable = proto.erasable();
  if (proto.has_create_time()) topic.create_time = FromProto(proto.create_time());
  return topic;
}

v1::Topic ToProto(const Topic& topic) {
  v1::Topic proto;
  proto.set_name(topic.name);
  proto.set_partitions(topic.partitions);
  if (topic.max_age != absl::InfiniteDuration()) {
    ToProto(topic.max_age, *proto.mutable_retention()->mutable_max_age());
  }
  if (topic.max_bytes != 0) proto.mutable_retention()->set_max_bytes(topic.max_bytes);
  if (topic.keep_until_acked) proto.mutable_retention()->set_keep_until_acked(true);
  if (topic.keep_until_acked_max_bytes != 0) {
    proto.mutable_retention()->set_keep_until_acked_max_bytes(topic.keep_until_acked_max_bytes);
  }
  if (topic.keep_nothing) proto.mutable_retention()->set_none(true);
  if (topic.refuse_when_full) proto.mutable_retention()->set_refuse_when_full(true);
  if (topic.latest_per_key) {
    LatestToProto(*topic.latest_per_key, *proto.mutable_retention()->mutable_latest_per_key());
  }
  proto.set_default_durability(static_cast<v1::Durability>(topic.default_durability));
  proto.set_max_event_bytes(topic.max_event_bytes);
  proto.set_description(topic.description);
  if (topic.deduplication_window != absl::ZeroDuration()) {
    ToProto(topic.deduplication_window, *proto.mutable_deduplication_window());
  }
  if (!topic.archive) proto.set_archive(false);
  proto.set_erasable(topic.erasable);
  return proto;
}

v1::UpdateTopicRequest ToProto(const std::string& name, const TopicUpdate& update) {
  v1::UpdateTopicRequest proto;
  v1::Topic& topic = *proto.mutable_topic();
  topic.set_name(name);
  google::protobuf::FieldMask& mask = *proto.mutable_update_mask();
  if (update.partitions) {
    topic.set_partitions(*update.partitions);
    mask.add_paths("partitions");
  }
  if (update.max_age) {
    if (*update.max_age != absl::InfiniteDuration()) {
      ToProto(*update.max_age, *topic.mutable_retention()->mutable_max_age());
    }
    mask.add_paths("retention.max_age");
  }
  if (update.max_bytes) {
    topic.mutable_retention()->set_max_bytes(*update.max_bytes);
    mask.add_paths("retention.max_bytes");
  }
  if (update.keep_until_acked) {
    topic.mutable_retention()->set_keep_until_acked(*update.keep_until_acked);
    mask.add_paths("retention.keep_until_acked");
  }
  if (update.keep_until_acked_max_bytes) {
    topic.mutable_retention()->set_keep_until_acked_max_bytes(*update.keep_until_acked_max_bytes);
    mask.add_paths("retention.keep_until_acked_max_bytes");
  }
  if (update.keep_nothing) {
    topic.mutable_retention()->set_none(*update.keep_nothing);
    mask.add_paths("retention.none");
  }
  if (update.refuse_when_full) {
    topic.mutable_retention()->set_refuse_when_full(*update.refuse_when_full);
    mask.add_paths("retention.refuse_when_full");
  }
  if (update.latest_per_key) {
    LatestToProto(*update.latest_per_key, *topic.mutable_retention()->mutable_latest_per_key());
    mask.add_paths("retention.latest_per_key");
  }
  if (update.default_durability) {
    topic.set_default_durability(static_cast<v1::Durability>(*update.default_durability));
    mask.add_paths("default_durability");
  }
  if (update.max_event_bytes) {
    topic.set_max_event_bytes(*update.max_event_bytes);
    mask.add_paths("max_event_bytes");
  }
  if (update.description) {
    topic.set_description(*update.description);
    mask.add_paths("description");
  }
  if (update.deduplication_window) {
    if (*update.deduplication_window != absl::ZeroDuration()) {
      ToProto(*update.deduplication_window, *topic.mutable_deduplication_window());
    }
    mask.add_paths("deduplication_window");
  }
  if (update.archive) {
    topic.set_archive(*update.archive);
    mask.add_paths("archive");
  }
  if (update.erasable) {
    topic.set_erasable(*update.erasable);
    mask.add_paths("erasable");
  }
  return proto;
}

TopicStats FromProto(const v1::TopicStats& proto) {
  TopicStats stats;
  stats.events = proto.events();
  stats.bytes = proto.bytes();
  stats.published_events = proto.published_events();
  stats.published_bytes = proto.published_bytes();
  stats.delivered_events = proto.delivered_events();
  stats.delivered_bytes = proto.delivered_bytes();
  stats.refused_requests = proto.refused_requests();
  stats.readers = proto.readers();
  stats.routed_events = proto.routed_events();
  stats.duplicate_events = proto.duplicate_events();
  stats.delayed_events = proto.delayed_events();
  stats.unrouted_events = proto.unrouted_events();
  stats.held_back_bytes = proto.held_back_bytes();
  stats.removed_events = proto.removed_events();
  return stats;
}

ArchiveStatus FromProto(const v1::ArchiveStatus& proto) {
  ArchiveStatus status{.enabled = proto.enabled(),
                       .lag_events = proto.lag_events(),
                       .lag_bytes = proto.lag_bytes(),
                       .archived_events = proto.archived_events(),
                       .objects = proto.objects(),
                       .missing_events = proto.missing_events(),
                       .last_error = proto.last_error()};
  if (proto.has_lag()) status.lag = FromProto(proto.lag());
  if (proto.has_last_error_time()) status.last_error_time = FromProto(proto.last_error_time());
  return status;
}

PartitionInfo FromProto(const v1::PartitionInfo& proto) {
  PartitionInfo info;
  info.partition = proto.partition();
  info.start_offset = proto.start_offset();
  info.end_offset = proto.end_offset();
  info.bytes = proto.bytes();
  info.removed_events = proto.removed_events();
  if (proto.has_archived_offset()) info.archived_offset = proto.archived_offset();
  if (proto.has_history_start_offset()) info.history_start_offset = proto.history_start_offset();
  if (proto.has_last_append_time()) info.last_append_time = FromProto(proto.last_append_time());
  return info;
}

HubStats FromProto(const v1::GetStatsResponse& proto) {
  HubStats stats;
  stats.version = proto.version();
  if (proto.has_start_time()) stats.start_time = FromProto(proto.start_time());
  stats.writable = proto.writable();
  stats.store_error = proto.store_error();
  stats.topics = proto.topics();
  stats.partitions = proto.partitions();
  stats.totals = FromProto(proto.totals());
  stats.commits = proto.commits();
  stats.syncs = proto.syncs();
  stats.tail_cache_bytes = proto.tail_cache_bytes();
  stats.tail_cache_hits = proto.tail_cache_hits();
  stats.cold_reads = proto.cold_reads();
  stats.in_flight_bytes = proto.in_flight_bytes();
  stats.disk_bytes = proto.disk_bytes();
  stats.disk_free_bytes = proto.disk_free_bytes();
  stats.subscriptions = proto.subscriptions();
  stats.consumers = proto.consumers();
  stats.routes = proto.routes();
  stats.links = proto.links();
  stats.hub_id = proto.hub_id();
  stats.clock_doubt = proto.clock_doubt();
  for (const v1::Listener& listener : proto.listeners()) {
    stats.listeners.push_back({.address = listener.address(),
                               .tls = listener.tls(),
                               .client_certificates = listener.client_certificates(),
                               .unprotected = listener.unprotected()});
  }
  stats.memory.limit_bytes = proto.memory().limit_bytes();
  stats.memory.process_bytes = proto.memory().process_bytes();
  stats.memory.findings.assign(proto.memory().findings().begin(), proto.memory().findings().end());
  for (const v1::MemoryShare& share : proto.memory().shares()) {
    stats.memory.shares.push_back({.name = share.name(),
                                   .used_bytes = share.used_bytes(),
                                   .limit_bytes = share.limit_bytes()});
  }
  stats.connections = {.open = proto.connections().open(),
                       .accepted = proto.connections().accepted(),
                       .refused = proto.connections().refused(),
                       .shed = proto.connections().shed()};
  if (proto.has_lake()) {
    stats.lake =
        LakeStats{.location = proto.lake().location(),
                  .topics = proto.lake().topics(),
                  .totals = FromProto(proto.lake().totals()),
                  .findings = {proto.lake().findings().begin(), proto.lake().findings().end()}};
  }
  return stats;
}

}  // namespace eventhub::client
