#include "server/core/read/topic_reader.h"

#include <algorithm>
#include <utility>

#include "absl/container/flat_hash_set.h"
#include "absl/strings/str_cat.h"
#include "server/core/base/errors.h"
#include "server/core/base/field_checks.h"
#include "server/core/base/timestamps.h"
#include "server/core/event/event_slice.h"
#include "server/core/topic/start_position.h"
#include "storage/base/status_macros.h"

namespace eventhub {
namespace {

constexpr uint32_t kDefaultResponseBytes = 1u << 20;

// A reader that receives nothing else is told its position after this many filtered-out bytes.
constexpr size_t kMaxUntoldBytes = size_t{8} << 20;

// The partitions whose starts are asked of the lake at a time.
constexpr size_t kMaxResolved = 64;

// The partitions read from the lake at a time, unless one fills the frame.
constexpr size_t kMaxHistoryTurns = 8;

// What a read of the lake counts for that finds nothing to deliver. Bytes.
constexpr size_t kPassedHistory = kMaxUntoldBytes / 64;

absl::Status CheckRequest(const v1::ReadRequest& request) {
  RETURN_IF_ERROR(CheckResponseBytes("max_response_bytes", request.max_response_bytes()));
  if (request.has_stop_offset() && request.stop_offset() < 0) {
    return InvalidField("stop_offset", "is negative");
  }
  return absl::OkStatus();
}

}  // namespace

TopicReader::TopicReader(const v1::ReadRequest& request, std::shared_ptr<Topic> topic,
                         const Sources& sources, std::shared_ptr<StopTime> stop_at,
                         HostShares::Part memory)
    : topic_(std::move(topic)),
      store_(sources.store),
      history_(sources.history),
      counters_(sources.counters),
      all_partitions_(request.partitions().empty()),
      follow_(request.follow()),
      report_passed_(request.report_passed()),
      as_stored_(request.as_stored()),
      max_bytes_(request.max_response_bytes() != 0 ? request.max_response_bytes()
                                                   : kDefaultResponseBytes),
      stop_(request.has_stop_offset() ? Offset(request.stop_offset()) : Offset::Max()),
      stop_at_(std::move(stop_at)),
      memory_(std::move(memory)) {
  if (request.start().has_timestamp()) start_time_ = ToTime(request.start().timestamp());
  if (request.has_stop_time()) stop_time_ = ToTime(request.stop_time());
  topic_->counters().readers.fetch_add(1, std::memory_order_relaxed);
}

size_t TopicReader::Cost(const v1::ReadRequest& request, const Topic& topic) {
  const size_t partitions = request.partitions().empty()
                                ? topic.view()->partitions.size()
                                : static_cast<size_t>(request.partitions_size());
  return sizeof(TopicReader) + sizeof(Cursor) * partitions + MemoryOf(request.filter());
}

TopicReader::~TopicReader() { topic_->counters().readers.fetch_sub(1, std::memory_order_relaxed); }

absl::StatusOr<std::unique_ptr<TopicReader>> TopicReader::Open(const v1::ReadRequest& request,
                                                               std::shared_ptr<Topic> topic,
                                                               const Sources& sources,
                                                               std::shared_ptr<StopTime> stop_at,
                                                               HostShares::Part memory) {
  RETURN_IF_ERROR(CheckRequest(request));
  std::unique_ptr<TopicReader> reader(
      new TopicReader(request, std::move(topic), sources, std::move(stop_at), std::move(memory)));
  if (request.has_filter()) {
    absl::StatusOr<CompiledFilter> filter = CompileFilter(request.filter());
    if (!filter.ok()) return InvalidFilter(filter.status());
    reader->filter_.emplace(*std::move(filter));
  }
  reader->purges_ = reader->topic_->purges();  // Read before the settings.
  if (reader->topic_->view()->settings->retention().none()) {
    return TopicKeepsNothing(reader->topic_->name());
  }
  RETURN_IF_ERROR(reader->SelectPartitions(request));
  const absl::Status found = reader->FindStarts(request);
  // The store may have dropped both events and runs.
  if (!found.ok() && reader->topic_->closing()) return TopicBeingDeleted(reader->topic_->name());
  RETURN_IF_ERROR(found);
  return reader;
}

absl::Status TopicReader::SelectPartitions(const v1::ReadRequest& request) {
  const std::shared_ptr<const TopicView> view = topic_->view();
  if (all_partitions_) {
    for (uint32_t p = 0; p < view->partitions.size(); ++p) RETURN_IF_ERROR(AddCursor(p, *view));
    return absl::OkStatus();
  }
  absl::flat_hash_set<uint32_t> seen;
  for (const uint32_t partition : request.partitions()) {
    if (!seen.insert(partition).second) {
      return InvalidField("partitions", absl::StrCat("names partition ", partition, " twice"));
    }
    RETURN_IF_ERROR(AddCursor(partition, *view));
  }
  return absl::OkStatus();
}

absl::Status TopicReader::AddCursor(uint32_t partition, const TopicView& view) {
  if (partition >= view.partitions.size()) {
    return PartitionNotFound(topic_->name(), partition, view.partitions.size());
  }
  cursors_.push_back({view.partitions[partition], Offset(0), stop_});
  return absl::OkStatus();
}

absl::Status TopicReader::FindStarts(const v1::ReadRequest& request) {
  absl::flat_hash_map<uint32_t, const v1::PartitionOffset*> offsets;
  for (const v1::PartitionOffset& o : request.offsets()) offsets[o.partition()] = &o;
  for (Cursor& cursor : cursors_) {
    const Offset end = cursor.log->end();
    const auto exact = offsets.find(cursor.log->id().value());
    v1::StartPosition start = request.start();
    if (exact != offsets.end()) {
      RETURN_IF_ERROR(CheckPlace(*exact->second, topic_->name(), *cursor.log, store_));
      start.set_offset(exact->second->offset());
      offsets.erase(exact);
    }
    RETURN_IF_ERROR(FindStart(start, cursor));
    if (!follow_) cursor.stop = std::min(cursor.stop, std::max(end, cursor.next));
  }
  if (!request.offsets().empty()) turn_ = FurthestBehind();
  if (offsets.empty()) return absl::OkStatus();
  return InvalidField("offsets", absl::StrCat("names partition ", offsets.begin()->first,
                                              ", which is not one of those to read"));
}

absl::Status TopicReader::FindStart(const v1::StartPosition& start, Cursor& cursor) {
  const PartitionLog& log = *cursor.log;
  if (history_ != nullptr) {
    ASSIGN_OR_RETURN(const HistoryStart found,
                     FindHistoryStart(start, topic_->name(), log, store_));
    cursor.next = found.offset;
    cursor.unresolved = found.unresolved;
    if (cursor.unresolved != Unresolved::kNothing) {
      ++unresolved_;
      return absl::OkStatus();
    }
  }
  ASSIGN_OR_RETURN(cursor.next, eventhub::ResolveStart(start, topic_->name(), log, store_));
  ASSIGN_OR_RETURN(cursor.run, RunBefore(log, store_, cursor.next));
  cursor.run_end = cursor.next;
  return absl::OkStatus();
}

absl::Status TopicReader::ResolveStarts() {
  size_t resolved = 0;
  for (Cursor& cursor : cursors_) {
    if (cursor.unresolved == Unresolved::kNothing) continue;
    RETURN_IF_ERROR(ResolveStart(cursor));
    cursor.unresolved = Unresolved::kNothing;
    --unresolved_;
    if (++resolved == kMaxResolved) break;
  }
  return absl::OkStatus();
}

absl::Status TopicReader::ResolveStart(Cursor& cursor) {
  const PartitionLog& log = *cursor.log;
  ASSIGN_OR_RETURN(cursor.next, ResolveInHistory({cursor.unresolved, cursor.next}, start_time_,
                                                 *topic_, log, store_, *history_));
  cursor.in_history = true;
  ASSIGN_OR_RETURN(cursor.run, RunBefore(log, store_, cursor.next));
  cursor.run_end = cursor.next;
  return absl::OkStatus();
}

size_t TopicReader::FurthestBehind() const {
  const auto behind = [](const Cursor& c) { return std::min(c.log->end(), c.stop) - c.next; };
  const auto last =
      std::max_element(cursors_.begin(), cursors_.end(),
                       [&](const Cursor& a, const Cursor& b) { return behind(a) < behind(b); });
  return static_cast<size_t>(last - cursors_.begin());
}

absl::StatusOr<TopicReader::Step> TopicReader::Poll(Frame* frame, size_t max_bytes) {
  room_ = std::min(max_bytes, max_bytes_);
  if (topic_->deleted()) return TopicNotFound(topic_->name());
  if (topic_->purges() != purges_) return TopicKeepsNothing(topic_->name());
  if (!started_) {
    if (unresolved_ > 0) return Step::kHistory;
    started_ = true;
    for (const Cursor& cursor : cursors_) frame->start.push_back(PlaceOf(cursor));
    return Step::kFrame;
  }
  if (any_passed_ && untold_ > kMaxUntoldBytes) {
    NotePassed(frame);
    return Step::kFrame;
  }
  seen_mark_ = mark().value();  // Read first, so that no later event is missed.
  seen_over_ = stop_at_ != nullptr && stop_at_->over();
  scanned_ = 0;
  scan_limit_ = kMaxPolledBytes;
  TakeUpNewPartitions(frame);
  for (size_t i = 0; i < cursors_.size(); ++i) {
    const size_t index = (turn_ + i) % cursors_.size();
    const Offset before = cursors_[index].next;
    ASSIGN_OR_RETURN(const Fill fill, FillFromMemory(cursors_[index], frame));
    if (fill == Fill::kNothing) continue;
    if (fill == Fill::kSome) continue;
    // A served cursor goes last next time; one that found no room goes first. So does a cold
    // cursor, with a frame of its own.
    turn_ = cursors_[index].next > before ? (index + 1) % cursors_.size() : index;
    if (fill == Fill::kHistory && frame->empty()) return Step::kHistory;
    if (fill != Fill::kFull && frame->empty()) return Step::kCold;
    NotePassed(frame);
    return Step::kFrame;
  }
  if (seen_over_ && frame->empty()) RETURN_IF_ERROR(stop_at_->outcome());
  EndIfOver(seen_over_);
  if (!said_caught_up_) {
    frame->caught_up = AtHead();
    said_caught_up_ = frame->caught_up;
  }
  if (!frame->empty() || AllDone() || report_passed_ || untold_ > kMaxUntoldBytes) {
    NotePassed(frame);
  }
  if (!frame->empty()) return Step::kFrame;
  return AllDone() ? Step::kEnd : Step::kWait;
}

void TopicReader::TakeUpNewPartitions(Frame* frame) {
  if (!all_partitions_ || !follow_) return;
  const std::shared_ptr<const TopicView> view = topic_->view();
  for (size_t p = cursors_.size(); p < view->partitions.size(); ++p) {
    cursors_.push_back({view->partitions[p], Offset(0), stop_});
    frame->start.push_back(PlaceOf(cursors_.back()));
  }
}

LogPlace TopicReader::PlaceOf(const Cursor& cursor) const {
  return {cursor.log->id(), cursor.next, cursor.run};
}

void TopicReader::EndIfOver(bool over) {
  if (!over) return;
  for (Cursor& cursor : cursors_) {
    if (cursor.next >= cursor.log->end()) cursor.stop = std::min(cursor.stop, cursor.next);
  }
}

absl::StatusOr<Offset> TopicReader::FindRun(const Cursor& cursor) {
  const PartitionLog& log = *cursor.log;
  if (cursor.next >= log.run_start()) {
    run_ = store_.runs().current(log.topic());
    run_end_ = Offset::Max();
    return run_end_;
  }
  if (cursor.next < cursor.run_end) {
    run_ = cursor.run;
    run_end_ = cursor.run_end;
  } else {
    ASSIGN_OR_RETURN(const LogRun run, store_.runs().Find(log.topic(), log.id(), cursor.next));
    run_ = run.noted || cursor.next >= log.start() ? run.id : 0;
    run_end_ = run.end;
  }
  // The current run may have begun after that was determined.
  run_end_ = std::min(run_end_, log.run_start());
  return run_end_;
}

Offset TopicReader::HistoryEnd(const PartitionLog& log) const {
  return history_ == nullptr ? Offset(0) : eventhub::HistoryEnd(log);
}

absl::StatusOr<bool> TopicReader::IsHistory(const Cursor& cursor) const {
  const PartitionLog& log = *cursor.log;
  if (cursor.next >= log.start()) return false;
  // Behind the history there may be events that were deleted before the lake had them: nobody who
  // comes from there expects them.
  if (cursor.in_history || (cursor.next >= log.history_start() && cursor.next < HistoryEnd(log))) {
    return true;
  }
  return OffsetOutOfRange(topic_->name(), log.id(), cursor.next, log.start(), log.end());
}

absl::StatusOr<TopicReader::Fill> TopicReader::FillFromMemory(Cursor& cursor, Frame* frame) {
  const Offset end = std::min(cursor.log->end(), cursor.stop);
  if (cursor.next >= end) return Fill::kNothing;
  ASSIGN_OR_RETURN(const bool history, IsHistory(cursor));
  if (history) return Fill::kHistory;
  cursor.in_history = false;
  // Memory holds only events appended since the hub started.
  run_ = store_.runs().current(topic_->id());
  run_end_ = Offset::Max();
  do {
    if (scanned_ > scan_limit_) return Fill::kPaused;
    batches_.clear();
    if (!cursor.log->tail().Read(cursor.next, end, room_ - frame->bytes, &batches_)) {
      return Fill::kCold;
    }
    counters_.tail_batches.Add(batches_.size());
    const bool full = !Take(cursor, batches_, frame);
    batches_.clear();  // A waiting reader holds no batches.
    if (full) return Fill::kFull;
  } while (filter_.has_value() && cursor.next < std::min(end, cursor.stop));
  return Fill::kSome;
}

absl::Status TopicReader::ReadCold(Frame* frame, size_t max_bytes) {
  room_ = std::min(max_bytes, max_bytes_);
  scanned_ = 0;
  scan_limit_ = std::max(room_, kMaxPolledBytes);
  // Small remainders of many partitions share a frame.
  for (size_t i = 0; i < cursors_.size() && frame->bytes + scanned_ < room_ / 2; ++i) {
    Cursor& cursor = cursors_[turn_];
    const Offset before = cursor.next;
    ASSIGN_OR_RETURN(const Fill fill, FillFromMemory(cursor, frame));
    if (fill == Fill::kHistory) break;
    if (fill == Fill::kCold) RETURN_IF_ERROR(FillFromDisk(cursor, frame));
    if (fill != Fill::kNothing && cursor.next == before && !frame->empty()) break;  // No room.
    turn_ = (turn_ + 1) % cursors_.size();
  }
  if (!frame->empty()) NotePassed(frame);
  return absl::OkStatus();
}

absl::Status TopicReader::FillFromDisk(Cursor& cursor, Frame* frame) {
  const Offset log_end = cursor.log->end();
  ASSIGN_OR_RETURN(const Offset run_end, FindRun(cursor));
  const Offset end = std::min({log_end, cursor.stop, run_end});
  batches_.clear();
  const auto wanted = [this](const BatchHeader& batch) {
    return !filter_.has_value() || filter_->MayPass(batch);
  };
  const absl::Status status = store_.Read(cursor.log->topic(), cursor.log->id(), cursor.next, end,
                                          room_ - frame->bytes, &batches_, wanted);
  if (!status.ok()) {
    const PartitionLog& log = *cursor.log;  // May have been trimmed or deleted meanwhile.
    if (cursor.next < log.trimmed_to()) {
      if (cursor.next < HistoryEnd(log)) return absl::OkStatus();
      return OffsetOutOfRange(topic_->name(), log.id(), cursor.next, log.trimmed_to(), log.end());
    }
    if (topic_->deleted()) return TopicNotFound(topic_->name());
    if (topic_->closing()) return TopicBeingDeleted(topic_->name());
    return absl::IsNotFound(status) ? absl::DataLossError(status.message()) : status;
  }
  counters_.cold_batches.Add(batches_.size());
  Take(cursor, batches_, frame);
  batches_.clear();
  return absl::OkStatus();
}

absl::Status TopicReader::ReadHistory(Frame* frame, size_t max_bytes) {
  if (unresolved_ > 0) return ResolveStarts();
  room_ = std::min(max_bytes, max_bytes_);
  scanned_ = 0;
  scan_limit_ = std::max(room_, kMaxPolledBytes);
  // As in ReadCold: small remainders share a frame.
  const size_t turns = std::min(cursors_.size(), kMaxHistoryTurns);
  for (size_t i = 0; i < turns && frame->bytes + scanned_ < room_ / 2; ++i) {
    Cursor& cursor = cursors_[turn_];
    const Offset before = cursor.next;
    if (cursor.next < std::min(cursor.log->end(), cursor.stop)) {
      ASSIGN_OR_RETURN(const bool history, IsHistory(cursor));
      if (!history) break;
      const absl::Status status = FillFromHistory(cursor, frame);
      // What is in the frame comes first; the next call fails again.
      if (!status.ok() && frame->empty()) return status;
      if (!status.ok() || (cursor.next == before && !frame->empty())) break;
    }
    turn_ = (turn_ + 1) % cursors_.size();
  }
  if (!frame->empty()) NotePassed(frame);
  return absl::OkStatus();
}

absl::Status TopicReader::FillFromHistory(Cursor& cursor, Frame* frame) {
  const PartitionLog& log = *cursor.log;
  cursor.in_history = true;
  const Offset end = HistoryEnd(log);
  if (cursor.next >= end) {  // The rest was never archived.
    const Offset start = log.trimmed_to();
    ASSIGN_OR_RETURN(run_, RunBefore(log, store_, start));
    run_end_ = start;
    PassTo(std::min(start, cursor.stop), cursor);
    return absl::OkStatus();
  }
  ASSIGN_OR_RETURN(const Offset run_end, FindRun(cursor));
  HistoryRange range{
      .partition = log.id(), .from = cursor.next, .to = std::min({end, cursor.stop, run_end})};
  if (filter_.has_value()) {
    range.wants = [this](absl::string_view type) { return filter_->MayPass(type); };
  }
  ASSIGN_OR_RETURN(const HistoryPart part, history_->Read({topic_->name(), topic_->id()}, range,
                                                          room_ - std::min(room_, frame->bytes)));
  counters_.history_batches.Add(part.batches.size());
  Take(cursor, part.batches, frame, range.to);
  const bool all =
      part.batches.empty() || cursor.next >= std::min(part.batches.back()->end(), range.to);
  if (all && !cursor.done()) PassTo(part.next, cursor);
  if (frame->empty()) untold_ += kPassedHistory;
  return absl::OkStatus();
}

void TopicReader::PassTo(Offset to, Cursor& cursor) {
  if (to <= cursor.next) return;
  cursor.next = to;
  cursor.run = run_;
  cursor.run_end = run_end_;
  cursor.passed = any_passed_ = true;
  scanned_ += EventFilter::kPassedBatchCost;
}

bool TopicReader::Take(Cursor& cursor, const std::vector<RecordBatchPtr>& batches, Frame* frame,
                       Offset limit) {
  for (const RecordBatchPtr& batch : batches) {
    if (batch->header.append_time() >= stop_time_) {
      cursor.stop = cursor.next;
      return true;
    }
    const Offset end = std::min({batch->end(), cursor.log->end(), cursor.stop, limit});
    if (batch->base < end) PassTo(batch->base, cursor);
    if (Skips(batch->header)) {
      PassOver(*batch, end, cursor);
      continue;
    }
    const bool chosen = filter_.has_value() || batch->header.removed > 0;
    while (cursor.next < end) {
      const size_t room = room_ - std::min(frame->bytes, room_);
      // A batch is cut only where the frame would otherwise be small: cutting walks over its
      // events.
      if (batch->header.bytes > room && frame->bytes >= room_ / 2) return false;
      const bool whole_allowed = frame->bytes == 0;
      Delivery slice = SliceBatch(*batch, cursor.log->id(), cursor.next, end, room);
      if (!whole_allowed && slice.bytes > room) return false;
      Deliver(std::move(slice), chosen, cursor, frame);
      // The rest is left for the next call, so that others get their turn.
      if (chosen && scanned_ > scan_limit_) return frame->bytes < room_;
      // Events that were left out took no room.
      if (cursor.next < end && !chosen) return false;
    }
  }
  return frame->bytes < room_;
}

bool TopicReader::Skips(const BatchHeader& batch) const {
  return batch.gone() || (filter_.has_value() && !filter_->MayPass(batch));
}

void TopicReader::PassOver(const RecordBatch& batch, Offset end, Cursor& cursor) {
  if (!batch.header.gone()) {
    counters_.filtered_events.Add(static_cast<uint64_t>(end - cursor.next));
  }
  cursor.next = end;
  cursor.run = run_;
  cursor.run_end = run_end_;
  cursor.passed = any_passed_ = true;
  scanned_ += EventFilter::kPassedBatchCost;
  untold_ += batch.header.bytes;
}

void TopicReader::Deliver(Delivery delivery, bool chosen, Cursor& cursor, Frame* frame) {
  cursor.next = delivery.base + delivery.count;
  cursor.run = run_;
  cursor.run_end = run_end_;
  delivery.run = run_;
  if (chosen) {
    SliceScan scan;
    const Offset base = delivery.base;
    untold_ += delivery.bytes;
    delivery = FilterSlice(delivery, filter_.has_value() ? &*filter_ : nullptr,
                           scan_limit_ - std::min(scanned_, scan_limit_), &scan);
    scanned_ += scan.work;
    cursor.next = base + scan.events;
    counters_.filtered_events.Add(scan.events - scan.removed - delivery.count);
    cursor.passed = delivery.count == 0 || delivery.end() < cursor.next;
    any_passed_ |= cursor.passed;
    if (delivery.count == 0) return;
  }
  said_caught_up_ = false;
  frame->bytes += delivery.bytes;
  TopicCounters& counters = topic_->counters();
  counters.delivered_events.Add(delivery.count);
  counters.delivered_bytes.Add(delivery.bytes);
  frame->deliveries.push_back(std::move(delivery));
}

void TopicReader::NotePassed(Frame* frame) {
  if (!std::exchange(any_passed_, false)) return;
  untold_ = 0;
  for (Cursor& cursor : cursors_) {
    if (!std::exchange(cursor.passed, false)) continue;
    frame->passed.push_back(PlaceOf(cursor));
  }
}

bool TopicReader::AtHead() const {
  return std::all_of(cursors_.begin(), cursors_.end(),
                     [](const Cursor& c) { return c.done() || c.next >= c.log->end(); });
}

bool TopicReader::AllDone() const {
  return std::all_of(cursors_.begin(), cursors_.end(), [](const Cursor& c) { return c.done(); });
}

Watermark& TopicReader::mark() const {
  const bool single = !all_partitions_ && cursors_.size() == 1;
  return single ? cursors_.front().log->end_mark() : topic_->mark();
}

bool TopicReader::NotifyWhenMore(Watermark::Waiter& waiter) {
  if (!mark().NotifyPast(seen_mark_, waiter)) return false;
  // A deletion, a new partition or the stop time wakes only waiters registered before it.
  const bool changed = topic_->deleted() ||
                       (stop_at_ != nullptr && stop_at_->over() != seen_over_) ||
                       topic_->purges() != purges_ ||
                       (all_partitions_ && topic_->view()->partitions.size() != cursors_.size());
  return !changed || !mark().Cancel(waiter);
}

bool TopicReader::CancelNotify(Watermark::Waiter& waiter) { return mark().Cancel(waiter); }

}  // namespace eventhub
