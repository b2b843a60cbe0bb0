#include "server/core/route/route_plan.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "proto/wire/event_rules.h"
#include "server/core/base/errors.h"
#include "server/core/event/event_head.h"
#include "server/core/event/event_slice.h"
#include "server/core/topic/topic_log.h"

namespace eventhub {
namespace {

// The size limit for the copies of one append: that of a write.
constexpr size_t kMaxCopiedBytes = size_t{256} << 20;
constexpr size_t kMaxCopies = 1'000'000;

constexpr absl::string_view kNoTopic = "it does not exist";
constexpr absl::string_view kTooManyAttributes = "it would have more than 512 attributes";

std::string TooLarge(size_t bytes, uint32_t limit) {
  return absl::StrCat("it has ", bytes, " bytes; the topic accepts at most ", limit);
}

// An event that passed a filter, or its copy.
struct Copy {
  absl::string_view field;    // With tag and length; empty: the copy is impossible.
  absl::string_view message;  // Without tag and length.
  uint32_t partition;         // The partition in the source.
};

// Makes a plan, level by level: the copies of one level are the events of the next.
class Planner {
 public:
  Planner(RoutePlan& plan, bool accepted) : plan_(plan), accepted_(accepted) {}

  // Plans the routes of `set` for events of its topic. Returns the number of events that no route
  // matches.
  uint32_t Plan(const RouteSet& set, const std::vector<PartitionAppend>& runs, uint32_t layout);

 private:
  struct Level {
    const std::vector<PartitionAppend>& runs;
    uint32_t layout;
    uint32_t count = 0;
    size_t bytes = 0;
  };

  bool stopped() const { return !plan_.refusal.ok(); }
  void Refuse(absl::Status why, const CompiledRoute* route = nullptr);

  uint32_t RunFilters(const RouteSet& set, const Level& level,
                      std::vector<std::vector<Copy>>* passed);
  // `passed`: the matching events; null if all events of the level match.
  void PlanRoute(const RouteSet::Entry& entry, const Level& level, const std::vector<Copy>* passed);
  bool SharesBytes(const RouteSet::Target& target, const Level& level) const;
  void Share(const TopicView& view, const Level& level, RouteHop& hop);
  std::vector<Copy> Edited(const EventEdit& edit, const std::vector<Copy>& events,
                           SharedBytes* region) const;
  // The copies that the target can accept.
  std::vector<Copy> Takeable(const std::vector<Copy>& copies, const TopicView& view, RouteHop& hop);
  void Place(const std::vector<Copy>& copies, const TopicView& view, const Level& level,
             RouteHop& hop);
  void Finish(RouteHop& hop, const TopicView& view);

