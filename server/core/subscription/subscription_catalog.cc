#include "server/core/subscription/subscription_catalog.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "server/core/base/errors.h"
#include "server/core/subscription/dead_letter/dead_letter_office.h"
#include "server/core/subscription/subscription.h"
#include "server/core/subscription/subscription_settings.h"
#include "storage/base/status_macros.h"
#include "storage/key_codec.h"

namespace eventhub {
namespace {

constexpr uint32_t kCatalogVersion = 1;

absl::Status Damaged(absl::string_view what) {
  return absl::DataLossError(absl::StrCat(what, " is damaged"));
}

// Whether the value is a record of this kind with a known version.
template <typename Record>
bool Parse(absl::string_view value, Record* record) {
  return record->ParseFromArray(value.data(), static_cast<int>(value.size())) &&
         record->version() == kCatalogVersion;
}

absl::Status LoadEntry(const CursorsKey& key, absl::string_view value, Subscription& subscription) {
  const std::string what = absl::StrCat("state of subscription ", subscription.name());
  switch (key.kind) {
    case CursorsKind::kCursor: {
      stored::Cursor cursor;
      if (!Parse(value, &cursor)) return Damaged(what);
      return subscription.LoadCursor(key.partition, cursor);
    }
    case CursorsKind::kPending: {
      stored::Range range;
      if (!Parse(value, &range)) return Damaged(what);
      return subscription.LoadRange(key.partition, key.offset, range);
    }
    case CursorsKind::kDeadLetter:
      subscription.LoadDeadLetter();
      break;
    case CursorsKind::kSnapshot:
      break;
  }
  return absl::OkStatus();
}

}  // namespace

absl::Status SubscriptionCatalog::LoadSettings(
    const SubscriptionContext& context,
    absl::btree_map<SubscriptionId, std::shared_ptr<Subscription>>* by_id) {
  ASSIGN_OR_RETURN(const std::optional<std::string> next_id,
                   context.store.Get(Column::kMeta, kNextSubscriptionIdKey));
  if (next_id.has_value()) {
    if (next_id->size() != sizeof(uint32_t)) {
      return Damaged("the record of the next subscription id");
    }
    next_id_ = SubscriptionId(LoadLittle32(next_id->data()));
  }
  absl::flat_hash_map<TopicId, std::shared_ptr<Topic>> topics;
  for (const auto& topic : context.topics.List("", SIZE_MAX)) topics[topic->id()] = topic;
  absl::Status status;
  RETURN_IF_ERROR(context.store.Scan(
      Column::kMeta, kSubscriptionKeyPrefix, [&](absl::string_view key, absl::string_view value) {
        if (key.size() != SubscriptionKey(SubscriptionId()).size()) {
          status = Damaged("a key of a subscription");
          return false;
        }
        const SubscriptionId id = SubscriptionIdOf(key);
        stored::Subscription record;
        const bool sound =
            Parse(value, &record) && CheckSubscriptionSettings(record.settings()).ok() &&
            (!record.has_replay_filter() || CompileFilter(record.replay_filter()).ok());
        const auto topic = topics.find(TopicId(record.topic_id()));
        if (!sound || topic == topics.end() || pending_.contains(record.settings().name())) {
          status = Damaged(absl::StrCat("the record of subscription ", id.value()));
          return false;
        }
        auto subscription = std::make_shared<Subscription>(context, id, topic->second, record);
        by_id->emplace(id, subscription);
        pending_.emplace(subscription->name(), subscription);
        Add(std::move(subscription));
        return true;
      }));
  return status;
}

absl::Status SubscriptionCatalog::Load(const SubscriptionContext& context) {
  absl::btree_map<SubscriptionId, std::shared_ptr<Subscription>> by_id;
  RETURN_IF_ERROR(LoadSettings(context, &by_id));
  absl::Status status;
  RETURN_IF_ERROR(context.store.Scan(
      Column::kCursors, "", [&](absl::string_view encoded, absl::string_view value) {
        const std::optional<CursorsKey> key = ParseCursorsKey(encoded);
        const auto subscription = key.has_value() ? by_id.find(key->subscription) : by_id.end();
        status = subscription == by_id.end() ? Damaged("a key of the column cursors")
                                             : LoadEntry(*key, value, *subscription->second);
        return status.ok();
      }));
  RETURN_IF_ERROR(status);
  for (const auto& [id, subscription] : by_id) subscription->FinishLoading();
  return absl::OkStatus();
}

std::shared_ptr<Subscription> SubscriptionCatalog::Find(absl::string_view name) const {
  MutexLock lock(mutex_);
  const auto it = subscriptions_.find(name);
  return it == subscriptions_.end() ? nullptr : it->second;
}

absl::StatusOr<std::shared_ptr<Subscription>> SubscriptionCatalog::Require(
    absl::string_view field, absl::string_view name) const {
  if (name.empty()) return InvalidField(field, "is required");
  std::shared_ptr<Subscription> subscription = Find(name);
  if (subscription == nullptr) return SubscriptionNotFound(name);
  return subscription;
}

SubscriptionCatalog::Subscriptions SubscriptionCatalog::List(absl::string_view after,
                                                             size_t limit) const {
  Subscriptions list;
  MutexLock lock(mutex_);
  for (auto it = subscriptions_.upper_bound(after);
       it != subscriptions_.end() && list.size() < limit; ++it) {
    list.push_back(it->second);
  }
  return list;
}

SubscriptionCatalog::Subscriptions SubscriptionCatalog::Of(const Topic& topic) const {
  Subscriptions list;
  MutexLock lock(mutex_);
  for (const auto& [name, subscription] : subscriptions_) {
    if (subscription->topic().get() == &topic) list.push_back(subscription);
  }
  return list;
}

size_t SubscriptionCatalog::size() const {
  MutexLock lock(mutex_);
  return subscriptions_.size();
}

void SubscriptionCatalog::Add(std::shared_ptr<Subscription> subscription) {
  MutexLock lock(mutex_);
  subscriptions_[subscription->name()] = std::move(subscription);
}

void SubscriptionCatalog::Remove(Subscription& subscription) {
  {
    MutexLock lock(mutex_);
    const auto it = subscriptions_.find(subscription.name());
    if (it != subscriptions_.end() && it->second.get() == &subscription) subscriptions_.erase(it);
  }
  subscription.SetDeleted();
}

bool SubscriptionCatalog::AddPending(std::shared_ptr<Subscription> subscription) {
  return pending_.emplace(subscription->name(), subscription).second;
}

SubscriptionCatalog::Subscriptions SubscriptionCatalog::PendingOf(const Topic& topic) const {
  Subscriptions list;
  for (const auto& [name, subscription] : pending_) {
    if (subscription->topic().get() == &topic) list.push_back(subscription);
  }
  return list;
}

SubscriptionCatalog::Subscriptions SubscriptionCatalog::PendingWithDeadLettersIn(
    const Topic& topic) const {
  Subscriptions list;
  for (const auto& [name, subscription] : pending_) {
    if (subscription->submitted().settings().dead_letter_topic() == topic.name())
      list.push_back(subscription);
  }
  return list;
}

absl::StatusOr<SubscriptionCatalog::Subscriptions> SubscriptionCatalog::PendingWithOpenLettersIn(
    const LogStore& store, const Topic& topic, bool redriven) const {
  Subscriptions list;
  for (const auto& [name, subscription] : pending_) {
    if (!subscription->may_have_letters()) continue;
    ASSIGN_OR_RETURN(bool has, HasOpenLetters(store, subscription->id(), topic.id()));
    has = has || subscription->submitted().opened_letters_in.contains(topic.id());
    has = has || (redriven && subscription->FirstRedrivenFrom(topic.id(), std::nullopt));
    if (has) list.push_back(subscription);
  }
  return list;
}

void SubscriptionCatalog::Delete(Subscription& subscription, CommitBuilder& commit) {
  subscription.submitted().closing = true;
  commit.DeletePrefix(Column::kCursors, SubscriptionPrefix(subscription.id()));
  commit.DeletePrefix(Column::kMeta, FaultPrefix(subscription.id()));
  commit.Delete(Column::kMeta, SubscriptionKey(subscription.id()));
  pending_.erase(subscription.name());
}

SubscriptionId SubscriptionCatalog::TakeId(CommitBuilder& commit) {
  const SubscriptionId id = next_id_;
  next_id_ = SubscriptionId(id.value() + 1);
  std::string encoded;
  AppendLittle32(&encoded, next_id_.value());
  commit.Put(Column::kMeta, kNextSubscriptionIdKey, encoded);
  return id;
}

}  // namespace eventhub
