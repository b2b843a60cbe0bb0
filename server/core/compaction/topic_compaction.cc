#include "server/core/compaction/topic_compaction.h"

#include <algorithm>
#include <limits>
#include <optional>
#include <string>
#include <utility>

#include "server/core/base/errors.h"
#include "server/core/base/field_checks.h"
#include "server/core/event/event_slice.h"
#include "storage/base/await.h"
#include "storage/base/status_macros.h"
#include "storage/key_codec.h"

namespace eventhub {
namespace {

// The bytes that a step reads, at least one batch; and the delete markers that it removes, whose
// keys the commit thread looks up. Further ones stay for the next pass.
constexpr size_t kStepBytes = size_t{256} << 10;
constexpr size_t kStepMarkers = 1000;

// The commit of a step. If a power loss undoes it, a later step repeats it; the events that
// supersede those it removes are older in the log.
class CompactTask final : public CommitTask {
 public:
  CompactTask(std::shared_ptr<Topic> topic, PartitionLog& log, RewrittenBatches rewritten,
              std::vector<std::pair<KeyHash, Offset>> gone_markers, const CompactionState& state,
              StatusDone done)
      : topic_(std::move(topic)),
        log_(log),
        rewritten_(std::move(rewritten)),
        gone_markers_(std::move(gone_markers)),
        state_(state),
        done_(std::move(done)) {
    for (const RecordBatch& batch : rewritten_.batches) bytes_ += batch.header.bytes;
  }

  void Prepare(CommitBuilder& commit) override {
    if (topic_->closing()) return;
    // Archiving may have been switched on since the step was decided.
    const Offset end = rewritten_.batches.empty() ? state_.next : rewritten_.batches.back().end();
    if (std::max(end, state_.next) > topic_->archive_hold().Of(log_.id())) {
      refused_ = absl::AbortedError("the lake does not have these events yet");
      return;
    }
    // First, since it may fail.
    refused_ = topic_->latest().Remove(log_.id(), gone_markers_, commit);
    if (!refused_.ok()) return;
    commit.Replace(log_, rewritten_.old, rewritten_.batches, rewritten_.removed);
    commit.Put(Column::kMeta, CompactionKey(topic_->id(), log_.id()), state_.Encode());
    topic_->AddHeld(-static_cast<int64_t>(rewritten_.removed.bytes));
  }
  void Done(const absl::Status& status) override { std::move(done_)(OutcomeOf(refused_, status)); }
  size_t bytes() const override { return bytes_; }
  bool synced() const override { return false; }

