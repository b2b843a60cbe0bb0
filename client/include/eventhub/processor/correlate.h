// Types of the step Correlate, which collects the events of a key until a condition holds.
#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/time/time.h"
#include "eventhub/processor/call.h"
#include "eventhub/v1/event.pb.h"

namespace eventhub::processor {

// The type of the timers of correlations and jobs. They are delayed events in the topic of the
// subscription, so a filter of the subscription must pass them.
inline constexpr char kTimerType[] = "eventhub.timer";

// The events with one key that a Correlate step has collected, in the order of their arrival.
class Facts {
 public:
  Facts() = default;
  Facts(std::string key, absl::Time since, std::vector<std::shared_ptr<const v1::Event>> events)
      : key_(std::move(key)), since_(since), events_(std::move(events)) {}

  // The partition key that they share.
  const std::string& key() const { return key_; }
  // When the hub appended the first event, by the hub's clock.
  absl::Time since() const { return since_; }

  size_t size() const { return events_.size(); }
  const v1::Event& operator[](size_t i) const { return *events_[i]; }

  // The number of events with this type.
  size_t Count(std::string_view type) const;
  bool Has(std::string_view type) const { return Find(type) != nullptr; }
  // The first event with this type; null if there is none.
  const v1::Event* Find(std::string_view type) const;

 private:
  std::string key_;
  absl::Time since_ = absl::InfiniteFuture();
  std::vector<std::shared_ptr<const v1::Event>> events_;
};

// The end of a correlation. A Correlate step adds it to the unit that caused the end.
struct Correlation {
  enum class Kind {
    kComplete,  // The condition holds.
    kExpired,   // It did not hold in time.
    kLate,      // An event came after the end; only with CorrelateOptions::pass_late.
  };

  Kind kind = Kind::kComplete;
  // The collected events; with kLate, only the late event.
  Facts facts{};
};

struct CorrelateOptions {
  // The topic that stores the collected events, as the latest event of the partition key
  // "<pipeline>/<partition>/<key>". Create it with `latest_per_key` (topic.h), without
  // deduplication. Pipelines may share it. Required.
  //
  // If the subscription's topic gets more partitions, keys move away from their state. A processor
  // notices within seconds: then units wait, and the state of the pipeline says what can be done.
  std::string state{};

  // The time in which the condition must hold, from the append of the first event of the key: more
  // than 0, at most 365 days; infinite: no limit.
  absl::Duration within = absl::InfiniteDuration();

  // How long a key is remembered after the end: more than 0, at most 365 days; infinite: for ever,
  // so that the state topic grows with the number of keys.
  absl::Duration remember = absl::Hours(24);

  // What happens to events that arrive after the end. False: they are dropped, and counted
  // (PipelineCounters::late). True: each goes on once, as a Correlation of kLate.
  bool pass_late = false;

  // Returns the event as it is to be stored, e.g. without large data; its id and source are always
  // stored. Null: the whole event.
  std::function<v1::Event(const v1::Event& event)> keep{};

  // The maximum number of events of one key, 1 to 1,000; a further event is a fault. Together they
  // must fit into one event of the state topic, see Topic::max_event_bytes.
  size_t max_facts = 100;

  // How errors of the condition are handled.
  StepOptions condition{};

  // The maximum size of the state in memory, in encoded bytes; the least recently used keys are
  // dropped first. The state of other keys is read from the state topic when an event needs it.
  size_t cache_bytes = 64 * 1024 * 1024;
};

}  // namespace eventhub::processor
