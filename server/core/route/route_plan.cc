#include "server/core/route/route_plan.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "proto/wire/event_rules.h"
#include "server/core/base/errors.h"
#include "server/core/event/event_head.h"
#include "server/core/event/event_slice.h"
#include "server/core/topic/topic_log.h"

namespace eventhub {
namespace {

// Bounds the time that a commit takes, and the memory for copies of tiny events.
constexpr size_t kMaxCopies = 1'000'000;
// Taken at once where the size of copies is not known before they are made.
constexpr size_t kMoreBytes = size_t{64} << 10;

// Commits take some ten milliseconds.
constexpr absl::Duration kRetryDelay = absl::Milliseconds(100);

constexpr absl::string_view kNoTopic = "it does not exist";
constexpr absl::string_view kTooManyAttributes = "it would have more than 512 attributes";
constexpr absl::string_view kNoMemory = "the copies would take more memory than the hub has";

// The work that an evaluation counts as besides the text that it examines. Bytes.
constexpr size_t kEvaluationWork = 64;

std::string TooLarge(size_t bytes, uint32_t limit) {
  return absl::StrCat("it has ", bytes, " bytes; the topic accepts at most ", limit);
}

// An event, or its copy.
struct Copy {
  const char* begin;        // Of the field.
  uint32_t bytes;           // Of the field, with tag and length; 0: the copy is impossible.
  uint32_t partition : 24;  // The partition in the source.
  uint32_t head : 8;        // The bytes of tag and length.

  absl::string_view field() const { return {begin, bytes}; }
  absl::string_view message() const { return field().substr(head); }
};

Copy CopyOf(const SlicedEvent& event, uint32_t partition) {
  return {event.field.data(), static_cast<uint32_t>(event.field.size()), partition,
          static_cast<uint32_t>(event.field.size() - event.message.size())};
}

size_t BytesOf(const std::vector<Copy>& copies) {
  size_t bytes = 0;
  for (const Copy& copy : copies) bytes += copy.bytes;
  return bytes;
}

// Makes a plan, level by level: the copies of one level are the events of the next.
class Planner {
 public:
  Planner(RoutePlan& plan, PlanFor reason, size_t* budget)
      : plan_(plan), reason_(reason), budget_(budget) {}

  // Plans the routes of `set` for events of its topic. Returns the number of events that no route
  // matches.
  uint32_t Plan(const RouteSet& set, const std::vector<PartitionAppend>& runs, uint32_t layout);

  // Whether the budget was used up, so that the plan is incomplete.
  bool given_up() const { return given_up_; }

 private:
  // The events of a topic.
  struct Level {
    const std::vector<PartitionAppend>& runs;
    uint32_t layout;
    uint32_t count = 0;
    size_t bytes = 0;
    std::vector<Copy> events = {};  // Filled when events are needed one by one.
  };
  // The events of a level that a route matches, as the route changes them.
  struct Edited {
    std::vector<Copy> copies;
    SharedBytes region;   // Null: the bytes are those of the level.
    size_t memory = 0;    // Of the region.
    bool shared = false;  // Some hop refers to the region.
  };

  bool stopped() const { return given_up_ || !plan_.refusal.ok(); }
  bool accepted() const { return reason_ == PlanFor::kAccepted; }
  void Refuse(absl::Status why, const CompiledRoute* route = nullptr);

  // Takes memory for bytes to be made. If it returns false, and the plan is not refused, the copies
  // are to be skipped.
  bool Take(size_t bytes, const CompiledRoute& route);
  // The same for copies that are to be committed, whether or not they share bytes.
  bool Admit(uint32_t count, size_t bytes, const CompiledRoute& route);
  void Skip(RouteHop& hop, uint32_t count, absl::string_view why);

