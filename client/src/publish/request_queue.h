// The order of requests: which one is sent next, with which sequence, and how replies are handled.
//
// This class implements exactly-once and in-order publishing. It uses no threads, clock or network,
// so that it can be tested alone.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "client/src/publish/batch.h"
#include "eventhub/connection.h"

namespace eventhub::client {

// The result of a batch, or of one event that was removed from a batch.
struct Finished {
  absl::Status status;
  uint64_t batch_id = 0;
  bool whole_batch = false;
  size_t events = 0;
  std::vector<PendingResult> results{};
  // Set if the status is OK.
  std::unique_ptr<Batch> batch{};
  PublishReply reply{};
};

// The action after a reply, besides reporting finished batches.
enum class AfterReply {
  kGoOn,
  kBackOff,  // Pause: the hub cannot take requests now.
  kFenced,   // Stop: a newer producer has the name, and nothing more will be accepted.
  kBroken,   // Drop the stream: the reply is invalid.
};

// Sealed batches without a reply, in the order in which their events were taken. Guarded by the
// publisher's mutex.
//
// The queue starts with `kept` batches, which the hub refused for now, followed by batches that
// await a reply on the current stream, followed by batches to send. While batches are kept, nothing
// is sent: the hub refuses everything after a refused request, whose sequence leaves a gap. So the
// queue waits for all replies, and then sends the kept batches again in order. A request that is
// refused for good uses no sequence: those behind it move up by one.
class RequestQueue {
 public:
  struct Options {
    size_t max_requests = 64;
    size_t max_bytes = 8 << 20;
    bool idempotent = true;
  };

  explicit RequestQueue(Options options) : options_(options) {}

  void Push(std::unique_ptr<Batch> batch) {
    bytes_ += batch->bytes();
    batches_.push_back(std::move(batch));
  }

  // Returns the batch to write next, marked as sent at `now`; null if there is none, the window is
  // full, or kept batches wait for outstanding replies.
  Batch* Send(absl::Duration now);

  // Handles the reply to the oldest request that awaits one. It may require a new epoch: see
  // TakeNewEpoch.
  AfterReply OnReply(PublishReply reply, std::vector<Finished>& finished);

  // The stream is gone: requests without a reply are sent again. `in_doubt`: the hub may have
  // received them.
  void OnStreamLost(bool in_doubt);

  // Whether the next request must start a new epoch, in which sequences begin at 0. If so, raises
  // `epoch` above all epochs that the hub has told.
  bool TakeNewEpoch(uint64_t& epoch);

  // Fails batches past their deadline with `status`. Batches in doubt are reported but kept,
  // because later requests rely on their sequences.
  void Expire(absl::Duration now, const absl::Status& status, std::vector<Finished>& finished);

  // Fails the largest batch that awaits a reply, which is too large for the transport. Call it
  // before OnStreamLost.
  void FailLargest(const absl::Status& status, std::vector<Finished>& finished);

  // Fails all batches. Call it after OnStreamLost.
  void FailAll(const absl::Status& status, std::vector<Finished>& finished);

  bool empty() const { return batches_.empty(); }
  // Of all batches, including those that were reported and are still kept.
  size_t bytes() const { return bytes_; }
  size_t awaiting() const { return awaiting_; }
  // The earliest deadline of an unreported batch; infinite if there is none.
  absl::Duration NextDeadline() const;
  // When the oldest request that awaits its reply was sent; infinite if none does.
  absl::Duration OldestSentAt() const;

 private:
  using Iterator = std::deque<std::unique_ptr<Batch>>::iterator;

  // Removes a batch; if its sequence was not used, those behind it move up. The sequence of a batch
  // in doubt counts as used: if it was not, the hub reports a gap and accepts nothing after it.
  std::unique_ptr<Batch> Remove(Iterator batch, bool sequence_used);
  void Report(const absl::Status& status, std::unique_ptr<Batch> batch, PublishReply reply,
              std::vector<Finished>& finished);
  // Removes a batch that failed, and reports it.
  void Fail(Iterator batch, const absl::Status& status, std::vector<Finished>& finished);
  // The oldest request that awaits a reply is kept, to be sent again.
  void Keep();
  // Whether a producer that is starting takes its name over from the producer with the current
  // epoch; then the oldest request that awaits a reply is kept for a newer epoch.
  bool TakeOver(const absl::Status& status);
  AfterReply Refuse(PublishReply reply, std::vector<Finished>& finished);
  // If an INVALID_ARGUMENT names one event of several, fails only that event. Otherwise returns
  // false.
  bool RefuseEvent(const absl::Status& status, std::vector<Finished>& finished);
  void DropReported();

  const Options options_;
  std::deque<std::unique_ptr<Batch>> batches_;
  size_t bytes_ = 0;
  size_t kept_ = 0;
  size_t awaiting_ = 0;
  size_t awaiting_bytes_ = 0;
  bool gap_expected_ = false;  // A request was refused since none last awaited a reply.
  bool new_epoch_ = false;
  bool starting_ = true;     // Nothing was accepted, and no other producer was overtaken.
  uint64_t held_epoch_ = 0;  // The highest that the hub told when it refused.
  uint64_t next_sequence_ = 0;
  uint64_t next_correlation_id_ = 1;
};

}  // namespace eventhub::client
