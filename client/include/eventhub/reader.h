// Reads a topic, batch by batch, and goes on by itself where it was when the connection breaks.
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

// What a reader does when the events it is to read next were trimmed by the topic's retention.
enum class WhenTrimmed {
  kFail,  // Next returns OUT_OF_RANGE; GetErrorInfo has `partition` and `earliest_offset`.
  kSkipToEarliest,  // Goes on at the first event that is kept; see Reader::skipped_events.
};

struct ReaderOptions {
  // The topic. Required.
  std::string topic{};

  // The partitions, each at most once. Empty: all, those added later included.
  std::vector<uint32_t> partitions{};

  // Where to start, in partitions that `offsets` does not name.
  StartPosition start = StartPosition::Earliest();

  // Where to start in single partitions: what Reader::positions gave, for an exact resume. The runs
  // in it have the hub check that it is the same log; see Reader::Next.
  std::vector<PartitionOffset> offsets{};

  // Deliver only events before this offset in each partition. With `follow`, a stop beyond the end
  // is waited for.
  std::optional<int64_t> stop_offset{};

  // Deliver only events that the hub appended before this time.
  std::optional<absl::Time> stop_time{};

  // Go on after the end of the log. Without, the end is that which the log had when the call began
  // (after a reconnection: when it was begun again).
  bool follow = false;

  WhenTrimmed when_trimmed = WhenTrimmed::kFail;

  // The size up to which the hub fills a response, 4,096 to 4,000,000; 0: the hub's default.
  uint32_t max_response_bytes = 0;

  // Deliver only events that pass.
  std::optional<Filter> filter{};

  // With a filter: have Reader::positions move on soon behind events that it leaves out at the end
  // of the log, while Next waits. Costs a small response for what would else cost none.
  bool report_passed = false;

  // Between attempts to reconnect.
  RetryOptions retry{};

  // Give up, with the last error, when no response came for so long while reconnecting. 0: do not
  // reconnect at all; infinite: never give up.
  absl::Duration reconnect_deadline = absl::InfiniteDuration();
};

// Reads events in offset order per partition. Next is for one thread at a time; Cancel may come
// from any thread. It has no thread of its own: the caller of Next receives, so what it does not
// take waits at the hub, and memory stays at about one response (at most 4 MiB, or one larger
// event).
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

  // Waits for the next batch. Connection failures are not reported but retried, and no event is
  // handed out twice or left out.
  //
  //   DEADLINE_EXCEEDED  nothing came within `timeout`; call again
  //   CANCELLED          Cancel was called
  //   OUT_OF_RANGE       events were trimmed; see WhenTrimmed. Also, whatever that says, when a
  //                      position is beyond the end of the log
  //   FAILED_PRECONDITION  with ErrorReason::kOtherLog: the hub has another log under this name
  //                      than the one that was read. The topic was created anew; or another hub
  //                      answers; or the hub was restored from a backup, or lost what it had not
  //                      synced, and gives offsets a second time. What is there now cannot follow
  //                      what was read. Begin a new reader: at StartPosition::Earliest (all of the
  //                      new log), Latest (none of what it has), or, where ErrorInfo has an
  //                      `agreed_offset`, there: the events before it are the same in both
  //   UNAVAILABLE        no connection for `reconnect_deadline`
  //   others             the hub's answer, e.g. NOT_FOUND: no such topic or partition
  //
  // After an error other than DEADLINE_EXCEEDED, and after a batch with done(), each further call
  // gives the same.
  absl::StatusOr<EventBatch> Next(absl::Duration timeout = absl::InfiniteDuration());

  // Makes Next, also one that waits, return CANCELLED.
  void Cancel();

  // The offset after the last event handed out, or after those that the filter left out behind it,
  // for each partition known so far, in order of the partition's number: `ReaderOptions::offsets`
  // for a later reader. Not while Next runs.
  std::vector<PartitionOffset> positions() const;

  // Where it began in a partition, as the hub resolved it; none as long as that is not known. Not
  // while Next runs.
  std::optional<int64_t> start_of(uint32_t partition) const;

  // How many offsets were left out because of WhenTrimmed::kSkipToEarliest. Not while Next runs.
  uint64_t skipped_events() const;

  // For Create, and for tests, which inject a clock.
  explicit Reader(std::unique_ptr<ReaderCore> core);

 private:
  const std::unique_ptr<ReaderCore> core_;
};

}  // namespace eventhub::client
