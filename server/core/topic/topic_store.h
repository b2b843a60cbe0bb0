// The topics as commits change them: their existence, their ids, and their total cost.
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

// The catalog holds the topics as of the last visible commit; this class holds those as of the last
// commit submitted.
//
// Used on the commit thread, except where noted, and Load().
class TopicStore {
 public:
  // Called with each name whose topic the current commit adds or closes.
  using OnChange = std::function<void(const std::string& name)>;
  // Returns whether a topic with that name may be added or closed now, or must wait.
  using IsFree = std::function<bool(const std::string& name)>;

  // The arguments outlive this object.
  TopicStore(LogStore& store, TopicCatalog& catalog, TailCache& cache, size_t max_partitions,
             const TopicLimits& limits)
      : store_(store),
        catalog_(catalog),
        cache_(cache),
        max_partitions_(max_partitions),
        limits_(limits) {}

  TopicStore(const TopicStore&) = delete;
  TopicStore& operator=(const TopicStore&) = delete;

  // Reads all topics from the store. Called once, before the writer has tasks.
  absl::Status Load();
  // Calls these for the changes from now on. Called before the writer has tasks.
  void Observe(OnChange on_change, IsFree may_change) {
    on_change_ = std::move(on_change);
    may_change_ = std::move(may_change);
  }

  // Any thread.
  const LogStore& store() const { return store_; }
  TopicCatalog& catalog() const { return catalog_; }
  TailCache& cache() const { return cache_; }
  const TopicLimits& limits() const { return limits_; }

  // Returns null if there is none, or if it is being deleted.
  std::shared_ptr<Topic> Find(const std::string& name) const;

  bool MayChange(const std::string& name) const { return may_change_(name); }

  // Writes a new topic with these settings, which are checked and complete, with the commit. Call
  // TopicCatalog::Add when the commit is done. ALREADY_EXISTS if a topic with that name exists or
  // is being created. RESOURCE_EXHAUSTED: there are too many partitions. Errors of the disk, if
  // the topic is the first one that may have sealed data.
  absl::StatusOr<std::shared_ptr<Topic>> Add(const v1::Topic& settings, CommitBuilder& commit);

  // Called before a topic gets these settings, which are checked and complete: hubs that do not
  // know what they mean must refuse the store. Returns an error if that cannot be recorded.
  absl::Status RequireFormatFor(const v1::Topic& settings) {
    return settings.erasable() ? store_.RequireFormat(LogStore::kSealedDataFormat)
                               : absl::OkStatus();
  }

  // Deletes a topic with the commit; the catalog keeps it until TopicCatalog::Remove.
  void Close(Topic& topic, CommitBuilder& commit);

  // The cost of a topic, and of each subscription of it, which has a cursor per partition. The unit
  // is a partition.
  static size_t CostOf(const v1::Topic& topic) { return 4 + size_t{topic.partitions()}; }

  // Accounts for `cost` more; RESOURCE_EXHAUSTED if the limit would be exceeded.
  absl::Status Take(size_t cost);
  // Like Take, regardless of the limit: for what exists already.
  void ForceTake(size_t cost) { partitions_ += cost; }
  void Return(size_t cost) {
    EVENTHUB_CHECK(cost <= partitions_, "partitions are returned that were taken");
    partitions_ -= cost;
  }

 private:
  LogStore& store_;
  TopicCatalog& catalog_;
  TailCache& cache_;
  const size_t max_partitions_;
  const TopicLimits limits_;
  OnChange on_change_ = [](const std::string&) {};
  IsFree may_change_ = [](const std::string&) { return true; };

  TopicId next_id_{1};
  size_t partitions_ = 0;  // Of all topics, and other costs in this unit: see CostOf.
  // Topics that the catalog may not have yet. Entries that it has are removed when the next topic
  // is added.
  absl::flat_hash_map<std::string, std::shared_ptr<Topic>> added_;
};

}  // namespace eventhub
