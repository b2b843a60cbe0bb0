#include "server/core/link/link.h"

#include "storage/key_codec.h"

namespace eventhub {
namespace {

constexpr uint32_t kRecordVersion = 1;

}  // namespace

Link::Link(LinkId id, std::shared_ptr<Topic> topic, stored::Link record, absl::Time now)
    : id_(id), name_(record.settings().name()), topic_(std::move(topic)), monitor_(now) {
  pending_.record = std::move(record);
  if (pending_.record.settings().disabled()) {
    monitor_.SetState(v1::LinkStatus::STATE_DISABLED, "", now);
  }
  MutexLock lock(mutex_);
  visible_ = pending_;
}

LinkState Link::state() const {
  MutexLock lock(mutex_);
  return visible_;
}

v1::Link Link::settings() const {
  MutexLock lock(mutex_);
  return visible_.record.settings();
}

uint64_t Link::generation() const {
  MutexLock lock(mutex_);
  return visible_.generation;
}

v1::LinkStatus Link::Status(absl::Time now, bool with_positions) const {
  v1::LinkStatus status = monitor_.Describe(now);
  MutexLock lock(mutex_);
  // What ends its events may not have heard of it yet.
  if (visible_.record.settings().disabled()) status.set_state(v1::LinkStatus::STATE_DISABLED);
  uint64_t lost = visible_.record.lost_events();
  uint64_t refused = visible_.record.refused_events();
  for (const auto& [partition, position] : visible_.positions) {
    lost += position.lost_events;
    refused += position.refused_events;
    if (!with_positions) continue;
    v1::PartitionOffset& offset = *status.add_positions();
    offset.set_partition(partition);
    offset.set_offset(position.next_offset);
  }
  status.set_lost_events(lost);
  status.set_refused_events(refused);
  return status;
}

void Link::Publish(const stored::Link& record, uint64_t generation) {
  MutexLock lock(mutex_);
  visible_.record = record;
  visible_.generation = generation;
}

void Link::Publish(const stored::Link& record, uint64_t generation,
                   const absl::btree_map<uint32_t, LinkPosition>& moved, bool restarted) {
  MutexLock lock(mutex_);
  visible_.record = record;
  visible_.generation = generation;
  if (restarted) visible_.positions.clear();
  for (const auto& [partition, position] : moved) visible_.positions[partition] = position;
}

void LinkPosition::MoveTo(const LinkPlace& place) {
  if (place.offset >= next_offset) {
    if (run != 0 && run != place.run) earlier.push_back({next_offset, run});
    if (earlier.size() > kMaxEarlier) earlier.erase(earlier.begin());
  } else {
    while (!earlier.empty() && earlier.back().offset >= place.offset) earlier.pop_back();
  }
  next_offset = place.offset;
  run = place.run;
}

void Link::LoadPosition(PartitionId partition, const stored::LinkPosition& position) {
  LinkPosition loaded = {.next_offset = position.next_offset(),
                         .lost_events = position.lost_events(),
                         .refused_events = position.refused_events(),
                         .run = position.run()};
  for (const stored::LinkPlace& place : position.earlier()) {
    loaded.earlier.push_back({place.offset(), place.run()});
  }
  pending_.positions[partition.value()] = loaded;
  MutexLock lock(mutex_);
  visible_.positions[partition.value()] = loaded;
}

void Link::SetRecord(const stored::Link& record, CommitBuilder& commit) {
  pending_.record = record;
  pending_.record.set_version(kRecordVersion);
  commit.Put(Column::kMeta, LinkKey(id_), pending_.record.SerializeAsString());
}

void Link::SetPosition(uint32_t partition, const LinkPosition& position, CommitBuilder& commit) {
  stored::LinkPosition record;
  record.set_version(kRecordVersion);
  record.set_next_offset(position.next_offset);
  record.set_lost_events(position.lost_events);
  record.set_refused_events(position.refused_events);
  record.set_run(position.run);
  for (const LinkPlace& place : position.earlier) {
    stored::LinkPlace& stored = *record.add_earlier();
    stored.set_offset(place.offset);
    stored.set_run(place.run);
  }
  pending_.positions[partition] = position;
  commit.Put(Column::kMeta, LinkPositionKey(id_, PartitionId(partition)),
             record.SerializeAsString());
}

void Link::Restart(const LinkOrigin& origin, CommitBuilder& commit) {
  stored::Link record = pending_.record;
  // The start was for the topic that it was created for; of one that takes its place, all is new.
  if (!record.remote_hub_id().empty()) record.set_started(true);
  record.set_remote_hub_id(origin.hub_id);
  record.set_remote_topic_micros(origin.topic_micros);
  for (const auto& [partition, position] : pending_.positions) {
    record.set_lost_events(record.lost_events() + position.lost_events);
    record.set_refused_events(record.refused_events() + position.refused_events);
    commit.Delete(Column::kMeta, LinkPositionKey(id_, PartitionId(partition)));
  }
  pending_.positions.clear();
  SetRecord(record, commit);
}

void Link::Delete(CommitBuilder& commit) {
  closing_ = true;
  for (const auto& [partition, position] : pending_.positions) {
    commit.Delete(Column::kMeta, LinkPositionKey(id_, PartitionId(partition)));
  }
  commit.Delete(Column::kMeta, LinkKey(id_));
}

}  // namespace eventhub
