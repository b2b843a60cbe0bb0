#include "storage/commit_builder.h"

#include <algorithm>

#include "absl/container/inlined_vector.h"
#include "rocksdb/write_batch.h"
#include "storage/base/check.h"
#include "storage/key_codec.h"
#include "storage/rocksdb_slice.h"
#include "storage/run_history.h"

namespace eventhub {
CommitBuilder::CommitBuilder(const LogStore& store, absl::Time now, size_t expected_bytes)
    : store_(store),
      now_(now),
      number_(store.visible_commits().Begin()),
      write_(std::make_unique<rocksdb::WriteBatch>(expected_bytes + expected_bytes / 8)) {}

CommitBuilder::~CommitBuilder() { DropHooks(); }

void CommitBuilder::BeginRun(PartitionLog& log) {
  log.BeginRun();
  Put(Column::kMeta, RunKey(log.topic(), log.id(), log.run_start()),
      EncodeRunRecord(store_.runs().current(log.topic())));
  // Each new run also deletes the records of obsolete ones, so that their number stays bounded by
  // the log that can be read. If the store cannot be read, other operations report that.
  const Offset readable = std::min(log.next_start().offset, log.history_start());
  const auto keys = store_.runs().ForgettableBefore(log.topic(), log.id(), readable);
  if (!keys.ok()) return;
  for (const std::string& key : *keys) Delete(Column::kMeta, key);
}

void CommitBuilder::Open(PartitionLog& log) {
  if (!log.run_begun()) BeginRun(log);
  auto batch = std::make_shared<RecordBatch>();
  log.Begin(*batch, now_);
  batches_.push_back({&log, batch});
  log.set_open_batch(std::move(batch));
}

Offset CommitBuilder::Append(PartitionLog& log, SharedBytes events, uint32_t count,
                             const TypeSummary& types) {
  const RecordBatch* open = log.open_batch().get();
  if (open == nullptr || open->header.bytes + events.size() > kMaxBatchBytes) Open(log);
  RecordBatch& batch = *log.open_batch();
  const Offset base = log.Assign(batch, count, static_cast<uint32_t>(events.size()));
  batch.header.types.Merge(types);
  batch.chunks.push_back(std::move(events));
  return base;
}

Offset CommitBuilder::AppendWithoutStorage(PartitionLog& log, size_t bytes, uint32_t count) {
  if (!log.run_begun()) BeginRun(log);
  const Offset base = log.AppendWithoutStorage(count, bytes);
  unkept_[&log] = log.next_position();
  return base;
}

void CommitBuilder::Put(Column column, absl::string_view key, absl::string_view value) {
  write_->Put(store_.handle(column), ToSlice(key), ToSlice(value));
}

void CommitBuilder::Delete(Column column, absl::string_view key) {
  write_->Delete(store_.handle(column), ToSlice(key));
}

void CommitBuilder::DeletePrefix(Column column, absl::string_view prefix) {
  write_->DeleteRange(store_.handle(column), ToSlice(prefix), PrefixEnd(prefix));
}

void CommitBuilder::Trim(PartitionLog& log, const LogPosition& start,
                         absl::Span<const Offset> batches) {
  if (log.open_batch() != nullptr) PutBatches();  // Before a range delete that may cover it.
  const BatchKey first(log.topic(), log.id(), Offset(0));
  const BatchKey last(log.topic(), log.id(), start.offset);
  for (const Column column : {Column::kEvents, Column::kIndex}) {
    for (const Offset base : batches) Delete(column, BatchKey(log.topic(), log.id(), base).view());
    if (batches.empty()) {
      write_->DeleteRange(store_.handle(column), ToSlice(first.view()), ToSlice(last.view()));
    }
  }
  Put(Column::kMeta, LogStartKey(log.topic(), log.id()), start.Encode());
  log.BeginTrim(start);
  trims_.emplace_back(&log, start);
}

void CommitBuilder::Replace(PartitionLog& log, absl::Span<const Offset> old,
                            absl::Span<const RecordBatch> batches, const RemovedEvents& removed) {
  for (const Offset base : old) {
    const BatchKey key(log.topic(), log.id(), base);
    Delete(Column::kEvents, key.view());
    Delete(Column::kIndex, key.view());
  }
  for (const RecordBatch& batch : batches) {
    const BatchKey key(log.topic(), log.id(), batch.base);
    for (const SharedBytes& region : batch.chunks) {
      Put(Column::kEvents, key.view(), region.view());
    }
    Put(Column::kIndex, key.view(), batch.header.Encode());
  }
  if (!batches.empty()) replaced_.push_back({&log, batches.back().end(), removed});
}

void CommitBuilder::DeleteTopic(TopicId topic) { deleted_topics_.push_back(topic); }

void CommitBuilder::AddHook(std::shared_ptr<CommitHook> hook) {
  if (hook->added_) return;
  hook->added_ = true;
  hooks_.push_back(std::move(hook));
}

void CommitBuilder::RunHooks() {
  // By index, and each held by its own reference, because a hook may add others.
  for (size_t i = 0; i < hooks_.size(); ++i) {
    const std::shared_ptr<CommitHook> hook = hooks_[i];
    hook->BeforeWrite(*this);
  }
  called_hooks_ = hooks_;
  DropHooks();
}

void CommitBuilder::DropHooks() {
  for (const std::shared_ptr<CommitHook>& hook : hooks_) hook->added_ = false;
  hooks_.clear();
}

bool CommitBuilder::empty() const {
  return batches_.empty() && unkept_.empty() && deleted_topics_.empty() && write_->Count() == 0;
}

// Runs last, so that nothing of the topics remains.
void CommitBuilder::DeleteTopics() {
  for (const TopicId topic : deleted_topics_) {
    for (const Column column : {Column::kEvents, Column::kIndex, Column::kProducers,
                                Column::kDelayed, Column::kIdentities, Column::kLatest}) {
      DeletePrefix(column, TopicPrefix(topic));
    }
    DeletePrefix(Column::kMeta, LogStartPrefix(topic));
    DeletePrefix(Column::kMeta, RunPrefix(topic));
    DeletePrefix(Column::kMeta, AgeMarksPrefix(topic));
    DeletePrefix(Column::kMeta, CompactionPrefix(topic));
    DeletePrefix(Column::kMeta, ArchivePositionPrefix(topic));
    Delete(Column::kMeta, ArchiveKey(topic));
    DeletePrefix(Column::kMeta, TopicKey(topic));
  }
}

void CommitBuilder::PutBatches() {
  absl::InlinedVector<rocksdb::Slice, 16> parts;
  for (; put_ < batches_.size(); ++put_) {
    const Appended& appended = batches_[put_];
    const RecordBatch& batch = *appended.batch;
    const BatchKey key(appended.log->topic(), appended.log->id(), batch.base);
    const rocksdb::Slice key_slice = ToSlice(key.view());
    parts.clear();
    for (const SharedBytes& chunk : batch.chunks) parts.push_back(ToSlice(chunk.view()));
    write_->Put(store_.handle(Column::kEvents), rocksdb::SliceParts(&key_slice, 1),
                rocksdb::SliceParts(parts.data(), static_cast<int>(parts.size())));
    write_->Put(store_.handle(Column::kIndex), key_slice, batch.header.Encode());
    appended.log->set_open_batch(nullptr);
  }
}

absl::Status CommitBuilder::Write(LogStore& store) {
  PutBatches();
  for (const auto& [log, end] : unkept_) {
    Put(Column::kMeta, LogStartKey(log->topic(), log->id()), log->next_start().Encode());
  }
  DeleteTopics();
  store_.visible_commits().NoteWriting(number_);
  const absl::Status status = store.Write(*write_);
  write_.reset();  // The copy is no longer needed; the chunks are.
  return status;
}

void CommitBuilder::MakeVisible(TailCache& cache) {
  EVENTHUB_CHECK(number_ > store_.visible_commits().last(), "commits become visible in order");
  for (const Appended& appended : batches_) cache.Insert(appended.log->tail(), appended.batch);
  for (const auto& [log, end] : unkept_) log->Stage(end, number_);
  // The last batch of a partition is staged first, so that no intermediate end is.
  for (auto appended = batches_.rbegin(); appended != batches_.rend(); ++appended) {
    appended->log->Stage(*appended->batch, number_);
  }
  for (const std::shared_ptr<CommitHook>& hook : called_hooks_) hook->Stage(number_);
  store_.visible_commits().Advance(number_);
  absl::InlinedVector<Watermark*, 8> topics;
  for (const Appended& appended : batches_) {
    appended.log->MakeVisible(*appended.batch);
    Watermark* const topic = &appended.log->topic_mark();
    if (topics.empty() || topics.back() != topic) topics.push_back(topic);
  }
  for (const auto& [log, end] : unkept_) log->AdvanceWithoutStorage(end);
  for (const auto& [log, start] : trims_) log->SetStart(start);
  for (const auto& [log, end, removed] : replaced_) {
    log->AddRemoved(removed);
    cache.Drop(log->tail(), end);
  }
  for (Watermark* topic : topics) topic->Advance(topic->value() + 1);
  for (const std::shared_ptr<CommitHook>& hook : called_hooks_) hook->OnVisible();
  called_hooks_.clear();
}

}  // namespace eventhub
