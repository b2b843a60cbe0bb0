// Reads the state of keys from a hub.
#pragma once

#include <atomic>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "client/processor/worker.h"
#include "eventhub/connection.h"
#include "eventhub/processor/internal/stored_state.h"
#include "storage/base/mutex.h"

namespace eventhub::processor::internal {

// Any number of reads are in progress. They hold no thread; but the first ones, and one every few
// seconds later, wait for a thread that checks the subscription and its topic. Thread-safe.
//
// The state of a key is kept by partition, and would be lost if the key moved to another one. So
// the state is not read if the topic got more partitions since a pipeline began to keep state. An
// event in the state topic, with the key "<pipeline>/partitions", has the number of partitions
// then.
class StateReader {
 public:
  StateReader(std::shared_ptr<client::Connection> connection, std::string subscription,
              std::string source);
  // Stop, and waits for the thread. Reads that are in progress are answered later.
  ~StateReader();

  StateReader(const StateReader&) = delete;
  StateReader& operator=(const StateReader&) = delete;

  // See Host::ReadState.
  void Read(std::string topic, std::string key, TakeStoredState done);
  // Answers reads that are not in progress with CANCELLED.
  void Stop() { stopping_ = true; }
  // A partition was assigned: there may be more than before.
  void OnAssigned(uint32_t partition);

 private:
  // The topic of the subscription.
  struct Source {
    std::string topic;
    uint32_t partitions = 0;
  };
  // A pipeline's state in a topic.
  using Place = std::pair<std::string, std::string>;

  // Reads for a subscription that consumes `subscription_topic`, unless that is an error.
  void ReadFor(absl::StatusOr<std::string> subscription_topic, const std::string& topic,
               const std::string& key, TakeStoredState done);
  // The topic of the subscription, or an error, if the place was checked lately.
  std::optional<absl::StatusOr<std::string>> Known(const Place& place);
  // Checks the place, and returns that topic. FAILED_PRECONDITION if the state cannot be kept
  // there. Blocks.
  absl::StatusOr<std::string> Check(const Place& place);
  absl::StatusOr<Source> FindSource();
  absl::Status CheckPartitions(const Place& place, const Source& source);

  const std::shared_ptr<client::Connection> connection_;
  const std::string subscription_;
  const std::string source_;
  std::atomic<bool> stopping_ = false;

  Mutex mutex_;
  uint32_t partitions_ ABSL_GUARDED_BY(mutex_) = 0;
  struct Checked {
    absl::Duration until;  // By the monotonic clock: believed for so long.
    absl::StatusOr<std::string> topic;
  };
  std::map<Place, Checked> checked_ ABSL_GUARDED_BY(mutex_);

  Worker worker_;  // Last: ends before the other members.
};

}  // namespace eventhub::processor::internal