 private:
  const std::shared_ptr<Topic> topic_;
  PartitionLog& log_;
  const RewrittenBatches rewritten_;
  const std::vector<std::pair<KeyHash, Offset>> gone_markers_;
  const CompactionState state_;
  size_t bytes_ = 0;
  StatusDone done_;
  absl::Status refused_;
};

}  // namespace

TopicCompaction::TopicCompaction(const CompactionOptions& options, const TopicCatalog& catalog,
                                 const LogStore& store, LogWriter& writer, const Clock& clock,
                                 absl::AnyInvocable<void(TopicId)> on_garbage)
    : options_(options),
      catalog_(catalog),
      store_(store),
      writer_(writer),
      clock_(clock),
      on_garbage_(std::move(on_garbage)) {}

absl::Status TopicCompaction::Run(const Cancellation& cancellation) {
  absl::Status first_error;
  std::vector<Pass> passes = DuePasses(&first_error);
  while (!passes.empty()) {
    for (Pass& pass : passes) {
      if (cancellation.cancelled()) return absl::CancelledError("compaction is cancelled");
      absl::Status status = pass.topic->closing() ? absl::OkStatus() : Advance(pass);
      if (pass.topic->closing() || !status.ok()) pass.state.next = pass.state.end.offset;
      // A deletion may have removed the events during the step.
      const bool waits = absl::IsAborted(status);
      if (!status.ok() && !waits && !pass.topic->closing()) first_error.Update(status);
    }
    passes.erase(std::remove_if(passes.begin(), passes.end(),
                                [](const Pass& pass) { return !pass.state.in_progress(); }),
                 passes.end());
  }
  return first_error;
}

std::vector<TopicCompaction::Pass> TopicCompaction::DuePasses(absl::Status* first_error) {
  std::vector<Pass> passes;
  for (const std::shared_ptr<Topic>& topic :
       catalog_.List("", std::numeric_limits<size_t>::max())) {
    const std::shared_ptr<const TopicView> view = topic->view();
    if (topic->closing() || !view->settings->retention().has_latest_per_key()) continue;
    const v1::LatestPerKey& latest = view->settings->retention().latest_per_key();
    for (PartitionLog* log : view->partitions) {
      Pass pass{topic, log, {}, ToDuration(latest.delete_marker_age())};
      const absl::Status begun = BeginIfDue(pass, ToDuration(latest.min_age()));
      if (topic->closing()) break;  // A deletion may have removed the events meanwhile.
      first_error->Update(begun);
      // A pass that began before archiving was switched on waits for the lake.
      const bool archived = pass.state.end.offset <= topic->archive_hold().Of(log->id());
      if (begun.ok() && pass.state.in_progress() && archived) passes.push_back(std::move(pass));
    }
  }
  return passes;
}

absl::Status TopicCompaction::BeginIfDue(Pass& pass, absl::Duration min_age) const {
  const PartitionLog& log = *pass.log;
  CompactionState& state = pass.state;
  const LogPosition end = log.end_position();
  if (end.offset == log.start()) return absl::OkStatus();
  ASSIGN_OR_RETURN(state, CompactionState::Load(store_, log.topic(), log.id()));
  if (state.in_progress()) return absl::OkStatus();
  const auto appended = [&](const LogPosition& to) {
    return to.bytes_before - state.compacted_to.bytes_before;
  };
  const uint64_t held = state.compacted_to.bytes_before - log.start_bytes() - state.removed.bytes;
  const uint64_t due = std::max(static_cast<uint64_t>(options_.growth * static_cast<double>(held)),
                                options_.min_bytes);
  if (appended(end) < due) return absl::OkStatus();  // Without reading the disk.
  ASSIGN_OR_RETURN(const BatchInfo last, store_.FindBatch(log.topic(), log.id(), end.offset + -1));
  LogPosition to{last.base, last.header.bytes_before};
  const absl::Time now = clock_.DeletionTime();
  if (min_age > absl::ZeroDuration()) {
    LogBounds bounds;
    bounds.start = log.start();
    bounds.start_bytes = log.start_bytes();
    bounds.end = to.offset;
    bounds.end_bytes = to.bytes_before;
    ASSIGN_OR_RETURN(to, store_.SeekTime(log.topic(), log.id(), bounds, now - min_age));
  }
  const Offset archived = pass.topic->archive_hold().Of(log.id());
  if (archived < to.offset) {
    if (archived <= log.start()) return absl::OkStatus();
    ASSIGN_OR_RETURN(const BatchInfo next, store_.FindBatch(log.topic(), log.id(), archived));
    to = {next.base, next.header.bytes_before};
  }
  if (to.offset <= state.compacted_to.offset || appended(to) < due) return absl::OkStatus();
  state.next = log.start();
  state.end = to;
  return absl::OkStatus();
}

absl::Status TopicCompaction::Advance(Pass& pass) {
  ASSIGN_OR_RETURN(Step step, Decide(pass));
  CompactionState& state = pass.state;
  state.next = step.next;
  state.removed.events += step.rewritten.removed.events;
  state.removed.bytes += step.rewritten.removed.bytes;
  if (!state.in_progress()) {
    state.compacted_to = state.end;
  } else if (step.rewritten.batches.empty()) {
    return absl::OkStatus();  // The progress alone is not worth a commit.
  }
  const uint64_t removed = step.rewritten.removed.bytes;
  RETURN_IF_ERROR(Commit(pass, std::move(step)));
  NoteRemoved(pass, removed);
  return absl::OkStatus();
}

absl::StatusOr<TopicCompaction::Step> TopicCompaction::Decide(const Pass& pass) const {
  const PartitionLog& log = *pass.log;
  std::vector<RecordBatchPtr> batches;
  RETURN_IF_ERROR(store_.Read(log.topic(), log.id(), pass.state.next, pass.state.end.offset,
                              kStepBytes, &batches));
  struct Event {
    Offset offset;
    KeyHash key;
    bool old_marker;
    std::vector<bool>::reference keep;
  };
  const absl::Time markers_until = clock_.DeletionTime() - pass.delete_marker_age;
  std::vector<std::vector<bool>> keep(batches.size());
  std::vector<Event> events;
  std::vector<KeyHash> keys;
  for (size_t i = 0; i < batches.size(); ++i) {
    const RecordBatch& batch = *batches[i];
    keep[i].assign(batch.header.gone() ? 0 : batch.header.count, true);
    const bool old = batch.header.append_time() <= markers_until;
    Offset at = batch.base;
    for (const SharedBytes& chunk : batch.chunks) {
      EventWalker walker(chunk);
      for (SlicedEvent event; walker.Next(&event); at = at + 1) {
        const KeyedEvent keyed = KeyedEvent::Of(event.message);
        if (keyed.key.empty()) continue;  // Or the event was removed before.
        keys.push_back(HashOfLatestKey(keyed.key));
        events.push_back({at, keys.back(), old && keyed.delete_marker,
                          keep[i][static_cast<size_t>(at - batch.base)]});
      }
    }
  }
  std::vector<std::optional<Offset>> latest;
  RETURN_IF_ERROR(LatestTable::LookUp(store_, log.topic(), log.id(), keys, &latest));
  Step step;
  for (size_t i = 0; i < events.size(); ++i) {
    if (!latest[i].has_value()) continue;
    if (*latest[i] > events[i].offset) {
      events[i].keep = false;
    } else if (events[i].old_marker && step.gone_markers.size() < kStepMarkers) {
      step.gone_markers.emplace_back(events[i].key, events[i].offset);
      events[i].keep = false;
    }
  }
  BatchRewriter rewriter;
  for (size_t i = 0; i < batches.size(); ++i) rewriter.Add(*batches[i], keep[i]);
  step.rewritten = std::move(rewriter).Finish();
  step.next = batches.back()->end();
  // A gone batch at the end is read again, to be extended by what follows.
  if (!step.rewritten.batches.empty() && step.next < pass.state.end.offset) {
    const RecordBatch& last = step.rewritten.batches.back();
    if (last.header.gone() && last.end() == step.next && last.base > pass.state.next) {
      step.next = last.base;
    }
  }
  return step;
}

absl::Status TopicCompaction::Commit(const Pass& pass, Step step) {
  return AwaitOutcome([&](StatusDone done) {
    writer_.Submit(std::make_unique<CompactTask>(pass.topic, *pass.log, std::move(step.rewritten),
                                                 std::move(step.gone_markers), pass.state,
                                                 std::move(done)));
  });
}

void TopicCompaction::NoteRemoved(const Pass& pass, uint64_t bytes) {
  uint64_t& removed = removed_bytes_[pass.topic->id()];
  removed += bytes;
  if (removed < options_.reclaim_bytes) return;
  removed_bytes_.erase(pass.topic->id());
  on_garbage_(pass.topic->id());
}

}  // namespace eventhub
