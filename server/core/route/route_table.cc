#include "server/core/route/route_table.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "server/core/base/errors.h"
#include "server/core/event/event_filter.h"
#include "server/core/route/records.pb.h"
#include "server/core/route/route_settings.h"
#include "storage/base/check.h"
#include "storage/base/status_macros.h"
#include "storage/key_codec.h"

namespace eventhub {
namespace {

constexpr uint32_t kRouteVersion = 1;

absl::StatusOr<RouteIndex::RoutePtr> Decode(absl::string_view name, absl::string_view value,
                                            MemoryMeter& filter_memory) {
  stored::Route record;
  const bool parsed = record.ParseFromArray(value.data(), static_cast<int>(value.size()));
  if (parsed && record.version() == kRouteVersion && record.settings().name() == name &&
      CheckRouteSettings(record.settings(), EventRules::kStored).ok()) {
    absl::StatusOr<RouteIndex::RoutePtr> route =
        CompiledRoute::Make(record.settings(), std::make_shared<RouteCounters>(),
                            filter_memory.ForceTake(MemoryOf(record.settings().filter())));
    if (route.ok()) return route;
  }
  return absl::DataLossError(absl::StrCat("the record of route ", name, " is damaged"));
}

}  // namespace

absl::StatusOr<RouteIndex::RoutePtr> RouteTable::Compile(
    v1::Route settings, std::shared_ptr<RouteCounters> counters) const {
  const size_t wanted = MemoryOf(settings.filter());
  std::optional<MemoryMeter::Lease> memory = filter_memory_.Take(wanted);
  if (!memory.has_value()) return TooMuchForFilters(wanted, filter_memory_.limit());
  return CompiledRoute::Make(std::move(settings), std::move(counters), std::move(memory));
}

absl::Status RouteTable::Load(const LogStore& store) {
  absl::Status status;
  RETURN_IF_ERROR(store.Scan(
      Column::kMeta, kRouteKeyPrefix, [&](absl::string_view key, absl::string_view value) {
        auto route = Decode(key.substr(kRouteKeyPrefix.size()), value, filter_memory_);
        status = route.status();
        if (!status.ok()) return false;
        pending_.Put(*route);
        MakeVisible({*std::move(route), {}});
        return true;
      }));
  RETURN_IF_ERROR(status);
  std::vector<const v1::Route*> routes;
  absl::btree_set<std::string> sources;
  for (const auto& [name, route] : pending_.all()) {
    routes.push_back(&route->settings());
    sources.insert(route->settings().source_topic());
    if (topics_.Find(route->settings().source_topic()) == nullptr) {
      return absl::DataLossError(absl::StrCat("the source of route ", name, " is missing"));
    }
  }
  if (!CheckRouteGraph(routes).ok()) return absl::DataLossError("the routes make a loop");
  for (auto& [topic, set] : pending_.BuildSets(
           sources, [this](const std::string& name) { return topics_.Find(name); })) {
    if (set != nullptr) topics_.Find(topic)->SetRoutes(std::move(set));
  }
  return absl::OkStatus();
}

RouteTable::Known RouteTable::Find(absl::string_view name) const {
  MutexLock lock(mutex_);
  const auto it = visible_.find(name);
  return it == visible_.end() ? Known() : it->second;
}

std::vector<RouteTable::Known> RouteTable::List(absl::string_view after, size_t limit,
                                                absl::string_view topic) const {
  const auto concerns = [topic](const v1::Route& route) {
    const auto& targets = route.target_topics();
    return topic.empty() || route.source_topic() == topic ||
           std::find(targets.begin(), targets.end(), topic) != targets.end();
  };
  std::vector<Known> list;
  MutexLock lock(mutex_);
  for (auto it = visible_.upper_bound(after); it != visible_.end() && list.size() < limit; ++it) {
    if (concerns(it->second.route->settings())) list.push_back(it->second);
  }
  return list;
}

size_t RouteTable::size() const {
  MutexLock lock(mutex_);
  return visible_.size();
}

void RouteTable::MakeVisible(Known known) {
  const std::string name = known.route->name();
  MutexLock lock(mutex_);
  visible_[name] = std::move(known);
}

void RouteTable::Remove(absl::string_view name) {
  MutexLock lock(mutex_);
  const auto it = visible_.find(name);
  if (it != visible_.end()) visible_.erase(it);
}

void RouteTable::Put(std::shared_ptr<const CompiledRoute> route, CommitBuilder& commit) {
  stored::Route record;
  record.set_version(kRouteVersion);
  *record.mutable_settings() = route->settings();
  commit.Put(Column::kMeta, RouteKey(route->name()), record.SerializeAsString());
  const std::string source = route->settings().source_topic();
  pending_.Put(std::move(route));
  Rebuild(source);
}

void RouteTable::Delete(absl::string_view name, CommitBuilder& commit) {
  const RouteIndex::RoutePtr route = pending_.Find(name);
  EVENTHUB_CHECK(route != nullptr, "only routes that exist are deleted");
  commit.Delete(Column::kMeta, RouteKey(name));
  const std::string source = route->settings().source_topic();
  pending_.Erase(name);
  Rebuild(source);
}

bool RouteTable::MayChange(const std::string& topic) const {
  for (const std::string& name : pending_.UpstreamOf(topic)) {
    const std::shared_ptr<Topic> source = topics_.Find(name);
    if (source != nullptr && source->plan_renewals() > 0) return false;
  }
  return true;
}

void RouteTable::TopicChanged(const std::string& name) {
  if (!pending_.To(name).empty()) Rebuild(name);
}

void RouteTable::Rebuild(const std::string& topic) {
  const auto find = [this](const std::string& name) { return topics_.Find(name); };
  for (auto& [name, set] : pending_.BuildSets(pending_.UpstreamOf(topic), find)) {
    const std::shared_ptr<Topic> source = topics_.Find(name);
    if (source != nullptr) source->SetRoutes(std::move(set));
  }
}

}  // namespace eventhub
