// A store with a writer and a cache, on a disk that fails on demand.
#pragma once

#include <cstdint>
#include <functional>
#include <future>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "gtest/gtest.h"
#include "storage/log_store.h"
#include "storage/log_writer.h"
#include "storage/partition_log.h"
#include "storage/tail_cache.h"
#include "tests/support/fake_clock.h"
#include "tests/support/fault_env.h"
#include "tests/support/test_task.h"

namespace eventhub {

// A batch in a form that can be compared and printed.
struct StoredBatch {
  int64_t base;
  uint32_t count;
  int64_t append_micros;
  uint64_t bytes_before;
  std::string events;

  bool operator==(const StoredBatch&) const = default;
};
std::ostream& operator<<(std::ostream& os, const StoredBatch& batch);

// Returns `size` bytes that depend on `seed` and hardly compress.
std::string Payload(uint64_t seed, size_t size);

class LogRig {
 public:
  static constexpr TopicId kTopic{7};

  explicit LogRig(FaultEnv::Medium medium);
  ~LogRig() { Close(); }

  // May be changed between Close and Open.
  LogStoreOptions options;
  size_t cache_bytes = size_t{1} << 20;
  FakeClock clock;
  FaultEnv disk;

  absl::Status Open();
  void Close();
  // Fails the test if the store cannot be reopened.
  void Reopen();

  LogStore& store() { return *store_; }
  LogWriter& writer() { return *writer_; }
  TailCache& cache() { return *cache_; }
  Watermark& topic_mark() { return topic_mark_; }
  // The number of times the writer reported that it refuses writes.
  int failures() const { return failures_; }

  // A partition, as recovered from the store since the last Open.
  PartitionLog& log(uint32_t partition = 0, TopicId topic = kTopic);

  // Runs a task until it is done.
  absl::Status Commit(TestTask::PrepareFn prepare, bool synced);
  // Appends one batch; returns the offset of its first event.
  absl::StatusOr<Offset> Append(PartitionLog& log, const std::string& events, uint32_t count,
                                bool synced);
  absl::Status Trim(PartitionLog& log, Offset offset);

  // Reads the whole visible log from the disk, in pieces of `max_bytes`.
  absl::StatusOr<std::vector<StoredBatch>> Read(PartitionLog& log, size_t max_bytes = 1 << 20);

 private:
  std::unique_ptr<LogStore> store_;
  std::unique_ptr<TailCache> cache_;
  Watermark topic_mark_;
  std::map<std::pair<TopicId, uint32_t>, std::unique_ptr<PartitionLog>> logs_;
  std::atomic<int> failures_{0};
  std::unique_ptr<Metrics> metrics_;
  std::unique_ptr<LogWriter> writer_;
};

}  // namespace eventhub