  const std::vector<Copy>& EventsOf(Level& level);
  // Returns the indices of the events that the filters match, by entry.
  std::vector<std::vector<uint32_t>> RunFilters(const RouteSet& set, Level& level,
                                                uint32_t* untaken);
  bool Matches(const CompiledRoute& route, absl::string_view event);
  // The entries of `decision.open` whose filters match, from the results of the plan.
  const std::vector<uint32_t>& ResultOf(const RouteSet& set, const RouteSet::Decision& decision,
                                        absl::string_view event);
  // `passed`: the matching events; null if all events of the level match.
  void PlanRoute(const RouteSet::Entry& entry, Level& level, const std::vector<uint32_t>* passed);
  // Plans the copies to one target. False: they are skipped, or the plan is refused.
  bool PlanTarget(const TopicView& view, Level& level, const std::vector<uint32_t>* passed,
                  std::optional<Edited>& edited, RouteHop& hop);
  bool SharesBytes(const TopicView& view, const Level& level) const;
  static void Share(const TopicView& view, const Level& level, RouteHop& hop);
  std::optional<Edited> Edit(const CompiledRoute& route, Level& level,
                             const std::vector<uint32_t>* passed);
  // The copies that the target can accept.
  std::vector<Copy> Takeable(const std::vector<Copy>& copies, const TopicView& view, RouteHop& hop);
  bool Place(Edited& edited, const TopicView& view, const Level& level, RouteHop& hop);
  void Finish(RouteHop& hop, const TopicView& view);

