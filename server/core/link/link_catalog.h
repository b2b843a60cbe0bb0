// The links of the hub, by name.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/container/btree_map.h"
#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "server/core/link/link.h"
#include "server/core/topic/topic.h"
#include "server/core/topic/topic_catalog.h"
#include "storage/base/mutex.h"
#include "storage/log_store.h"

namespace eventhub {

// Thread-safe, except for the members of the commit thread.
class LinkCatalog {
 public:
  // Reads all links and their positions from the store. DATA_LOSS if a record is damaged.
  absl::Status Load(const LogStore& store, const TopicCatalog& topics, absl::Time now);

  // Null if there is none.
  std::shared_ptr<Link> Find(absl::string_view name) const;

  // Up to `limit` in order of their names, from the first name greater than `after` on.
  std::vector<std::shared_ptr<Link>> List(absl::string_view after, size_t limit) const;

  size_t size() const;

  // Makes a link known, or unknown, after the commit that does it.
  void Add(std::shared_ptr<Link> link);
  void Remove(const Link& link);

  // Says that a link is another now; see AwaitChange.
  void NotifyChange();

  // Waits until links were added, removed or changed since the call that returned `seen`, or
  // NotifyChange was called; 0 at first.
  uint64_t AwaitChange(uint64_t seen);

  // Commit thread only: as of the last change submitted, which may not be visible yet.

  LinkId TakeId() { return LinkId(next_id_++); }
  // Takes a name for a new link; false if there is one.
  bool AddPending(std::shared_ptr<Link> link);
  void RemovePending(const Link& link) { pending_.erase(link.name()); }
  // The names of the links that append to a topic.
  std::vector<std::string> NamesInto(const Topic& topic) const;

 private:
  using ByName = absl::btree_map<std::string, std::shared_ptr<Link>, std::less<>>;

  mutable Mutex mutex_;
  CondVar changed_;
  uint64_t changes_ ABSL_GUARDED_BY(mutex_) = 1;
  ByName links_ ABSL_GUARDED_BY(mutex_);

  // Commit thread only. An id is that of no other link; it comes again only after a restart, when
  // nothing is left of the one that had it.
  ByName pending_;
  uint32_t next_id_ = 1;
};

}  // namespace eventhub
