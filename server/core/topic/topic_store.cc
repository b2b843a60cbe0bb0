#include "server/core/topic/topic_store.h"

#include <cstdint>
#include <optional>
#include <utility>
#include <vector>

#include "server/core/base/errors.h"
#include "storage/base/status_macros.h"
#include "storage/key_codec.h"

namespace eventhub {

absl::Status TopicStore::Load() {
  RETURN_IF_ERROR(catalog_.Load(store_));
  for (const auto& topic : catalog_.List("", SIZE_MAX)) ForceTake(CostOf(topic->pending()));
  ASSIGN_OR_RETURN(const std::optional<std::string> next_id,
                   store_.Get(Column::kMeta, kNextTopicIdKey));
  if (!next_id.has_value()) return absl::OkStatus();
  if (next_id->size() != sizeof(uint32_t)) {
    return absl::DataLossError("the record of the next topic id is damaged");
  }
  next_id_ = TopicId(LoadLittle32(next_id->data()));
  return absl::OkStatus();
}

std::shared_ptr<Topic> TopicStore::Find(const std::string& name) const {
  const auto added = added_.find(name);
  std::shared_ptr<Topic> topic = added != added_.end() ? added->second : catalog_.Find(name);
  return topic == nullptr || topic->closing() ? nullptr : topic;
}

absl::StatusOr<std::shared_ptr<Topic>> TopicStore::Add(const v1::Topic& settings,
                                                       CommitBuilder& commit) {
  const std::string& name = settings.name();
  const std::shared_ptr<Topic> present = catalog_.Find(name);
  const bool exists = present != nullptr && !present->closing();
  if (exists) return TopicExists(name);
  RETURN_IF_ERROR(RequireFormatFor(settings));
  if (!catalog_.Reserve(name)) return TopicExists(name);
  if (const absl::Status room = Take(CostOf(settings)); !room.ok()) {
    catalog_.Unreserve(name);
    return room;
  }
  const TopicId id = next_id_;
  next_id_ = TopicId(id.value() + 1);
  std::string next_id;
  AppendLittle32(&next_id, next_id_.value());
  commit.Put(Column::kMeta, kNextTopicIdKey, next_id);
  commit.Put(Column::kMeta, TopicKey(id), EncodeTopicRecord(settings));
  auto topic = catalog_.Make(id, name, store_);
  const auto shared = std::make_shared<const v1::Topic>(settings);
  topic->Apply(shared, std::vector<LogBounds>(settings.partitions()));
  topic->SetPending(shared);
  absl::erase_if(added_,
                 [this](const auto& added) { return catalog_.Find(added.first) == added.second; });
  added_[name] = topic;
  on_change_(name);
  return topic;
}

void TopicStore::Close(Topic& topic, CommitBuilder& commit) {
  Return(CostOf(topic.pending()));
  topic.set_closing();
  added_.erase(topic.name());
  on_change_(topic.name());
  commit.DeleteTopic(topic.id());
}

absl::Status TopicStore::Take(size_t cost) {
  if (partitions_ + cost > max_partitions_) {
    return TooManyPartitions(cost, partitions_, max_partitions_);
  }
  partitions_ += cost;
  return absl::OkStatus();
}

}  // namespace eventhub