  RoutePlan& plan_;
  const PlanFor reason_;
  size_t* const budget_;
  bool given_up_ = false;
  size_t copies_ = 0;
};

void Planner::Refuse(absl::Status why, const CompiledRoute* route) {
  if (stopped()) return;
  plan_.refusal = std::move(why);
  plan_.refused_by = route;
}

bool Planner::Take(size_t bytes, const CompiledRoute& route) {
  const bool fits = plan_.memory.Fits(bytes);
  if (reason_ == PlanFor::kSubset || (accepted() && fits)) {
    plan_.memory.ForceTake(bytes);
    return true;
  }
  if (accepted()) return false;
  if (fits && plan_.memory.Take(bytes)) return true;
  const std::string& topic = route.settings().source_topic();
  Refuse(fits ? CopiesInFlight(topic, kRetryDelay) : TooManyCopies(topic));
  return false;
}

bool Planner::Admit(uint32_t count, size_t bytes, const CompiledRoute& route) {
  const bool fits = copies_ + count <= kMaxCopies && plan_.memory.FitsAlone(plan_.bytes + bytes);
  if (fits || reason_ == PlanFor::kSubset) return true;
  if (!accepted()) Refuse(TooManyCopies(route.settings().source_topic()));
  return false;
}

void Planner::Skip(RouteHop& hop, uint32_t count, absl::string_view why) {
  hop.skipped += count;
  hop.skip_reason = std::string(why);
}

const std::vector<Copy>& Planner::EventsOf(Level& level) {
  if (!level.events.empty()) return level.events;
  level.events.reserve(level.count);
  for (const PartitionAppend& run : level.runs) {
    EventWalker walker(run.events);
    for (SlicedEvent event; walker.Next(&event);) {
      level.events.push_back(CopyOf(event, run.log->id().value()));
    }
  }
  return level.events;
}

uint32_t Planner::Plan(const RouteSet& set, const std::vector<PartitionAppend>& runs,
                       uint32_t layout) {
  Level level{runs, layout};
  for (const PartitionAppend& run : runs) {
    level.count += run.count;
    level.bytes += run.events.size();
  }
  std::vector<std::vector<uint32_t>> passed;
  uint32_t untaken = set.unfiltered().empty() ? level.count : 0;
  if (set.has_filters()) passed = RunFilters(set, level, &untaken);
  for (uint32_t i = 0; i < set.entries().size() && !stopped(); ++i) {
    const RouteSet::Entry& entry = set.entries()[i];
    if (entry.route->settings().disabled()) continue;
    const bool all = !entry.route->filter().has_value() || passed[i].size() == level.count;
    if (all || !passed[i].empty()) PlanRoute(entry, level, all ? nullptr : &passed[i]);
  }
  return untaken;
}

std::vector<std::vector<uint32_t>> Planner::RunFilters(const RouteSet& set, Level& level,
                                                       uint32_t* untaken) {
  std::vector<std::vector<uint32_t>> passed(set.entries().size());
  *untaken = 0;
  size_t matches = 0;
  RouteSet::Recent recent;
  const std::vector<Copy>& events = EventsOf(level);
  for (uint32_t at = 0; at < events.size() && !stopped(); ++at) {
    const absl::string_view event = events[at].message();
    const RouteSet::Decision& decision = set.Decide(event, recent);
    const size_t before = matches;
    const auto pass = [&](uint32_t entry) {
      passed[entry].push_back(at);
      ++matches;
    };
    for (const uint32_t entry : decision.matching) pass(entry);
    if (plan_.results == nullptr) {
      for (const uint32_t entry : decision.open) {
        if (Matches(*set.entries()[entry].route, event)) pass(entry);
      }
    } else if (!decision.open.empty()) {
      for (const uint32_t entry : ResultOf(set, decision, event)) pass(entry);
    }
    if (matches == before && set.unfiltered().empty()) ++*untaken;
    if (matches > kMaxCopies && reason_ == PlanFor::kPublisher) {
      Refuse(TooManyCopies(set.entries().front().route->settings().source_topic()));
    }
  }
  return passed;
}

bool Planner::Matches(const CompiledRoute& route, absl::string_view event) {
  if (budget_ == nullptr) return route.Matches(event);
  if (stopped()) return false;
  // An evaluation that is given up uses the budget up, and is counted where the plan is made.
  size_t work = 0;
  const bool matches = route.Filter(event, &work) == FilterResult::kPasses;
  work += kEvaluationWork;
  given_up_ = work > *budget_;
  *budget_ -= std::min(work, *budget_);
  return matches;
}

const std::vector<uint32_t>& Planner::ResultOf(const RouteSet& set,
                                               const RouteSet::Decision& decision,
                                               absl::string_view event) {
  if (const std::vector<uint32_t>* const known = plan_.results->Find(set, event)) return *known;
  std::vector<uint32_t> matching;
  for (const uint32_t entry : decision.open) {
    if (Matches(*set.entries()[entry].route, event)) matching.push_back(entry);
  }
  return plan_.results->Add(set, event, std::move(matching));
}

void Planner::PlanRoute(const RouteSet::Entry& entry, Level& level,
                        const std::vector<uint32_t>* passed) {
  const CompiledRoute& route = *entry.route;
  const uint32_t matched = passed == nullptr ? level.count : static_cast<uint32_t>(passed->size());
  std::optional<Edited> edited;
  for (const RouteSet::Target& target : entry.targets) {
    RouteHop& hop = plan_.hops.emplace_back();
    hop.route = &route;
    hop.target = &target;
    hop.matched = &target == &entry.targets.front() ? matched : 0;
    if (target.topic == nullptr) {
      Skip(hop, matched, kNoTopic);
      hop.end = plan_.hops.size();
      if (route.skips()) continue;
      return Refuse(RouteTargetUnavailable(route.name(), target.name, kNoTopic), &route);
    }
    const std::shared_ptr<const TopicView> view = target.topic->view();
    const bool planned = PlanTarget(*view, level, passed, edited, hop);
    if (stopped()) return;
    if (!planned) {
      hop.appends.clear();
      hop.count = 0;
      hop.bytes = 0;
      hop.skipped = 0;
      Skip(hop, matched, kNoMemory);
    }
    Finish(hop, *view);
    if (stopped()) return;
  }
  if (edited.has_value() && !edited->shared) plan_.memory.Drop(edited->memory);
}

bool Planner::PlanTarget(const TopicView& view, Level& level, const std::vector<uint32_t>* passed,
                         std::optional<Edited>& edited, RouteHop& hop) {
  const CompiledRoute& route = *hop.route;
  if (passed == nullptr && route.edit().nothing() && SharesBytes(view, level)) {
    if (!Admit(level.count, level.bytes, route)) return false;
    Share(view, level, hop);
    return true;
  }
  if (!edited.has_value()) edited = Edit(route, level, passed);
  return edited.has_value() && Place(*edited, view, level, hop);
}

bool Planner::SharesBytes(const TopicView& view, const Level& level) const {
  if (view.partitions.size() != 1 && view.partitions.size() != level.layout) return false;
  const uint32_t limit = view.settings->max_event_bytes();
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

std::optional<Planner::Edited> Planner::Edit(const CompiledRoute& route, Level& level,
                                             const std::vector<uint32_t>* passed) {
  const std::vector<Copy>& all = EventsOf(level);
  Edited edited;
  if (passed == nullptr) {
    edited.copies = all;
  } else {
    edited.copies.reserve(passed->size());
    for (const uint32_t at : *passed) edited.copies.push_back(all[at]);
  }
  const EventEdit& edit = route.edit();
  if (edit.nothing()) return edited;
  size_t taken = BytesOf(edited.copies) + edited.copies.size() * edit.growth();
  if (!Admit(static_cast<uint32_t>(edited.copies.size()), 0, route) || !Take(taken, route)) {
    return std::nullopt;
  }
  std::string bytes;
  bytes.reserve(taken);
  for (Copy& copy : edited.copies) {
    const size_t begin = bytes.size();
    edit.Apply(copy.message(), &bytes);
    copy.bytes = static_cast<uint32_t>(bytes.size() - begin);
    if (bytes.size() <= taken) continue;
    // The keys, taken from attributes, are long.
    const size_t more = bytes.size() - taken + kMoreBytes;
    if (!Take(more, route)) {
      plan_.memory.Drop(taken);
      return std::nullopt;
    }
    taken += more;
  }
  edited.memory = taken;
  edited.region = SharedBytes::Own(std::move(bytes));
  size_t begin = 0;
  for (Copy& copy : edited.copies) {
    if (copy.bytes == 0) continue;
    const SharedBytes field = edited.region.Sub(edited.region.view().substr(begin, copy.bytes));
    SlicedEvent event;
    EventWalker(field).Next(&event);
    copy = CopyOf(event, copy.partition);
    begin += copy.bytes;
  }
  return edited;
}

std::vector<Copy> Planner::Takeable(const std::vector<Copy>& copies, const TopicView& view,
                                    RouteHop& hop) {
  const uint32_t limit = view.settings->max_event_bytes();
  std::vector<Copy> taken;
  taken.reserve(copies.size());
  for (const Copy& copy : copies) {
    if (copy.bytes > 0 && copy.message().size() <= limit) {
      taken.push_back(copy);
      continue;
    }
    Skip(
        hop, 1,
        copy.bytes == 0 ? std::string(kTooManyAttributes) : TooLarge(copy.message().size(), limit));
    if (hop.route->skips() || accepted()) continue;
    Refuse(RouteTargetUnavailable(hop.route->name(), hop.target->name, hop.skip_reason), hop.route);
    break;
  }
  return taken;
}

bool Planner::Place(Edited& edited, const TopicView& view, const Level& level, RouteHop& hop) {
  const std::vector<Copy> taken = Takeable(edited.copies, view, hop);
  if (stopped()) return false;
  if (taken.empty()) return true;
  hop.count = static_cast<uint32_t>(taken.size());
  hop.bytes = BytesOf(taken);
  if (!Admit(hop.count, hop.bytes, *hop.route)) return false;
  const auto partitions = static_cast<uint32_t>(view.partitions.size());
  if (partitions == 1 && hop.bytes == edited.region.size()) {
    for (EventRun& run : SplitIntoRuns(edited.region, hop.count, CommitBuilder::kMaxBatchBytes)) {
      hop.appends.push_back({view.partitions[0], std::move(run.events), run.count});
    }
    edited.shared = true;
    return true;
  }
  if (!Take(hop.bytes, *hop.route)) return false;
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
      const absl::string_view key = ReadEventHead(taken[i].message()).key;
      partition_of[i] = key.empty() ? keyless : wire::PartitionOfKey(key, partitions);
    }
  }
  hop.appends = Distribute(
      partition_of, [&](uint32_t i) { return taken[i].field(); }, hop.bytes, view.partitions);
  return true;
}

void Planner::Finish(RouteHop& hop, const TopicView& view) {
  plan_.bytes += hop.bytes;
  copies_ += hop.count;
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
                                      PlanFor reason, CopyMemory* memory,
                                      std::unique_ptr<FilterResults> results, size_t* budget) {
  auto plan = std::make_unique<RoutePlan>();
  plan->results = std::move(results);
  plan->set = std::move(set);
  plan->memory = CopyMemory::Lease(memory);
  Planner planner(*plan, reason, budget);
  plan->untaken = planner.Plan(*plan->set, appends, layout);
  if (planner.given_up()) return nullptr;
  // It waits for its turn to be refused; its copies need not.
  if (!plan->refusal.ok()) RefusePlan(*plan, plan->refusal);
  size_t overhead = plan->hops.size() * sizeof(RouteHop);
  for (const RouteHop& hop : plan->hops) overhead += hop.appends.size() * sizeof(PartitionAppend);
  if (plan->results != nullptr) overhead += plan->results->bytes();
  plan->memory.ForceTake(overhead);
  plan->memory.Trim();
  return plan;
}

void RefusePlan(RoutePlan& plan, absl::Status why) {
  plan.refusal = std::move(why);
  plan.hops.clear();
  plan.bytes = 0;
  plan.results.reset();
  plan.memory.Reset();
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
