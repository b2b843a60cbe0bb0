// The topics of the hub, by name.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "absl/container/btree_map.h"
#include "absl/container/flat_hash_map.h"
#include "absl/container/flat_hash_set.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "server/core/base/copy_memory.h"
#include "server/core/topic/topic.h"
#include "storage/base/mutex.h"
#include "storage/log_store.h"

namespace eventhub {

// Thread-safe.
class TopicCatalog {
 public:
  // These, if any, count the memory of the producers of all topics, and what requests to them take
  // until they are committed. `has_lake`: whether the hub archives topics.
  explicit TopicCatalog(MemoryMeter* producers = nullptr, CopyMemory* copies = nullptr,
                        bool has_lake = false)
      : producers_(producers), copies_(copies), has_lake_(has_lake) {}

  // Creates a topic that is not in the catalog yet.
  std::shared_ptr<Topic> Make(TopicId id, const std::string& name, const LogStore& store) const {
    return std::make_shared<Topic>(id, name, store, producers_, copies_, has_lake_, keys_);
  }

  // The keys of subjects, for all topics. Call it before the first topic is made.
  void SetKeys(KeyRing* keys) { keys_ = keys; }

  // Reads all topics from the store.
  absl::Status Load(const LogStore& store);

  // Returns null if there is none.
  std::shared_ptr<Topic> Find(absl::string_view name) const;
  // NOT_FOUND if there is none. INVALID_ARGUMENT, naming `field`, if the name is empty.
  absl::StatusOr<std::shared_ptr<Topic>> Require(absl::string_view field,
                                                 absl::string_view name) const;

  // Looks up by id; otherwise as above.
  std::shared_ptr<Topic> Find(TopicId id) const;

  // Returns up to `limit` topics, ordered by name, starting with the first name greater than
  // `after`.
  std::vector<std::shared_ptr<Topic>> List(absl::string_view after, size_t limit) const;

  // Reserves a name for a topic that is being created; false if it is reserved already.
  bool Reserve(const std::string& name);
  void Unreserve(const std::string& name);
  // Adds a topic and ends the reservation of its name.
  void Add(std::shared_ptr<Topic> topic);
  void Remove(const Topic& topic);

 private:
  MemoryMeter* const producers_;
  CopyMemory* const copies_;
  const bool has_lake_;
  KeyRing* keys_ = nullptr;
  mutable Mutex mutex_;
  absl::btree_map<std::string, std::shared_ptr<Topic>> topics_ ABSL_GUARDED_BY(mutex_);
  absl::flat_hash_map<TopicId, std::shared_ptr<Topic>> by_id_ ABSL_GUARDED_BY(mutex_);
  absl::flat_hash_set<std::string> reserved_ ABSL_GUARDED_BY(mutex_);
};

// A topic's record in the store is its serialized v1::Topic; see storage/FORMAT.md.
std::string EncodeTopicRecord(const v1::Topic& settings);

// Returns what the store holds of the partitions [first, last) of a topic.
absl::StatusOr<std::vector<LogBounds>> RecoverPartitions(const LogStore& store, TopicId topic,
                                                         const v1::Topic& settings, uint32_t first,
                                                         uint32_t last);

}  // namespace eventhub
