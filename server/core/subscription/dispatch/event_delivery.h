// Delivers the next events of a cursor to a consumer: those that the filter and their keys allow.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "absl/types/span.h"
#include "server/core/event/event_filter.h"
#include "server/core/event/event_slice.h"
#include "server/core/read/topic_reader.h"
#include "server/core/subscription/cursor/commit_changes.h"
#include "server/core/subscription/cursor/partition_cursor.h"
#include "server/core/subscription/dispatch/consumer.h"
#include "server/core/subscription/dispatch/delivery_budget.h"
#include "server/core/subscription/dispatch/delivery_rates.h"
#include "server/core/subscription/dispatch/dispatch_context.h"
#include "server/core/subscription/dispatch/event_choices.h"
#include "server/core/subscription/dispatch/scheduler.h"
#include "server/core/topic/topic.h"
#include "storage/record_batch.h"

namespace eventhub {

// The events to deliver, and where they go.
struct DeliveryJob {
  PartitionCursor& cursor;
  const Candidate& candidate;
  Consumer& consumer;
  DeliveryBudget& budget;
  BatchSlicer& slicer;
  ConsumeFrame* frame;
  int64_t now;
};

// Leases events and adds them to a frame, in runs: each run has one lease and one settlement of its
// own. Events that the filter rejects are settled without a consumer. Guarded by the subscription's
// mutex: the events were matched before, without it (EventChoices).
class EventDelivery {
 public:
  EventDelivery(const DispatchContext& shared, Scheduler& scheduler, TopicCounters& topic)
      : shared_(shared), scheduler_(scheduler), topic_(topic) {}

  // Uses the filter and the rate limits of this record from here on.
  void Follow(const SubscriptionRecord& record, int64_t now);
  DeliveryRates& rates() { return rates_; }

  // The filter that applies to the events of the candidate; null: none.
  std::shared_ptr<const EventFilter> FilterOf(const Candidate& candidate) const;
  // Whether the events must be matched one by one.
  bool MatchesEach(const Candidate& candidate) const {
    return shared_.rules.ordered_by_key || FilterOf(candidate) != nullptr;
  }
  // The number of events on which the filter was given up.
  uint64_t too_costly() const;

  // Whether the same filter applies to both, or none.
  bool MatchesAlike(const Candidate& a, const Candidate& b) const {
    return FilterOf(a) == FilterOf(b);
  }

  // Delivers the events of the candidate, which are in the batches. `choices`: null if they need no
  // matching. Returns false if an event did not fit.
  bool Deliver(const DeliveryJob& job, const std::vector<RecordBatchPtr>& batches,
               const EventChoices* choices);

 private:
  enum class Choice { kDeliver, kBlock, kFilterOut };

  // Delivers the chosen events of a slice; returns the offset of the first one that did not fit, or
  // the end of the slice.
  Offset DeliverChosen(const DeliveryJob& job, const Delivery& slice,
                       absl::Span<const EventChoices::Event> choices);
  Choice Choose(PartitionCursor& cursor, const EventChoices::Event& event, Offset offset);
  void DeliverRun(const DeliveryJob& job, Delivery run);
  // Adds a run to the last delivery of the frame, if it continues that one.
  static void AddToFrame(Delivery run, ConsumeFrame* frame);
  void FilterOut(const DeliveryJob& job, Offset from, Offset to);

  const DispatchContext& shared_;
  Scheduler& scheduler_;
  TopicCounters& topic_;
  std::shared_ptr<const EventFilter> filter_;         // Null: none.
  std::shared_ptr<const EventFilter> replay_filter_;  // Includes the other. Null: none.
  DeliveryRates rates_;
};

}  // namespace eventhub
