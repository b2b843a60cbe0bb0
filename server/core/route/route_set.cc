#include "server/core/route/route_set.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"

namespace eventhub {
namespace {

constexpr size_t kMaxDecisions = 4096;

}  // namespace

RouteSet::RouteSet(std::vector<Entry> entries) : entries_(std::move(entries)) {
  for (uint32_t i = 0; i < entries_.size(); ++i) {
    const CompiledRoute& route = *entries_[i].route;
    if (route.settings().disabled()) continue;
    for (const Target& target : entries_[i].targets) {
      fan_out_ += 1 + (target.next == nullptr ? 0 : target.next->fan_out());
    }
    if (route.filter().has_value()) {
      has_filters_ = true;
    } else {
      unfiltered_.push_back(i);
    }
  }
}

RouteSet::Decision RouteSet::MakeDecision(absl::string_view event, absl::string_view type) const {
  Decision decision;
  for (uint32_t i = 0; i < entries_.size(); ++i) {
    const CompiledRoute& route = *entries_[i].route;
    if (route.settings().disabled() || !route.filter().has_value()) continue;
    if (route.by_source_and_type()) {
      if (route.Matches(event)) decision.matching.push_back(i);
      continue;
    }
    const auto& types = route.filter()->Types();
    if (!types.has_value() || std::binary_search(types->begin(), types->end(), type)) {
      decision.open.push_back(i);
    }
  }
  return decision;
}

const RouteSet::Decision& RouteSet::Decide(absl::string_view event, Recent& recent) const {
  const EventHead head = ReadEventHead(event);
  if (recent.decision != nullptr && head.type == recent.head.type &&
      head.source == recent.head.source) {
    return *recent.decision;
  }
  recent.head = head;
  // The length shows where the source ends and the type begins.
  const std::string key = absl::StrCat(head.source.size(), ":", head.source, head.type);
  {
    MutexLock lock(mutex_);
    const auto it = decisions_.find(key);
    if (it != decisions_.end()) return *(recent.decision = it->second.get());
  }
  auto made = std::make_unique<const Decision>(MakeDecision(event, head.type));
  MutexLock lock(mutex_);
  if (decisions_.size() >= kMaxDecisions) {
    recent.own.push_back(*made);
    return *(recent.decision = &recent.own.back());
  }
  return *(recent.decision = decisions_.emplace(key, std::move(made)).first->second.get());
}

}  // namespace eventhub
