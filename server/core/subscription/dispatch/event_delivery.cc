#include "server/core/subscription/dispatch/event_delivery.h"

#include <algorithm>
#include <cstddef>
#include <utility>

#include "server/core/event/event_slice.h"

namespace eventhub {

void EventDelivery::Follow(const SubscriptionRecord& record, int64_t now) {
  filter_ = record.filter;
  rates_.SetLimits(record.record.settings().rate_limit(), record.record.replay_rate_limit(), now);
}

// The filter applies to fresh events. Events delivered before have matched already, or are
// redelivered whatever the filter is now. A replay, however, covers all settled events, so the
// filter applies to it.
bool EventDelivery::Filters(const Candidate& candidate) const {
  if (filter_ == nullptr || candidate.redriven_from.has_value()) return false;
  return candidate.fresh || (candidate.extra && !candidate.redelivered);
}

bool EventDelivery::Deliver(const DeliveryJob& job, const std::vector<RecordBatchPtr>& batches,
                            const EventChoices* choices) {
  const Candidate& candidate = job.candidate;
  const bool filters = Filters(candidate);
  Offset at = candidate.start;
  for (size_t i = 0; i < batches.size() && at < candidate.end; ++i) {
    const RecordBatchPtr& batch = batches[i];
    while (at < std::min(batch->end(), candidate.end)) {
      if (job.budget.full()) return false;
      if (filters && !filter_->MayPass(batch->header)) {
        const Offset end = std::min(batch->end(), candidate.end);
        FilterOut(job, at, end);
        at = end;
        continue;
      }
      if (choices != nullptr) {
        const Delivery slice = SliceBatch(*batch, job.cursor.id(), at, candidate.end, SIZE_MAX);
        const auto choice_of = [&](Offset event) -> const EventChoices::Event& {
          return choices->Of(i, *batch, event);
        };
        at = DeliverChosen(job, slice, choice_of);
        if (at < slice.end()) return false;
        continue;
      }
      // A batch is cut only where the frame would otherwise be small: cutting walks over its
      // events, and each part is leased, sent and settled separately.
      if (job.frame->bytes >= job.consumer.frame_bytes / 2 &&
          static_cast<int64_t>(batch->header.bytes) > job.budget.bytes()) {
        return false;
      }
      const Offset end = std::min(candidate.end, After(at, job.budget.events()));
      Delivery slice =
          SliceBatch(*batch, job.cursor.id(), at, end, static_cast<size_t>(job.budget.bytes()));
      if (slice.count == 0 || !job.budget.Takes(slice.count, static_cast<int64_t>(slice.bytes))) {
        return false;
      }
      at = slice.end();
      DeliverRun(job, std::move(slice));
    }
  }
  return true;
}

Offset EventDelivery::DeliverChosen(const DeliveryJob& job, const Delivery& slice,
                                    ChoiceOf choice_of) {
  Offset at = slice.base;
  for (const SharedBytes& chunk : slice.events) {
    EventWalker walker(chunk);
    Delivery run;
    const char* begin = nullptr;  // The start of the run.
    const auto end_run = [&] {
      if (run.count == 0) return;
      run.partition = slice.partition;
      run.append_micros = slice.append_micros;
      run.events.push_back(chunk.Sub(absl::string_view(begin, run.bytes)));
      DeliverRun(job, std::exchange(run, Delivery()));
    };
    for (SlicedEvent event; walker.Next(&event); at = at + 1) {
      if (!job.budget.Takes(run.count + 1, static_cast<int64_t>(run.bytes + event.field.size()))) {
        end_run();
        return at;
      }
      const Choice choice = Choose(job.cursor, choice_of(at), at);
      if (choice != Choice::kDeliver) {
        end_run();
        if (choice == Choice::kBlock) {
          job.cursor.Block(job.candidate, at);
        } else {
          FilterOut(job, at, at + 1);
        }
        continue;
      }
      if (run.count++ == 0) {
        run.base = at;
        begin = event.field.data();
      }
      run.bytes += event.field.size();
    }
    end_run();
  }
  return at;
}

EventDelivery::Choice EventDelivery::Choose(PartitionCursor& cursor,
                                            const EventChoices::Event& event, Offset offset) {
  if (!event.passes) return Choice::kFilterOut;
  if (!shared_.rules.ordered_by_key) return Choice::kDeliver;
  const bool admitted =
      event.keyed ? cursor.AdmitKey(offset, event.key_hash) : !cursor.WaitsForRetry(offset);
  return admitted ? Choice::kDeliver : Choice::kBlock;
}

void EventDelivery::DeliverRun(const DeliveryJob& job, Delivery run) {
  PartitionCursor& cursor = job.cursor;
  const Candidate& candidate = job.candidate;
  Consumer& consumer = job.consumer;
  const auto mean = static_cast<uint32_t>(run.bytes / run.count);
  const int64_t due = scheduler_.StartLease(cursor, job.now);
  cursor.Lease(candidate, run.base, run.count, mean, consumer.id, due);
  run.attempt = candidate.attempts + 1;
  run.redelivered = candidate.redelivered;
  run.lease_epoch = cursor.epoch();
  run.replayed = candidate.extra;
  const int64_t events = run.count;
  const auto bytes = static_cast<int64_t>(run.bytes);
  consumer.alone = candidate.alone;
  consumer.out.events += events;
  if (consumer.stalled) consumer.probe_budget -= events;
  consumer.out.bytes += events * mean;
  job.budget.Take(events, bytes);
  rates_.Take(events, bytes, candidate.extra);
  SubscriptionCounters& counters = shared_.counters;
  counters.delivered_events += run.count;
  counters.delivered_bytes += run.bytes;
  if (candidate.redelivered) counters.redelivered_events += run.count;
  topic_.delivered_events.Add(run.count);
  topic_.delivered_bytes.Add(run.bytes);
  job.frame->bytes += run.bytes;
  job.frame->deliveries.push_back(std::move(run));
}

void EventDelivery::FilterOut(const DeliveryJob& job, Offset from, Offset to) {
  if (job.cursor.Pass(job.candidate, from, to)) job.budget.NoteFreed();
  shared_.counters.filtered += static_cast<uint64_t>(to - from);
}

}  // namespace eventhub
