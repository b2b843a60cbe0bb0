// The subscriptions of the hub, by name.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "absl/container/btree_map.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "server/core/topic/topic.h"
#include "storage/base/mutex.h"
#include "storage/commit_builder.h"
#include "storage/log_store.h"

namespace eventhub {

class Subscription;
struct SubscriptionContext;

// Thread-safe, except the commit-thread members.
class SubscriptionCatalog {
 public:
  using Subscriptions = std::vector<std::shared_ptr<Subscription>>;

  // Reads all subscriptions and their state from the store.
  absl::Status Load(const SubscriptionContext& context);

  // Returns null if there is none.
  std::shared_ptr<Subscription> Find(absl::string_view name) const;
  // NOT_FOUND if there is none. INVALID_ARGUMENT, naming `field`, if the name is empty.
  absl::StatusOr<std::shared_ptr<Subscription>> Require(absl::string_view field,
                                                        absl::string_view name) const;

  // Returns up to `limit` subscriptions, ordered by name, starting with the first name greater than
  // `after`.
  Subscriptions List(absl::string_view after, size_t limit) const;

  // The subscriptions of a topic.
  Subscriptions Of(const Topic& topic) const;

  size_t size() const;

  // Adds or removes a subscription, after the commit that creates or deletes it.
  void Add(std::shared_ptr<Subscription> subscription);
  void Remove(Subscription& subscription);

  // Commit thread only: the state as of the last change submitted, which may not be visible yet.

  // Reserves the name of a new subscription; false if it is taken.
  bool AddPending(std::shared_ptr<Subscription> subscription);
  bool IsPending(absl::string_view name) const { return pending_.contains(name); }
  Subscriptions PendingOf(const Topic& topic) const;
  Subscriptions PendingWithDeadLettersIn(const Topic& topic) const;
  // Returns the subscriptions with open dead letters in the topic, which may be their current or a
  // former dead-letter topic; with `redriven`, also those with unsettled redriven events of it.
  absl::StatusOr<Subscriptions> PendingWithOpenLettersIn(const LogStore& store, const Topic& topic,
                                                         bool redriven) const;
  // Deletes all stored state of a subscription.
  void Delete(Subscription& subscription, CommitBuilder& commit);
  SubscriptionId TakeId(CommitBuilder& commit);

 private:
  using ByName = absl::btree_map<std::string, std::shared_ptr<Subscription>, std::less<>>;

  absl::Status LoadSettings(const SubscriptionContext& context,
                            absl::btree_map<SubscriptionId, std::shared_ptr<Subscription>>* by_id);

  mutable Mutex mutex_;
  ByName subscriptions_ ABSL_GUARDED_BY(mutex_);

  // Commit thread only.
  ByName pending_;
  SubscriptionId next_id_{1};
};

}  // namespace eventhub
