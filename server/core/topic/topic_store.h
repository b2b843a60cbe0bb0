// The topics as commits change them: which there are, their ids, and what they cost together.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <utility>

#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "eventhub/v1/admin.pb.h"
#include "server/core/topic/topic.h"
#include "server/core/topic/topic_catalog.h"
#include "server/core/topic/topic_settings.h"
#include "storage/base/check.h"
#include "storage/base/types.h"
#include "storage/commit_builder.h"
#include "storage/log_store.h"
#include "storage/tail_cache.h"

namespace eventhub {

// Beside the catalog, which has the topics of the last visible commit, knows those of the last one
// submitted.
//
// Used on the commit thread, except what says otherwise, and Load().
class TopicStore {
 public:
  // Told of each name whose topic is added or closed by the commit under way.
  using OnChange = std::function<void(const std::string& name)>;

  // What is given outlives this.
  TopicStore(const LogStore& store, TopicCatalog& catalog, TailCache& cache, size_t max_partitions,
             const TopicLimits& limits)
      : store_(store),
        catalog_(catalog),
        cache_(cache),
        max_partitions_(max_partitions),
        limits_(limits) {}

  TopicStore(const TopicStore&) = delete;
  TopicStore& operator=(const TopicStore&) = delete;

  // Reads all topics from the store. Once, before the writer has tasks.
  absl::Status Load();
  // Has `on_change` told of the changes from now on. The same.
  void Observe(OnChange on_change) { on_change_ = std::move(on_change); }

  // On any thread.
  const LogStore& store() const { return store_; }
  TopicCatalog& catalog() const { return catalog_; }
  TailCache& cache() const { return cache_; }
  const TopicLimits& limits() const { return limits_; }

  // Null if there is none, or it is being deleted.
  std::shared_ptr<Topic> Find(const std::string& name) const;

  // Writes a new topic of these settings, which are checked and complete, with the commit; it
  // becomes known by TopicCatalog::Add once that is done. ALREADY_EXISTS if there is one of that
  // name, or is about to be. RESOURCE_EXHAUSTED: there are too many partitions.
  absl::StatusOr<std::shared_ptr<Topic>> Add(const v1::Topic& settings, CommitBuilder& commit);

  // Deletes a topic with the commit; it stays known until TopicCatalog::Remove.
  void Close(Topic& topic, CommitBuilder& commit);

  // What a topic, and each subscription of it, which has a cursor for each partition, costs. In
  // partitions.
  static size_t CostOf(const v1::Topic& topic) { return 4 + size_t{topic.partitions()}; }

  // Accounts for so much more; RESOURCE_EXHAUSTED if there cannot be.
  absl::Status Take(size_t cost);
  // The same for what is there already.
  void TakeAnyway(size_t cost) { partitions_ += cost; }
  void Return(size_t cost) {
    EVENTHUB_CHECK(cost <= partitions_, "partitions are returned that were taken");
    partitions_ -= cost;
  }

 private:
  const LogStore& store_;
  TopicCatalog& catalog_;
  TailCache& cache_;
  const size_t max_partitions_;
  const TopicLimits limits_;
  OnChange on_change_ = [](const std::string&) {};

  TopicId next_id_{1};
  size_t partitions_ = 0;  // Of all topics, and what else costs memory: see CostOf.
  // Topics that the catalog may not know yet. Those that it knows are removed when the next one is
  // added.
  absl::flat_hash_map<std::string, std::shared_ptr<Topic>> added_;
};

}  // namespace eventhub
