// The topics of the hub, by name.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "absl/container/btree_map.h"
#include "absl/container/flat_hash_map.h"
#include "absl/container/flat_hash_set.h"
#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "server/core/topic/topic.h"
#include "storage/base/mutex.h"
#include "storage/log_store.h"

namespace eventhub {

// Thread-safe.
class TopicCatalog {
 public:
  // Memory of the producers of all topics is counted by the meter, if there is one.
  explicit TopicCatalog(MemoryMeter* producers = nullptr) : producers_(producers) {}

  // A topic that is not in the catalog yet.
  std::shared_ptr<Topic> Make(TopicId id, const std::string& name, const LogStore& store) const {
    return std::make_shared<Topic>(id, name, store, producers_);
  }

  // Reads all topics from the store.
  absl::Status Load(const LogStore& store);

  // Null if there is none.
  std::shared_ptr<Topic> Find(absl::string_view name) const;

  // The same by id.
  std::shared_ptr<Topic> Find(TopicId id) const;

  // Up to `limit` topics in order of their names, from the first name greater than `after` on.
  std::vector<std::shared_ptr<Topic>> List(absl::string_view after, size_t limit) const;

  // Keeps a name for a topic that is being created; false if that was done already.
  bool Reserve(const std::string& name);
  void Unreserve(const std::string& name);
  // Makes a topic known, and ends the reservation of its name.
  void Add(std::shared_ptr<Topic> topic);
  void Remove(const Topic& topic);

 private:
  MemoryMeter* const producers_;
  mutable Mutex mutex_;
  absl::btree_map<std::string, std::shared_ptr<Topic>> topics_ ABSL_GUARDED_BY(mutex_);
  absl::flat_hash_map<TopicId, std::shared_ptr<Topic>> by_id_ ABSL_GUARDED_BY(mutex_);
  absl::flat_hash_set<std::string> reserved_ ABSL_GUARDED_BY(mutex_);
};

// A topic's record in the store is its serialized v1::Topic; see storage/FORMAT.md.
std::string EncodeTopicRecord(const v1::Topic& settings);

// What the store knows of partitions `first` to before `last` of a topic.
absl::StatusOr<std::vector<LogBounds>> RecoverPartitions(const LogStore& store, TopicId topic,
                                                         uint32_t first, uint32_t last);

}  // namespace eventhub
