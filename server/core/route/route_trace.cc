#include "server/core/route/route_trace.h"

#include <set>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "server/core/base/errors.h"
#include "server/core/event/event_scanner.h"
#include "server/core/event/event_slice.h"
#include "server/core/topic/topic_log.h"
#include "storage/base/status_macros.h"

namespace eventhub {
namespace {

constexpr int kMaxTraces = 10'000;

// The event in a field with tag and length.
absl::string_view MessageOf(const SharedBytes& field) {
  SlicedEvent event;
  EventWalker(field).Next(&event);
  return event.message;
}

// Errors name the event as TestRoutes does.
absl::Status CheckEvent(const SharedBytes& field, const TopicView& view) {
  EventScan scan;
  const absl::Status status =
      ScanEvents(field.view(), view.settings->max_event_bytes(), false, &scan);
  if (status.ok()) return status;
  constexpr absl::string_view kFirst = "events[0]";
  const std::string path = DetailOf(status).value_or(v1::ErrorDetail()).field();
  const absl::string_view problem = status.message().substr(path.size());
  return InvalidField(absl::StrCat("event", absl::string_view(path).substr(kFirst.size())),
                      problem.substr(problem.find(' ') + 1));
}

class Tracer {
 public:
  explicit Tracer(v1::TestRoutesResponse& response) : response_(response) {}

  // Returns false if there are too many routes.
  bool Follow(const RouteSet& set, absl::string_view event, uint32_t depth);
  void Refuse(absl::string_view why) {
    if (response_.refusal().empty()) response_.set_refusal(std::string(why));
  }
  void Hold(const Topic& topic) {
    if (!topic.view()->settings->retention().none()) topics_.insert(topic.name());
  }
  void Finish() {
    for (const std::string& topic : topics_) response_.add_topics(topic);
  }

 private:
  bool FollowRoute(const RouteSet::Entry& entry, absl::string_view event, uint32_t depth);
  v1::RouteTrace& Add(const CompiledRoute& route, uint32_t depth, v1::RouteTrace::Outcome outcome,
                      absl::string_view reason);

  v1::TestRoutesResponse& response_;
  std::set<std::string> topics_;
};

v1::RouteTrace& Tracer::Add(const CompiledRoute& route, uint32_t depth,
                            v1::RouteTrace::Outcome outcome, absl::string_view reason) {
  v1::RouteTrace& trace = *response_.add_traces();
  trace.set_route(route.name());
  trace.set_source_topic(route.settings().source_topic());
  trace.set_outcome(outcome);
  trace.set_reason(std::string(reason));
  trace.set_depth(depth);
  return trace;
}

bool Tracer::Follow(const RouteSet& set, absl::string_view event, uint32_t depth) {
  for (const RouteSet::Entry& entry : set.entries()) {
    const CompiledRoute& route = *entry.route;
    if (response_.traces_size() >= kMaxTraces) return false;
    if (route.settings().disabled()) {
      Add(route, depth, v1::RouteTrace::OUTCOME_DISABLED, "the route is disabled");
    } else if (const FilterResult result = route.Filter(event); result != FilterResult::kPasses) {
      Add(route, depth, v1::RouteTrace::OUTCOME_FILTERED,
          result == FilterResult::kTooCostly ? "the filter would examine too much of the event"
                                             : "the event does not pass the filter");
    } else if (!FollowRoute(entry, event, depth)) {
      return false;
    }
  }
  return true;
}

bool Tracer::FollowRoute(const RouteSet::Entry& entry, absl::string_view event, uint32_t depth) {
  const CompiledRoute& route = *entry.route;
  std::string encoded;
  const bool possible = route.edit().Apply(event, &encoded);
  const SharedBytes field = SharedBytes::Copy(encoded);
  const absl::string_view copy = possible ? MessageOf(field) : "";
  for (const RouteSet::Target& target : entry.targets) {
    std::string why;
    if (target.topic == nullptr) {
      why = "it does not exist";
    } else if (!possible) {
      why = "it would have more than 512 attributes";
    } else if (const uint32_t limit = target.topic->view()->settings->max_event_bytes();
               copy.size() > limit) {
      why = absl::StrCat("it has ", copy.size(), " bytes; the topic accepts at most ", limit);
    } else if (const absl::Status room = CheckNotFull(*target.topic); !room.ok()) {
      why = std::string(room.message());
    }
    if (why.empty()) {
      v1::RouteTrace& trace =
          Add(route, depth, v1::RouteTrace::OUTCOME_COPIED,
              route.filter().has_value() ? "the event passes the filter" : "the route copies all");
      trace.set_target_topic(target.name);
      trace.set_partition_key(std::string(ReadEventHead(copy).key));
      Hold(*target.topic);
      if (target.next != nullptr && !Follow(*target.next, copy, depth + 1)) return false;
    } else {
      const auto outcome =
          route.skips() ? v1::RouteTrace::OUTCOME_SKIPPED : v1::RouteTrace::OUTCOME_REFUSED;
      Add(route, depth, outcome, absl::StrCat("the topic cannot take the copy: ", why))
          .set_target_topic(target.name);
      if (!route.skips()) {
        Refuse(RouteTargetUnavailable(route.name(), target.name, why).message());
      }
    }
    if (response_.traces_size() >= kMaxTraces) return false;
  }
  return true;
}

}  // namespace

absl::StatusOr<v1::TestRoutesResponse> TraceEvent(const Topic& topic, const RouteSet* set,
                                                  const v1::Event& event) {
  v1::EventBatch batch;
  *batch.add_events() = event;
  const SharedBytes field = SharedBytes::Copy(batch.SerializeAsString());
  RETURN_IF_ERROR(CheckEvent(field, *topic.view()));
  v1::TestRoutesResponse response;
  Tracer tracer(response);
  tracer.Hold(topic);
  if (const absl::Status room = CheckNotFull(topic); !room.ok()) tracer.Refuse(room.message());
  if (set != nullptr && !tracer.Follow(*set, MessageOf(field), 0)) {
    return TooManyCopies(topic.name());
  }
  tracer.Finish();
  return response;
}

}  // namespace eventhub
