#include "client/cli/run/event_trace.h"

#include <algorithm>
#include <utility>

namespace eventhub::cli {
namespace {

// A hub takes 1,024 parts in a filter.
constexpr size_t kConditionsPerFilter = 900;

std::string Attribute(const v1::Event& event, const std::string& name) {
  const auto found = event.attributes().find(name);
  return found == event.attributes().end() ? "" : found->second.string();
}

bool ByAppendTime(const TracedPlace& a, const TracedPlace& b) {
  return std::tie(a.append_time, a.topic, a.partition, a.offset) <
         std::tie(b.append_time, b.topic, b.partition, b.offset);
}

}  // namespace

EventTrace::EventTrace(std::string id) {
  Ask(id, {.as_id = true, .as_cause = true, .as_correlation = true});
}

void EventTrace::Ask(absl::string_view id, Asked where) {
  if (id.empty()) return;
  Asked& asked = asked_[id];
  const auto ask = [&](bool Asked::*role, const char* attribute) {
    if (where.*role && !std::exchange(asked.*role, true)) {
      to_ask_.emplace_back(attribute, std::string(id));
    }
  };
  ask(&Asked::as_id, "id");
  ask(&Asked::as_cause, "causationid");
  ask(&Asked::as_correlation, "correlationid");
}

std::vector<client::Filter> EventTrace::TakeQueries() {
  std::vector<client::Filter> queries;
  for (size_t begin = 0; begin < to_ask_.size(); begin += kConditionsPerFilter) {
    std::vector<client::Filter> conditions;
    const size_t end = std::min(begin + kConditionsPerFilter, to_ask_.size());
    for (size_t i = begin; i < end; ++i) {
      conditions.push_back(client::Filter::Exact({{to_ask_[i].first, to_ask_[i].second}}));
    }
    queries.push_back(client::Filter::Any(conditions));
  }
  to_ask_.clear();
  return queries;
}

void EventTrace::Add(TracedPlace place, const v1::Event& event) {
  if (!places_.emplace(place.topic, place.partition, place.offset).second) return;
  place.subscription = Attribute(event, "deadlettersubscription");
  place.reason = Attribute(event, "deadletterreason");
  const auto [found, is_new] = index_.try_emplace({event.source(), event.id()}, events_.size());
  if (is_new) {
    events_.push_back({.id = event.id(),
                       .source = event.source(),
                       .type = event.type(),
                       .subject = event.subject(),
                       .causation_id = Attribute(event, "causationid"),
                       .correlation_id = Attribute(event, "correlationid"),
                       .places = {},
                       .effects = {}});
  }
  TracedEvent& traced = events_[found->second];
  traced.places.push_back(std::move(place));
  // The events of one chain usually have one correlation id, which is the id of its first event.
  Ask(traced.id, {.as_cause = true});
  Ask(traced.causation_id, {.as_id = true, .as_cause = true});
  Ask(traced.correlation_id, {.as_id = true, .as_correlation = true});
}

bool EventTrace::Follows(size_t cause, size_t effect) const {
  for (std::optional<size_t> event = cause; event.has_value(); event = causes_[*event]) {
    if (*event == effect) return true;
  }
  return false;
}

void EventTrace::Finish() {
  std::vector<size_t> order(events_.size());
  absl::flat_hash_map<std::string, std::vector<size_t>> by_id;
  for (size_t i = 0; i < events_.size(); ++i) {
    order[i] = i;
    std::sort(events_[i].places.begin(), events_[i].places.end(), ByAppendTime);
    by_id[events_[i].id].push_back(i);
  }
  std::sort(order.begin(), order.end(), [this](size_t a, size_t b) {
    return ByAppendTime(events_[a].places.front(), events_[b].places.front());
  });
  causes_.assign(events_.size(), std::nullopt);
  for (const size_t effect : order) {
    const auto found = by_id.find(events_[effect].causation_id);
    // An id is unique with its source only: of several events with it, the last one before counts.
    std::optional<size_t> cause;
    for (size_t i = 0; found != by_id.end() && i < found->second.size(); ++i) {
      const size_t candidate = found->second[i];
      if (Follows(candidate, effect)) continue;  // Events that claim to have caused each other.
      const bool before = events_[candidate].append_time() <= events_[effect].append_time();
      if (!cause.has_value() ||
          (before && events_[candidate].append_time() >= events_[*cause].append_time())) {
        cause = candidate;
      }
    }
    causes_[effect] = cause;
    if (cause.has_value()) {
      events_[*cause].effects.push_back(effect);
    } else {
      roots_.push_back(effect);
    }
  }
}

}  // namespace eventhub::cli
