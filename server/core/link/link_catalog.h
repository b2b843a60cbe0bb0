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
  // A link takes a thread, a connection and some 110 KiB, whether or not it has anything to do.
  static constexpr size_t kMaxLinks = 256;

  // Reads all links and their positions from the store. DATA_LOSS if a record is damaged.
  absl::Status Load(const LogStore& store, const TopicCatalog& topics, absl::Time now);

  // Returns null if there is none.
  std::shared_ptr<Link> Find(absl::string_view name) const;

  // Returns up to `limit` links, ordered by name, starting with the first name greater than
  // `after`.
  std::vector<std::shared_ptr<Link>> List(absl::string_view after, size_t limit) const;

  size_t size() const;

  // Adds or removes a link, after the commit that creates or deletes it.
  void Add(std::shared_ptr<Link> link);
  void Remove(const Link& link);

  // Signals that a link has changed; see AwaitChange.
  void NotifyChange();

  // Waits until links were added, removed or changed, or NotifyChange was called, since the call
  // that returned `seen`; 0 for the first call.
  uint64_t AwaitChange(uint64_t seen);

  // Commit thread only: the state as of the last change submitted, which may not be visible yet.

  LinkId TakeId() { return LinkId(next_id_++); }
  // Reserves the name of a new link. ALREADY_EXISTS if it is taken; RESOURCE_EXHAUSTED
  // (REASON_TOO_MANY_LINKS) if there are kMaxLinks.
  absl::Status AddPending(std::shared_ptr<Link> link);
  void RemovePending(const Link& link) { pending_.erase(link.name()); }
  // The names of the links that append to a topic.
  std::vector<std::string> NamesInto(const Topic& topic) const;

 private:
  using ByName = absl::btree_map<std::string, std::shared_ptr<Link>, std::less<>>;

  mutable Mutex mutex_;
  CondVar changed_;
  uint64_t changes_ ABSL_GUARDED_BY(mutex_) = 1;
  ByName links_ ABSL_GUARDED_BY(mutex_);

  // Commit thread only. No two links share an id. An id is reused only after a restart, when
  // nothing remains of the link that had it.
  ByName pending_;
  uint32_t next_id_ = 1;
};

}  // namespace eventhub
