// Reads the state of keys from a hub.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <memory>
#include <optional>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "client/processor/worker.h"
#include "eventhub/connection.h"
#include "eventhub/processor/internal/stored_state.h"
#include "storage/base/mutex.h"

namespace eventhub::processor::internal {

// Reads on a few threads, because calls block. The threads start with the first reads. Thread-safe.
class StateReader {
 public:
  StateReader(std::shared_ptr<client::Connection> connection, std::string subscription,
              std::string source);
  // Stop, and waits for the threads.
  ~StateReader();

  StateReader(const StateReader&) = delete;
  StateReader& operator=(const StateReader&) = delete;

  // See Host::ReadState.
  void Read(std::string topic, std::string key, TakeStoredState done);
  // Answers waiting reads with CANCELLED.
  void Stop() { stopping_ = true; }

 private:
  static constexpr size_t kThreads = 4;

  absl::StatusOr<StoredState> ReadNow(const std::string& topic, const std::string& key);
  // The topic of the subscription. FAILED_PRECONDITION if the subscription does not support state
  // by key.
  absl::StatusOr<std::string> FindTopic();

  const std::shared_ptr<client::Connection> connection_;
  const std::string subscription_;
  const std::string source_;
  std::atomic<bool> stopping_ = false;

  Mutex mutex_;
  std::optional<std::string> topic_ ABSL_GUARDED_BY(mutex_);

  std::atomic<size_t> next_ = 0;
  std::array<Worker, kThreads> workers_;  // Last: end before the other members.
};

}  // namespace eventhub::processor::internal
