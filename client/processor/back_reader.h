// Reads events of a subscription back from its topic.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "absl/functional/any_invocable.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "client/processor/worker.h"
#include "eventhub/connection.h"
#include "eventhub/event_batch.h"
#include "eventhub/filter.h"
#include "eventhub/reader.h"
#include "storage/base/mutex.h"

namespace eventhub::processor::internal {

// Reads one range after another, on a thread of its own, and limits the events in flight.
// Thread-safe.
class BackReader {
 public:
  // Takes events, on the reader's thread. Each event calls OnSettled later.
  using Take = absl::AnyInvocable<void(const client::EventBatch& batch)>;
  using Done = absl::AnyInvocable<void(absl::Status) &&>;

  // `take` is called until the destructor.
  BackReader(std::shared_ptr<client::Connection> connection, std::string subscription,
             size_t max_in_flight, Take take);
  // Stop, and waits for the thread.
  ~BackReader();

  BackReader(const BackReader&) = delete;
  BackReader& operator=(const BackReader&) = delete;

  void Read(uint32_t partition, int64_t from, int64_t to, Done done);
  void OnSettled();
  // Cancels the range in progress and all waiting ones; their `done` is still called.
  void Stop();

 private:
  struct Source {
    std::string topic;
    std::optional<client::Filter> filter;
  };

  absl::Status ReadNow(uint32_t partition, int64_t from, int64_t to);
  absl::StatusOr<Source> FindSource();
  absl::StatusOr<std::shared_ptr<client::Reader>> Open(uint32_t partition, int64_t from,
                                                       int64_t to);
  // Waits until `events` more may be in flight. Returns false if the reader ends.
  bool Reserve(size_t events);

  const std::shared_ptr<client::Connection> connection_;
  const std::string subscription_;
  const size_t max_in_flight_;
  Take take_;

  Mutex mutex_;
  CondVar change_;
  size_t in_flight_ ABSL_GUARDED_BY(mutex_) = 0;
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;
  std::shared_ptr<client::Reader> reader_ ABSL_GUARDED_BY(mutex_);

  Worker worker_;  // Last, so that it ends before the members that it uses are destroyed.
};

}  // namespace eventhub::processor::internal
