#include "server/core/topic/topic_catalog.h"

#include <limits>
#include <utility>

#include "absl/strings/str_cat.h"
#include "server/core/base/errors.h"
#include "server/core/topic/compaction_state.h"
#include "storage/base/status_macros.h"
#include "storage/key_codec.h"

namespace eventhub {

std::string EncodeTopicRecord(const v1::Topic& settings) { return settings.SerializeAsString(); }

absl::StatusOr<std::vector<LogBounds>> RecoverPartitions(const LogStore& store, TopicId topic,
                                                         const v1::Topic& settings, uint32_t first,
                                                         uint32_t last) {
  std::vector<LogBounds> bounds;
  bounds.reserve(last - first);
  for (uint32_t p = first; p < last; ++p) {
    ASSIGN_OR_RETURN(LogBounds b, store.Recover(topic, PartitionId(p)));
    if (settings.retention().has_latest_per_key()) {
      ASSIGN_OR_RETURN(const CompactionState state,
                       CompactionState::Load(store, topic, PartitionId(p)));
      b.removed = state.removed;
    }
    bounds.push_back(b);
  }
  return bounds;
}

absl::Status TopicCatalog::Load(const LogStore& store) {
  std::vector<std::pair<TopicId, std::string>> records;
  RETURN_IF_ERROR(store.Scan(Column::kMeta, kTopicKeyPrefix,
                             [&](absl::string_view key, absl::string_view value) {
                               records.emplace_back(TopicIdOf(key), value);
                               return true;
                             }));
  for (const auto& [id, record] : records) {
    auto settings = std::make_shared<v1::Topic>();
    if (!settings->ParseFromString(record)) {
      return absl::DataLossError(absl::StrCat("the record of topic ", id.value(), " is damaged"));
    }
    auto topic = Make(id, settings->name(), store);
    ASSIGN_OR_RETURN(const std::vector<LogBounds> bounds,
                     RecoverPartitions(store, id, *settings, 0, settings->partitions()));
    topic->Apply(settings, bounds);
    topic->SetPending(settings);
    Add(std::move(topic));
  }
  return absl::OkStatus();
}

std::shared_ptr<Topic> TopicCatalog::Find(absl::string_view name) const {
  MutexLock lock(mutex_);
  const auto it = topics_.find(name);
  return it == topics_.end() ? nullptr : it->second;
}

absl::StatusOr<std::shared_ptr<Topic>> TopicCatalog::Require(absl::string_view field,
                                                             absl::string_view name) const {
  if (name.empty()) return InvalidField(field, "is required");
  std::shared_ptr<Topic> topic = Find(name);
  if (topic == nullptr) return TopicNotFound(name);
  return topic;
}

std::shared_ptr<Topic> TopicCatalog::Find(TopicId id) const {
  MutexLock lock(mutex_);
  const auto it = by_id_.find(id);
  return it == by_id_.end() ? nullptr : it->second;
}

std::vector<std::shared_ptr<Topic>> TopicCatalog::List(absl::string_view after,
                                                       size_t limit) const {
  std::vector<std::shared_ptr<Topic>> topics;
  MutexLock lock(mutex_);
  for (auto it = topics_.upper_bound(after); it != topics_.end() && topics.size() < limit; ++it) {
    topics.push_back(it->second);
  }
  return topics;
}

bool TopicCatalog::Reserve(const std::string& name) {
  MutexLock lock(mutex_);
  return reserved_.insert(name).second;
}

void TopicCatalog::Unreserve(const std::string& name) {
  MutexLock lock(mutex_);
  reserved_.erase(name);
}

void TopicCatalog::Add(std::shared_ptr<Topic> topic) {
  MutexLock lock(mutex_);
  reserved_.erase(topic->name());
  by_id_[topic->id()] = topic;
  topics_[topic->name()] = std::move(topic);
}

void TopicCatalog::Remove(const Topic& topic) {
  MutexLock lock(mutex_);
  by_id_.erase(topic.id());
  const auto it = topics_.find(topic.name());
  if (it != topics_.end() && it->second.get() == &topic) topics_.erase(it);
}

}  // namespace eventhub
