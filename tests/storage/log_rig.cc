#include "tests/storage/log_rig.h"

#include <ostream>
#include <random>

#include "absl/strings/str_cat.h"
#include "storage/base/status_macros.h"
#include "tests/support/status_matchers.h"

namespace eventhub {

std::ostream& operator<<(std::ostream& os, const StoredBatch& batch) {
  return os << "{base " << batch.base << ", count " << batch.count << ", at " << batch.append_micros
            << ", after " << batch.bytes_before << " bytes, " << batch.events.substr(0, 16) << "… ("
            << batch.events.size() << " bytes)}";
}

std::string Payload(uint64_t seed, size_t size) {
  std::mt19937_64 random(seed);
  std::string bytes;
  while (bytes.size() < size) {
    const uint64_t word = random();
    bytes.append(reinterpret_cast<const char*>(&word), sizeof(word));
  }
  bytes.resize(size);
  return bytes;
}

LogRig::LogRig(FaultEnv::Medium medium) : disk(medium) {
  options.directory = disk.directory() + "/hub";
  options.env = disk.env();
}

absl::Status LogRig::Open() {
  ASSIGN_OR_RETURN(store_, LogStore::Open(options));
  cache_ = std::make_unique<TailCache>(cache_bytes);
  metrics_ = std::make_unique<Metrics>();
  writer_ = std::make_unique<LogWriter>(*store_, *cache_, clock, *metrics_,
                                        [this](const absl::Status&) { ++failures_; });
  return absl::OkStatus();
}

void LogRig::Close() {
  if (store_ != nullptr) store_->StopWaitingForSpace();
  writer_.reset();
  logs_.clear();
  cache_.reset();
  store_.reset();
}

void LogRig::Reopen() {
  Close();
  ASSERT_THAT(Open(), IsOk());
}

PartitionLog& LogRig::log(uint32_t partition, TopicId topic) {
  std::unique_ptr<PartitionLog>& log = logs_[{topic, partition}];
  if (log == nullptr) {
    const absl::StatusOr<LogBounds> bounds = store_->Recover(topic, PartitionId(partition));
    EXPECT_THAT(bounds, IsOk());
    log = std::make_unique<PartitionLog>(topic, PartitionId(partition),
                                         bounds.ok() ? *bounds : LogBounds(), topic_mark_,
                                         store_->visible_commits());
  }
  return *log;
}

absl::Status LogRig::Commit(TestTask::PrepareFn prepare, bool synced) {
  std::promise<absl::Status> outcome;
  writer_->Submit(std::make_unique<TestTask>(
      std::move(prepare), [&](const absl::Status& status) { outcome.set_value(status); }, synced));
  return outcome.get_future().get();
}

absl::StatusOr<Offset> LogRig::Append(PartitionLog& log, const std::string& events, uint32_t count,
                                      bool synced) {
  Offset base;
  RETURN_IF_ERROR(Commit(
      [&](CommitBuilder& commit) { base = commit.Append(log, SharedBytes::Copy(events), count); },
      synced));
  return base;
}

absl::Status LogRig::Trim(PartitionLog& log, Offset offset) {
  LogPosition start{log.end(), log.end_bytes()};
  if (offset < log.end()) {
    ASSIGN_OR_RETURN(const BatchInfo batch, store_->FindBatch(log.topic(), log.id(), offset));
    start = {batch.base, batch.header.bytes_before};
  }
  return Commit([&](CommitBuilder& commit) { commit.Trim(log, start); }, /*synced=*/true);
}

absl::StatusOr<std::vector<StoredBatch>> LogRig::Read(PartitionLog& log, size_t max_bytes) {
  std::vector<StoredBatch> all;
  for (Offset next = log.start(); next < log.end();) {
    std::vector<RecordBatchPtr> batches;
    RETURN_IF_ERROR(store_->Read(log.topic(), log.id(), next, log.end(), max_bytes, &batches));
    for (const RecordBatchPtr& batch : batches) {
      std::string events;
      for (const SharedBytes& chunk : batch->chunks) absl::StrAppend(&events, chunk.view());
      all.push_back({batch->base.value(), batch->header.count, batch->header.append_micros,
                     batch->header.bytes_before, std::move(events)});
    }
    next = batches.back()->end();
  }
  return all;
}

}  // namespace eventhub
