// Reads a topic batch by batch, and resumes by itself when the connection breaks.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "eventhub/connection.h"
#include "eventhub/event_batch.h"
#include "eventhub/filter.h"
#include "eventhub/retry.h"

namespace eventhub::client {

class ReaderCore;

// What a reader does when retention trimmed the events that it would read next.
enum class WhenTrimmed {
  kFail,  // Next returns OUT_OF_RANGE; GetErrorInfo has `partition` and `earliest_offset`.
  kSkipToEarliest,  // Continues at the first event that is kept; see Reader::skipped_events.
};

struct ReaderOptions {
  // The topic to read. Required.
  std::string topic{};

  // The partitions to read, each at most once. Empty: all, including those added later.
  std::vector<uint32_t> partitions{};

  // Where to start in partitions that `offsets` does not name.
  StartPosition start = StartPosition::Earliest();

  // Where to start in individual partitions. Pass the result of Reader::positions to resume
  // exactly; its runs make the hub check that the log is still the same one, see Reader::Next.
  std::vector<PartitionOffset> offsets{};

  // Deliver only events before this offset in each partition. With `follow`, a stop beyond the end
  // of the log is waited for.
  std::optional<int64_t> stop_offset{};

  // Deliver only events that the hub appended before this time.
  std::optional<absl::Time> stop_time{};

  // Continue at the end of the log, and wait for new events. If false, reading ends at the end that
  // the log had when the call began (after a reconnection: when it resumed).
  bool follow = false;

  WhenTrimmed when_trimmed = WhenTrimmed::kFail;

  // The hub fills responses up to this size in bytes, 4,096 to 4,000,000; 0: the hub's default.
  uint32_t max_response_bytes = 0;

  // Deliver only events that pass this filter.
  std::optional<Filter> filter{};

  // With a filter: make Reader::positions advance past events that the filter drops at the end of
  // the log, while Next waits. Costs a small response where there would be none.
  bool report_passed = false;

  // Deliver sealed data as it is stored, encrypted; see eventhub/v1/erasure.proto.
  bool as_stored = false;

  // The delays between attempts to reconnect.
  RetryOptions retry{};

  // How long reconnecting may go without a response; afterwards Next fails with the last error. 0:
  // never reconnect; infinite: never give up.
  absl::Duration reconnect_deadline = absl::InfiniteDuration();
};

// Reads events in offset order per partition. Next must be called by one thread at a time; Cancel
// may be called by any thread. A reader has no thread of its own: the caller of Next receives, so
// events that it does not take wait at the hub, and memory stays at about one response (at most
// 4 MiB, or one larger event).
//
// Example:
//
//     ASSIGN_OR_RETURN(auto reader, Reader::Create(hub, {.topic = "orders", .follow = true}));
//     while (true) {
//       ASSIGN_OR_RETURN(EventBatch batch, reader->Next());
//       if (batch.done()) break;
//       for (const ReceivedEvent& event : batch) …
//     }
class Reader {
 public:
  // INVALID_ARGUMENT, naming the option, if one is out of range. Does not use the network.
  static absl::StatusOr<std::unique_ptr<Reader>> Create(std::shared_ptr<Connection> connection,
                                                        ReaderOptions options);
  ~Reader();

  Reader(const Reader&) = delete;
  Reader& operator=(const Reader&) = delete;

  // Waits for the next batch. Connection failures are retried, not reported, and no event is
  // returned twice or omitted.
  //
  //   DEADLINE_EXCEEDED  no batch arrived within `timeout`; call again
  //   CANCELLED          Cancel was called
  //   OUT_OF_RANGE       events were trimmed, see WhenTrimmed; or, regardless of WhenTrimmed, a
  //                      position is beyond the end of the log
  //   FAILED_PRECONDITION  with ErrorReason::kOtherLog: the log under this name is not the one that
  //                      was read. The topic was deleted and created again, or another hub answers,
  //                      or the hub was restored from a backup or lost unsynced events, and assigns
  //                      offsets a second time. The present log does not continue what was read.
  //                      Create a new reader, at StartPosition::Earliest (the entire new log), at
  //                      Latest (none of its present events), or at ErrorInfo::agreed_offset if it
  //                      is set: the events before it are the same in both logs
  //   UNAVAILABLE        no connection for `reconnect_deadline`; or the hub's lake, which has the
  //                      next events, did not answer for so long (ErrorReason::kLakeUnavailable)
  //   DATA_LOSS          these events are damaged or missing there (ErrorReason::kLakeDamaged)
  //   RESOURCE_EXHAUSTED and other errors of the hub that pass, if it returned them, without
  //                      interruption, for `reconnect_deadline`
  //   others             the hub's error, e.g. NOT_FOUND: no such topic or partition
  //
  // After an error other than DEADLINE_EXCEEDED, and after a batch with done(), every further call
  // returns the same.
  absl::StatusOr<EventBatch> Next(absl::Duration timeout = absl::InfiniteDuration());

  // Makes Next return CANCELLED, including a call that waits.
  void Cancel();

  // For each partition known so far, by partition number: the offset after the last event returned,
  // or after the events behind it that the filter dropped. Pass it as `ReaderOptions::offsets` to a
  // later reader. Must not be called while Next runs.
  std::vector<PartitionOffset> positions() const;

  // Where reading began in a partition, as the hub resolved it; unset while unknown. Must not be
  // called while Next runs.
  std::optional<int64_t> start_of(uint32_t partition) const;

  // How many offsets WhenTrimmed::kSkipToEarliest skipped. Must not be called while Next runs.
  uint64_t skipped_events() const;

  // For Create, and for tests, which inject a clock.
  explicit Reader(std::unique_ptr<ReaderCore> core);

 private:
  const std::unique_ptr<ReaderCore> core_;
};

}  // namespace eventhub::client
