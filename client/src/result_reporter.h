// Gives each event's callback its place, which the hub tells only per request and partition.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/functional/any_invocable.h"
#include "absl/status/statusor.h"
#include "client/src/request_queue.h"
#include "eventhub/connection.h"
#include "eventhub/publisher.h"
#include "storage/base/mutex.h"

namespace eventhub::client {

// Events with keys whose request went to several partitions are located by the topic's number of
// partitions. That is asked of the hub when it is needed first, and again when it does not fit any
// more; meanwhile results wait here. Thread-safe; calls back without a lock.
class ResultReporter : public std::enable_shared_from_this<ResultReporter> {
 public:
  ResultReporter(std::shared_ptr<Connection> connection, std::string topic,
                 std::function<void(const BatchResult&)> on_batch_done)
      : connection_(std::move(connection)),
        topic_(std::move(topic)),
        on_batch_done_(std::move(on_batch_done)) {}

  using Done = absl::AnyInvocable<void(const Finished& finished) &&>;

  // Calls back, at once or later, and then `done`.
  void Report(Finished finished, Done done);

  // Reports what waits, without places.
  void Stop();

 private:
  struct Waiting {
    Finished finished;
    Done done;
  };

  // The places of the events that have callbacks; nullopt if another number of partitions is
  // needed.
  static std::optional<std::vector<PublishedEvent>> Locate(const Finished& finished,
                                                           std::optional<uint32_t> partitions);
  // The same with what is known in the end; places that cannot be had are marked as unknown.
  static std::vector<PublishedEvent> LocateAtLast(const Finished& finished,
                                                  const absl::StatusOr<uint32_t>& partitions);
  void LookUp();
  void OnPartitionCount(const absl::StatusOr<uint32_t>& partitions);
  void CallBack(Waiting report, const std::vector<PublishedEvent>& places);

  const std::shared_ptr<Connection> connection_;
  const std::string topic_;
  const std::function<void(const BatchResult&)> on_batch_done_;

  Mutex mutex_;
  std::optional<uint32_t> partitions_ ABSL_GUARDED_BY(mutex_);
  std::vector<Waiting> waiting_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace eventhub::client
