#include "server/core/link/link_catalog.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "absl/container/flat_hash_map.h"
#include "server/core/base/errors.h"
#include "server/core/link/link_settings.h"
#include "storage/base/status_macros.h"
#include "storage/key_codec.h"

namespace eventhub {
namespace {

constexpr uint32_t kLinkVersion = 1;

template <typename Record>
bool ParseLinkRecord(absl::string_view value, Record* record) {
  return record->ParseFromArray(value.data(), static_cast<int>(value.size())) &&
         record->version() == kLinkVersion;
}

}  // namespace

absl::Status LinkCatalog::Load(const LogStore& store, const TopicCatalog& topics, absl::Time now) {
  absl::flat_hash_map<LinkId, std::shared_ptr<Link>> by_id;
  absl::Status status;
  RETURN_IF_ERROR(store.Scan(
      Column::kMeta, kLinkKeyPrefix, [&](absl::string_view key, absl::string_view value) {
        const std::optional<LinkId> id = ParseLinkKey(key);
        stored::Link record;
        if (id.has_value() && ParseLinkRecord(value, &record) &&
            CheckLinkSettings(record.settings()).ok()) {
          std::shared_ptr<Topic> topic = topics.Find(record.settings().local_topic());
          if (topic != nullptr && topic->id() == TopicId(record.topic_id())) {
            auto link = std::make_shared<Link>(*id, std::move(topic), std::move(record), now,
                                               store.visible_commits());
            by_id.emplace(*id, link);
            next_id_ = std::max(next_id_, id->value() + 1);
            pending_.emplace(link->name(), link);
            Add(std::move(link));
            return true;
          }
        }
        status = absl::DataLossError("the record of a link is damaged");
        return false;
      }));
  RETURN_IF_ERROR(status);
  RETURN_IF_ERROR(store.Scan(
      Column::kMeta, kLinkPositionKeyPrefix, [&](absl::string_view key, absl::string_view value) {
        const auto place = ParseLinkPositionKey(key);
        const auto link = place.has_value() ? by_id.find(place->first) : by_id.end();
        stored::LinkPosition record;
        if (link == by_id.end() || !ParseLinkRecord(value, &record)) {
          status = absl::DataLossError("the record of a link's position is damaged");
          return false;
        }
        link->second->LoadPosition(place->second, record);
        return true;
      }));
  return status;
}

std::shared_ptr<Link> LinkCatalog::Find(absl::string_view name) const {
  MutexLock lock(mutex_);
  const auto it = links_.find(name);
  return it == links_.end() ? nullptr : it->second;
}

std::vector<std::shared_ptr<Link>> LinkCatalog::List(absl::string_view after, size_t limit) const {
  std::vector<std::shared_ptr<Link>> list;
  MutexLock lock(mutex_);
  for (auto it = links_.upper_bound(after); it != links_.end() && list.size() < limit; ++it) {
    list.push_back(it->second);
  }
  return list;
}

size_t LinkCatalog::size() const {
  MutexLock lock(mutex_);
  return links_.size();
}

void LinkCatalog::Add(std::shared_ptr<Link> link) {
  {
    MutexLock lock(mutex_);
    links_[link->name()] = std::move(link);
  }
  NotifyChange();
}

void LinkCatalog::Remove(const Link& link) {
  {
    MutexLock lock(mutex_);
    const auto it = links_.find(link.name());
    if (it != links_.end() && it->second.get() == &link) links_.erase(it);
  }
  NotifyChange();
}

void LinkCatalog::NotifyChange() {
  {
    MutexLock lock(mutex_);
    ++changes_;
  }
  changed_.NotifyAll();
}

uint64_t LinkCatalog::AwaitChange(uint64_t seen) {
  MutexLock lock(mutex_);
  while (changes_ == seen) changed_.Wait(mutex_);
  return changes_;
}

absl::Status LinkCatalog::AddPending(std::shared_ptr<Link> link) {
  if (pending_.contains(link->name())) return LinkExists(link->name());
  if (pending_.size() >= kMaxLinks) return TooManyLinks(kMaxLinks);
  pending_.emplace(link->name(), link);
  return absl::OkStatus();
}

std::vector<std::string> LinkCatalog::NamesInto(const Topic& topic) const {
  std::vector<std::string> names;
  for (const auto& [name, link] : pending_) {
    if (link->topic().get() == &topic) names.push_back(name);
  }
  return names;
}

}  // namespace eventhub