  RoutePlan& plan_;
  const bool accepted_;
  size_t copies_ = 0;
};

std::vector<Copy> EventsOf(const std::vector<PartitionAppend>& runs, uint32_t count) {
  std::vector<Copy> events;
  events.reserve(count);
  for (const PartitionAppend& run : runs) {
    EventWalker walker(run.events);
    for (SlicedEvent event; walker.Next(&event);) {
      events.push_back({event.field, event.message, run.log->id().value()});
    }
  }
  return events;
}

void Planner::Refuse(absl::Status why, const CompiledRoute* route) {
  if (stopped()) return;
  plan_.refusal = std::move(why);
  plan_.refused_by = route;
}

uint32_t Planner::Plan(const RouteSet& set, const std::vector<PartitionAppend>& runs,
                       uint32_t layout) {
  Level level{runs, layout};
  for (const PartitionAppend& run : runs) {
    level.count += run.count;
    level.bytes += run.events.size();
  }
  std::vector<std::vector<Copy>> passed;
  uint32_t untaken = set.unfiltered().empty() ? level.count : 0;
  if (set.has_filters()) untaken = RunFilters(set, level, &passed);
  for (uint32_t i = 0; i < set.entries().size() && !stopped(); ++i) {
    const RouteSet::Entry& entry = set.entries()[i];
    if (entry.route->settings().disabled()) continue;
    const bool all = !entry.route->filter().has_value() || passed[i].size() == level.count;
    if (all || !passed[i].empty()) PlanRoute(entry, level, all ? nullptr : &passed[i]);
  }
  return untaken;
}

uint32_t Planner::RunFilters(const RouteSet& set, const Level& level,
                             std::vector<std::vector<Copy>>* passed) {
  passed->resize(set.entries().size());
  uint32_t untaken = 0;
  RouteSet::Recent recent;
  for (const PartitionAppend& run : level.runs) {
    EventWalker walker(run.events);
    for (SlicedEvent event; walker.Next(&event);) {
      const Copy copy{event.field, event.message, run.log->id().value()};
      const RouteSet::Decision& decision = set.Decide(event.message, recent);
      bool taken = !decision.matching.empty() || !set.unfiltered().empty();
      for (const uint32_t i : decision.matching) (*passed)[i].push_back(copy);
      for (const uint32_t i : decision.open) {
        if (!set.entries()[i].route->Matches(event.message)) continue;
        (*passed)[i].push_back(copy);
        taken = true;
      }
      if (!taken) ++untaken;
    }
  }
  return untaken;
}

void Planner::PlanRoute(const RouteSet::Entry& entry, const Level& level,
                        const std::vector<Copy>* passed) {
  const CompiledRoute& route = *entry.route;
  const uint32_t matched = passed == nullptr ? level.count : static_cast<uint32_t>(passed->size());
  std::vector<Copy> events;  // Filled when events are needed one by one.
  std::vector<Copy> edited;
  SharedBytes region;  // The bytes of `edited`.
  const std::vector<Copy>* copies = route.edit().nothing() ? passed : nullptr;
  for (const RouteSet::Target& target : entry.targets) {
    RouteHop& hop = plan_.hops.emplace_back();
    hop.route = &route;
    hop.target = &target;
    hop.matched = &target == &entry.targets.front() ? matched : 0;
    if (target.topic == nullptr) {
      hop.skipped = matched;
      hop.skip_reason = std::string(kNoTopic);
      hop.end = plan_.hops.size();
      if (route.skips()) continue;
      return Refuse(RouteTargetUnavailable(route.name(), target.name, kNoTopic), &route);
    }
    const std::shared_ptr<const TopicView> view = target.topic->view();
    if (passed == nullptr && route.edit().nothing() && SharesBytes(target, level)) {
      Share(*view, level, hop);
    } else {
      if (copies == nullptr) {
        if (passed == nullptr && events.empty()) events = EventsOf(level.runs, level.count);
        copies = passed != nullptr ? passed : &events;
        if (!route.edit().nothing()) {
          edited = Edited(route.edit(), *copies, &region);
          copies = &edited;
        }
      }
      Place(*copies, *view, level, hop);
    }
    if (stopped()) return;
    Finish(hop, *view);
    if (stopped()) return;
  }
}

bool Planner::SharesBytes(const RouteSet::Target& target, const Level& level) const {
  const std::shared_ptr<const TopicView> view = target.topic->view();
  if (view->partitions.size() != 1 && view->partitions.size() != level.layout) return false;
  const uint32_t limit = view->settings->max_event_bytes();
  return std::all_of(level.runs.begin(), level.runs.end(), [limit](const PartitionAppend& run) {
    if (run.events.size() <= limit) return true;
    EventWalker walker(run.events);
    for (SlicedEvent event; walker.Next(&event);) {
      if (event.message.size() > limit) return false;
    }
    return true;
  });
}

void Planner::Share(const TopicView& view, const Level& level, RouteHop& hop) {
  hop.appends.reserve(level.runs.size());
  for (const PartitionAppend& run : level.runs) {
    const size_t partition = view.partitions.size() == 1 ? 0 : run.log->id().value();
    hop.appends.push_back({view.partitions[partition], run.events, run.count});
  }
  hop.count = level.count;
  hop.bytes = level.bytes;
}

std::vector<Copy> Planner::Edited(const EventEdit& edit, const std::vector<Copy>& events,
                                  SharedBytes* region) const {
  std::string bytes;
  std::vector<size_t> ends;
  ends.reserve(events.size());
  for (const Copy& event : events) {
    edit.Apply(event.message, &bytes);
    ends.push_back(bytes.size());
  }
  *region = SharedBytes::Copy(bytes);
  std::vector<Copy> copies;
  copies.reserve(events.size());
  size_t begin = 0;
  for (size_t i = 0; i < events.size(); begin = ends[i++]) {
    Copy copy{region->view().substr(begin, ends[i] - begin), {}, events[i].partition};
    if (!copy.field.empty()) {
      SlicedEvent event;
      const SharedBytes field = region->Sub(copy.field);
      EventWalker(field).Next(&event);
      copy.message = event.message;
    }
    copies.push_back(copy);
  }
  return copies;
}

std::vector<Copy> Planner::Takeable(const std::vector<Copy>& copies, const TopicView& view,
                                    RouteHop& hop) {
  const uint32_t limit = view.settings->max_event_bytes();
  std::vector<Copy> taken;
  taken.reserve(copies.size());
  for (const Copy& copy : copies) {
    if (!copy.field.empty() && copy.message.size() <= limit) {
      taken.push_back(copy);
      continue;
    }
    ++hop.skipped;
    hop.skip_reason =
        copy.field.empty() ? std::string(kTooManyAttributes) : TooLarge(copy.message.size(), limit);
    if (hop.route->skips() || accepted_) continue;
    Refuse(RouteTargetUnavailable(hop.route->name(), hop.target->name, hop.skip_reason), hop.route);
    break;
  }
  return taken;
}

void Planner::Place(const std::vector<Copy>& copies, const TopicView& view, const Level& level,
                    RouteHop& hop) {
  const std::vector<Copy> taken = Takeable(copies, view, hop);
  for (const Copy& copy : taken) hop.bytes += copy.field.size();
  hop.count = static_cast<uint32_t>(taken.size());
  if (stopped() || taken.empty()) return;
  const auto partitions = static_cast<uint32_t>(view.partitions.size());
  // Events whose key is unchanged stay in their partition.
  const bool same_layout = !hop.route->edit().sets_key() && partitions == level.layout;
  std::vector<uint32_t> partition_of(taken.size(), 0);
  if (partitions > 1) {
    const uint32_t keyless =
        same_layout ? 0 : hop.target->topic->NextKeylessPartition(hop.bytes, partitions);
    for (size_t i = 0; i < taken.size(); ++i) {
      if (same_layout) {
        partition_of[i] = taken[i].partition;
        continue;
      }
      const absl::string_view key = ReadEventHead(taken[i].message).key;
      partition_of[i] = key.empty() ? keyless : wire::PartitionOfKey(key, partitions);
    }
  }
  hop.appends = Distribute(
      partition_of, [&](uint32_t i) { return taken[i].field; }, hop.bytes, view.partitions);
}

void Planner::Finish(RouteHop& hop, const TopicView& view) {
  plan_.bytes += hop.bytes;
  copies_ += hop.count;
  if (plan_.bytes > kMaxCopiedBytes || copies_ > kMaxCopies) {
    return Refuse(TooManyCopies(hop.route->settings().source_topic()));
  }
  const RouteSet* const next = hop.target->next.get();
  hop.untaken = hop.count;
  if (next != nullptr && hop.count > 0) {
    hop.untaken = Plan(*next, hop.appends, static_cast<uint32_t>(view.partitions.size()));
  }
  hop.end = plan_.hops.size();
}

// Calls `visit` with each hop that is carried out.
template <typename Plan, typename Visit>
void ForEachHop(Plan& plan, Visit visit) {
  for (size_t i = 0; i < plan.hops.size();) {
    auto& hop = plan.hops[i];
    visit(hop);
    i = hop.full ? hop.end : i + 1;
  }
}

absl::Status Fail(const CompiledRoute& route, absl::Status why, absl::Time now) {
  route.counters().failed_requests.Add(1);
  route.counters().NoteFailure(why.message(), now);
  return why;
}

}  // namespace

std::unique_ptr<RoutePlan> PlanRoutes(std::shared_ptr<const RouteSet> set,
                                      const std::vector<PartitionAppend>& appends, uint32_t layout,
                                      bool accepted) {
  auto plan = std::make_unique<RoutePlan>();
  plan->set = std::move(set);
  plan->untaken = Planner(*plan, accepted).Plan(*plan->set, appends, layout);
  return plan;
}

absl::Status SettleRoutes(RoutePlan& plan, absl::Time now) {
  if (!plan.refusal.ok()) {
    return plan.refused_by == nullptr ? plan.refusal : Fail(*plan.refused_by, plan.refusal, now);
  }
  for (size_t i = 0; i < plan.hops.size();) {
    RouteHop& hop = plan.hops[i];
    hop.full = hop.count > 0 && !CheckNotFull(*hop.target->topic).ok();
    if (hop.full) {
      const Topic& topic = *hop.target->topic;
      const std::string why(CheckNotFull(topic).message());
      if (!hop.route->skips()) {
        return Fail(*hop.route, RouteTargetUnavailable(hop.route->name(), topic.name(), why), now);
      }
      hop.skipped += hop.count;
      hop.skip_reason = why;
    }
    i = hop.full ? hop.end : i + 1;
  }
  ForEachHop(plan, [now](const RouteHop& hop) {
    if (hop.skipped == 0) return;
    hop.route->counters().NoteFailure(
        absl::StrCat("topic ", hop.target->name, " cannot take the copy: ", hop.skip_reason), now);
  });
  return absl::OkStatus();
}

void ApplyRoutes(RoutePlan& plan, const TypeSummary& types, CommitBuilder& commit) {
  ForEachHop(plan, [&](RouteHop& hop) {
    if (hop.full || hop.count == 0) return;
    hop.unkept = hop.target->topic->keeps_nothing();
    for (PartitionAppend& run : hop.appends) AppendRun(*hop.target->topic, run, types, commit);
  });
}

void CountRoutes(const RoutePlan& plan) {
  ForEachHop(plan, [](const RouteHop& hop) {
    RouteCounters& counters = hop.route->counters();
    counters.matched_events.Add(hop.matched);
    if (hop.skipped > 0) counters.skipped_events.Add(hop.skipped);
    if (hop.full || hop.count == 0) return;
    counters.copied_events.Add(hop.count);
    counters.copied_bytes.Add(hop.bytes);
    hop.target->topic->counters().routed_events.Add(hop.count);
    if (hop.unkept) hop.target->topic->counters().unrouted_events.Add(hop.untaken);
  });
}

}  // namespace eventhub
