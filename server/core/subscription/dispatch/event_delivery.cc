#include "server/core/subscription/dispatch/event_delivery.h"

#include <algorithm>
#include <cstddef>
#include <iterator>
#include <tuple>
#include <utility>

namespace eventhub {

void EventDelivery::Follow(const SubscriptionRecord& record, int64_t now) {
  filter_ = record.filter;
  replay_filter_ = record.replay_filter;
  rates_.SetLimits(record.record.settings().rate_limit(), record.record.replay_rate_limit(), now);
}

// The filter applies to fresh events. Events delivered before have matched already, or are
// redelivered whatever the filter is now. A replay, however, covers all settled events, so the
// filter applies to it, and that of replays.
std::shared_ptr<const EventFilter> EventDelivery::FilterOf(const Candidate& candidate) const {
  if (candidate.redriven_from.has_value()) return nullptr;
  if (candidate.fresh) return filter_;
  return candidate.extra && !candidate.redelivered ? replay_filter_ : nullptr;
}

uint64_t EventDelivery::too_costly() const {
  uint64_t events = filter_ == nullptr ? 0 : filter_->too_costly();
  if (replay_filter_ != nullptr && replay_filter_ != filter_) {
    events += replay_filter_->too_costly();
  }
  return events;
}

bool EventDelivery::Deliver(const DeliveryJob& job, const std::vector<RecordBatchPtr>& batches,
                            const EventChoices* choices) {
  const Candidate& candidate = job.candidate;
  const std::shared_ptr<const EventFilter> filter = FilterOf(candidate);
  Offset at = candidate.start;
  auto next = std::partition_point(batches.begin(), batches.end(),
                                   [at](const RecordBatchPtr& b) { return b->end() <= at; });
  for (; next != batches.end() && at < candidate.end; ++next) {
    const RecordBatchPtr& batch = *next;
    while (at < std::min(batch->end(), candidate.end)) {
      if (job.budget.full()) return false;
      if (batch->header.gone() || (filter != nullptr && !filter->MayPass(batch->header))) {
        const Offset end = std::min(batch->end(), candidate.end);
        FilterOut(job, at, end);
        at = end;
        continue;
      }
      if (choices != nullptr) {
        const Delivery slice =
            job.slicer.Slice(batch, job.cursor.id(), at, candidate.end, SIZE_MAX);
        at = DeliverChosen(job, slice, choices->From(at));
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
      Delivery slice = job.slicer.Slice(batch, job.cursor.id(), at, end,
                                        static_cast<size_t>(job.budget.bytes()));
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
                                    absl::Span<const EventChoices::Event> choices) {
  Offset at = slice.base;
  for (const SharedBytes& chunk : slice.events) {
    EventWalker walker(chunk);
    Delivery run;
    const char* begin = nullptr;  // The start of the run.
    const auto end_run = [&] {
      if (run.count == 0) return;
      run.partition = slice.partition;
      run.append_micros = slice.append_micros;
      run.sealed = slice.sealed;
      run.events.push_back(chunk.Sub(absl::string_view(begin, run.bytes)));
      DeliverRun(job, std::exchange(run, Delivery()));
    };
    for (SlicedEvent event; walker.Next(&event); at = at + 1) {
      if (!job.budget.Takes(run.count + 1, static_cast<int64_t>(run.bytes + event.field.size()))) {
        end_run();
        return at;
      }
      const Choice choice = Choose(job.cursor, choices[static_cast<size_t>(at - slice.base)], at);
      if (choice != Choice::kDeliver) {
        end_run();
        if (choice == Choice::kBlock) {
          job.cursor.Block(job.candidate, at);
          if (job.cursor.KeysAreFull(job.candidate.extra)) return at + 1;
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
  if (candidate.redriven_from.has_value()) run.pipelines = cursor.PipelinesOf(run.base);
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
  AddToFrame(std::move(run), job.frame);
}

void EventDelivery::AddToFrame(Delivery run, ConsumeFrame* frame) {
  frame->bytes += run.bytes;
  if (!frame->deliveries.empty()) {
    Delivery& last = frame->deliveries.back();
    const auto alike = [](const Delivery& d) {
      return std::tuple(d.partition, d.append_micros, d.attempt, d.lease_epoch, d.replayed,
                        d.redelivered);
    };
    if (last.end() == run.base && alike(last) == alike(run) &&
        SamePipelines(last.pipelines, run.pipelines)) {
      last.count += run.count;
      last.bytes += run.bytes;
      last.sealed |= run.sealed;
      std::move(run.events.begin(), run.events.end(), std::back_inserter(last.events));
      return;
    }
  }
  frame->deliveries.push_back(std::move(run));
}

void EventDelivery::FilterOut(const DeliveryJob& job, Offset from, Offset to) {
  if (job.cursor.Pass(job.candidate, from, to)) job.budget.NoteFreed();
  shared_.counters.filtered += static_cast<uint64_t>(to - from);
}

}  // namespace eventhub
