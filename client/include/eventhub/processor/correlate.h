// Collect, correlate, evaluate: waits until the events with one key, taken together, say something.
#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/time/time.h"
#include "eventhub/v1/event.pb.h"

namespace eventhub::processor {

// The type of the events that are the timers of correlations. They are delayed events in the
// subscription's own topic, so a filter of the subscription has to pass them.
inline constexpr char kTimerType[] = "eventhub.timer";

// The events with one key that a Correlate step has collected, in the order in which it took them.
class Facts {
 public:
  Facts() = default;
  Facts(std::string key, absl::Time since, std::vector<std::shared_ptr<const v1::Event>> events)
      : key_(std::move(key)), since_(since), events_(std::move(events)) {}

  // The partition key that they share.
  const std::string& key() const { return key_; }
  // When the hub appended the first, by the hub's clock.
  absl::Time since() const { return since_; }

  size_t size() const { return events_.size(); }
  const v1::Event& operator[](size_t i) const { return *events_[i]; }

  // How many have this type.
  size_t Count(std::string_view type) const;
  bool Has(std::string_view type) const { return Find(type) != nullptr; }
  // The first with this type; null if there is none.
  const v1::Event* Find(std::string_view type) const;

 private:
  std::string key_;
  absl::Time since_ = absl::InfiniteFuture();
  std::vector<std::shared_ptr<const v1::Event>> events_;
};

// The end of a correlation, which a Correlate step adds to the unit that brings it about.
struct Correlation {
  enum class Kind {
    kComplete,  // The condition holds.
    kExpired,   // It did not hold in time.
    kLate,      // An event came after the end; only with CorrelateOptions::pass_late.
  };

  Kind kind = Kind::kComplete;
  // kLate: the event alone.
  Facts facts{};
};

struct CorrelateOptions {
  // The topic where the collected events are kept, as the latest event of a key that is
  // "<pipeline>/<partition>/<key>". Create it with `latest_per_key` (topic.h), without
  // deduplication, and never change the number of its partitions. Pipelines may share it. Required.
  std::string state{};

  // The condition has to hold this long after the hub appended the first event of the key: more
  // than 0, at most 365 days; infinite: it may take any time.
  absl::Duration within = absl::InfiniteDuration();

  // How long after the end its key is remembered: more than 0, at most 365 days; infinite: for
  // ever, and then the state topic grows with the number of keys.
  absl::Duration remember = absl::Hours(24);

  // What comes for a key after the end: false: is dropped, and counted (PipelineCounters::late).
  // True: goes on, as a Correlation of kLate, once.
  bool pass_late = false;

  // What is kept of an event, e.g. without large data; its id and source always are. Null: all.
  std::function<v1::Event(const v1::Event& event)> keep{};

  // The most events of one key, 1 to 1,000. One more is a fault. All of them together have to fit
  // into one event of the state topic, see Topic::max_event_bytes.
  size_t max_facts = 100;

  // How much of the state is kept in memory, in encoded bytes, least recently used keys leaving
  // first. What is not in memory is read from the state topic when an event comes for it.
  size_t cache_bytes = 64 * 1024 * 1024;
};

}  // namespace eventhub::processor
