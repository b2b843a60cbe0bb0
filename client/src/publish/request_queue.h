// The order of requests: what is sent next, with which sequence, and what a reply means.
//
// This is where exactly-once and in-order come from, so it knows no threads, no clock and no
// network, and is tested by itself.
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

// A batch that has its result, or one event that was taken out of a batch.
struct Finished {
  absl::Status status;
  uint64_t batch_id = 0;
  bool whole_batch = false;
  size_t events = 0;
  std::vector<PendingResult> results{};
  // If the status is OK.
  std::unique_ptr<Batch> batch{};
  PublishReply reply{};
};

// What to do after a reply, beside reporting what is finished.
enum class AfterReply {
  kGoOn,
  kBackOff,  // The hub asks to be left alone for a while: `retry_delay`, or the usual backoff.
  kFenced,   // A newer producer has the name: nothing more will be accepted.
  kBroken,   // The reply makes no sense: drop the stream.
};

// Sealed batches in the order in which their events were taken, from the first without a reply.
// Thread-compatible.
//
// At the front are `kept` batches, which the hub refused for now, then those that await a reply on
// the current stream, then those that are to be sent. While batches are kept, nothing is sent: the
// hub refuses whatever comes behind a refused request (its sequence leaves a gap), so all replies
// are awaited, then everything kept is sent again in order. A request refused for good uses no
// sequence: those behind it move up by one.
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

  // The batch to write next, marked as sent at `now`; null if there is none, the window is full, or
  // kept batches wait for outstanding replies.
  Batch* Send(absl::Duration now);

  // The reply to the oldest request that awaits one. `epoch` of the request may be over: see
  // TakeNewEpoch.
  AfterReply OnReply(PublishReply reply, std::vector<Finished>& finished);

  // The stream is gone: what was sent and not answered is to be sent again, and is in doubt if the
  // hub may have got it.
  void OnStreamLost(bool in_doubt);

  // Whether the next request must start a new epoch: sequences then begin at 0. If so, `epoch` is
  // raised, above all that the hub has told.
  bool TakeNewEpoch(uint64_t& epoch);

  // Fails what is past its deadline with `status`. What is in doubt is reported but kept, since
  // later requests count on its sequence.
  void Expire(absl::Duration now, const absl::Status& status, std::vector<Finished>& finished);

  // Fails the largest of the batches that await a reply, which the transport does not take. Before
  // OnStreamLost.
  void FailLargest(const absl::Status& status, std::vector<Finished>& finished);

  // Fails everything. After OnStreamLost.
  void FailAll(const absl::Status& status, std::vector<Finished>& finished);

  bool empty() const { return batches_.empty(); }
  // Of all batches, those that were reported and are still kept included.
  size_t bytes() const { return bytes_; }
  size_t awaiting() const { return awaiting_; }
  // The earliest deadline of a batch that is not reported; infinite if there is none.
  absl::Duration NextDeadline() const;
  // When the oldest request that awaits its reply was sent; infinite if none does.
  absl::Duration OldestSentAt() const;

 private:
  using Iterator = std::deque<std::unique_ptr<Batch>>::iterator;

  // Removes a batch; if its sequence was not used, those behind it move up. The sequence of one in
  // doubt counts as used: if it is not, a gap will tell, behind which nothing was accepted.
  std::unique_ptr<Batch> Remove(Iterator batch, bool sequence_used);
  void Report(const absl::Status& status, std::unique_ptr<Batch> batch, PublishReply reply,
              std::vector<Finished>& finished);
  // Removes a batch that fails, and reports it.
  void Fail(Iterator batch, const absl::Status& status, std::vector<Finished>& finished);
  // The oldest request that awaits a reply is to be sent again.
  void Keep();
  // Whether a producer that is only starting takes the name over from the one whose epoch holds;
  // then the oldest request that awaits a reply is kept for a newer epoch.
  bool TakeOver(const absl::Status& status);
  AfterReply Refuse(PublishReply reply, std::vector<Finished>& finished);
  // An INVALID_ARGUMENT that names one event of several: that one alone fails. False if it does
  // not.
  bool RefuseEvent(const absl::Status& status, std::vector<Finished>& finished);
  void DropReported();

  const Options options_;
  std::deque<std::unique_ptr<Batch>> batches_;
  size_t bytes_ = 0;
  size_t kept_ = 0;
  size_t awaiting_ = 0;
  size_t awaiting_bytes_ = 0;
  bool gap_expected_ = false;  // A request was refused since the last time none awaited a reply.
  bool new_epoch_ = false;
  bool starting_ = true;     // Nothing was accepted, and no epoch of another was overtaken.
  uint64_t held_epoch_ = 0;  // The highest that the hub told when it refused.
  uint64_t next_sequence_ = 0;
  uint64_t next_correlation_id_ = 1;
};

}  // namespace eventhub::client
