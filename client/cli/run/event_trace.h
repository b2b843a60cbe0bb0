// What caused an event and what it caused: the events that `causationid` and `correlationid` join.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <set>
#include <string>
#include <tuple>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/container/flat_hash_set.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "eventhub/filter.h"
#include "eventhub/v1/event.pb.h"

namespace eventhub::cli {

// Where an event is stored. Routes, links and dead letters store copies.
struct TracedPlace {
  std::string topic;
  uint32_t partition = 0;
  int64_t offset = 0;
  absl::Time append_time;
  // Of a dead letter: whose it is, and why. Else empty.
  std::string subscription;
  std::string reason;
};

struct TracedEvent {
  std::string id;
  std::string source;
  std::string type;
  std::string subject;
  std::string causation_id;
  std::string correlation_id;
  std::vector<TracedPlace> places;  // By append time.
  std::vector<size_t> effects;      // The events that it caused, by append time.

  absl::Time append_time() const { return places.front().append_time; }
};

// Collects the events of a trace in rounds. Each round asks for the events that the events of
// earlier rounds refer to, until a round finds none:
//
//     EventTrace trace("ord-81");
//     while (const std::vector<client::Filter> filters = trace.TakeQueries(); !filters.empty()) {
//       … trace.Add(place, event) for each event of each topic that passes one of them
//     }
//     trace.Finish();
//
// Thread-compatible.
class EventTrace {
 public:
  // `id` is the id of an event, or a correlation id.
  explicit EventTrace(std::string id);

  // What to ask for next. Each filter is within the limits of a hub.
  std::vector<client::Filter> TakeQueries();

  // Adds an event; nothing if the place is known.
  void Add(TracedPlace place, const v1::Event& event);

  // Joins the events. No others may be added.
  void Finish();

  // The number of different events.
  size_t size() const { return events_.size(); }
  const std::vector<TracedEvent>& events() const { return events_; }
  // After Finish(): the events whose cause is not among them, by append time.
  const std::vector<size_t>& roots() const { return roots_; }

 private:
  // In which attributes an identifier is looked for. Each is looked for once.
  struct Asked {
    bool as_id = false;
    bool as_cause = false;
    bool as_correlation = false;
  };

  void Ask(absl::string_view id, Asked where);
  // Whether `cause` is among the effects of `effect`, of any order.
  bool Follows(size_t cause, size_t effect) const;

  std::vector<TracedEvent> events_;
  absl::flat_hash_map<std::pair<std::string, std::string>, size_t> index_;  // By source and id.
  std::set<std::tuple<std::string, uint32_t, int64_t>> places_;
  absl::flat_hash_map<std::string, Asked> asked_;
  std::vector<std::pair<std::string, std::string>> to_ask_;  // Attribute and value.
  std::vector<std::optional<size_t>> causes_;
  std::vector<size_t> roots_;
};

}  // namespace eventhub::cli
