#include "server/core/link/link.h"

#include "storage/key_codec.h"

namespace eventhub {
namespace {

constexpr uint32_t kRecordVersion = 1;

}  // namespace

Link::Link(LinkId id, std::shared_ptr<Topic> topic, stored::Link record, absl::Time now,
           const VisibleCommits& commits)
    : id_(id),
      name_(record.settings().name()),
      topic_(std::move(topic)),
      commits_(commits),
      monitor_(now) {
  pending_.record = std::move(record);
  if (pending_.record.settings().disabled()) {
    monitor_.SetState(v1::LinkStatus::STATE_DISABLED, "", now);
  }
  MutexLock lock(mutex_);
  visible_ = pending_;
}

Link::Change& Link::ChangeOf(const CommitBuilder& commit) {
  if (changes_.empty() || changes_.back().commit != commit.number()) {
    changes_.emplace_back().commit = commit.number();
  }
  return changes_.back();
}

const LinkState& Link::Visible() const {
  const int64_t last = commits_.last();
  for (; !changes_.empty() && changes_.front().commit <= last; changes_.pop_front()) {
    Change& change = changes_.front();
    if (change.record.has_value()) {
      visible_.record = *std::move(change.record);
      visible_.generation = change.generation;
    }
    if (change.restarted) visible_.positions.clear();
    for (auto& [partition, position] : change.moved) {
      visible_.positions[partition] = std::move(position);
    }
  }
  return visible_;
}

LinkState Link::state() const {
  MutexLock lock(mutex_);
  return Visible();
}

v1::Link Link::settings() const {
  MutexLock lock(mutex_);
  return Visible().record.settings();
}

uint64_t Link::generation() const {
  MutexLock lock(mutex_);
  return Visible().generation;
}

v1::LinkStatus Link::Status(absl::Time now, bool with_positions) const {
  v1::LinkStatus status = monitor_.Describe(now);
  MutexLock lock(mutex_);
  const LinkState& visible = Visible();
  // The monitor may lag: the link's reader may not have stopped yet.
  if (visible.record.settings().disabled()) status.set_state(v1::LinkStatus::STATE_DISABLED);
  uint64_t lost = visible.record.lost_events();
  uint64_t refused = visible.record.refused_events();
  for (const auto& [partition, position] : visible.positions) {
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
  MutexLock lock(mutex_);
  Change& change = ChangeOf(commit);
  change.record = pending_.record;
  change.generation = pending_.generation;
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
  MutexLock lock(mutex_);
  ChangeOf(commit).moved[partition] = position;
}

void Link::Restart(const LinkOrigin& origin, CommitBuilder& commit) {
  stored::Link record = pending_.record;
  // `start` applies to the topic that the link was created for; a topic that replaces it is read
  // from its beginning.
  if (!record.remote_hub_id().empty()) record.set_started(true);
  record.set_remote_hub_id(origin.hub_id);
  record.set_remote_topic_micros(origin.topic_micros);
  for (const auto& [partition, position] : pending_.positions) {
    record.set_lost_events(record.lost_events() + position.lost_events);
    record.set_refused_events(record.refused_events() + position.refused_events);
    commit.Delete(Column::kMeta, LinkPositionKey(id_, PartitionId(partition)));
  }
  pending_.positions.clear();
  {
    MutexLock lock(mutex_);
    Change& change = ChangeOf(commit);
    change.restarted = true;
    change.moved.clear();
  }
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
