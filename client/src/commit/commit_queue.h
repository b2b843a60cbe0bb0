// The order of transactions: which one is sent next, and how replies are interpreted.
//
// This class uses no threads, clock or network, so that it can be tested alone.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "client/src/base/backoff.h"
#include "eventhub/committer.h"
#include "eventhub/connection/transact_streams.h"
#include "eventhub/transaction.h"

namespace eventhub::client {

// A transaction without an answer, i.e. one request.
struct HeldTransaction {
  uint64_t number = 0;  // Ascending in the order of Commit; the request's correlation id.
  Transaction transaction;
  size_t bytes = 0;
  absl::Duration deadline;
  Committer::Callback done{};

  absl::Duration sent_at{};
  std::unique_ptr<Backoff> backoff{};  // Set once the hub refused it for now.
  bool in_doubt = false;               // An earlier attempt may have succeeded.
  bool answered = false;               // It expired; only its reply is awaited.
};

// The answer to one transaction.
struct CommitAnswer {
  uint64_t number;
  Committer::Callback done;
  absl::StatusOr<TransactionResult> result;
};

// The transactions in flight: those that await a reply on the current stream, those waiting to be
// sent, and those that the hub refused temporarily, which are sent again after a delay. The first
// two are in the order of Commit. Guarded by the committer's mutex.
class CommitQueue {
 public:
  explicit CommitQueue(const RetryOptions& retry) : retry_(retry) {}

  void Push(std::unique_ptr<HeldTransaction> held);

  // Returns the transaction to write next, marked as sent at `now`; null if there is none.
  HeldTransaction* Send(absl::Duration now);

  // Handles the reply to the oldest transaction that awaits one. Returns false if none does: then
  // the stream must be dropped.
  bool OnReply(TransactReply reply, absl::Duration now, std::vector<CommitAnswer>& answers);

  // The stream ended with `status`: transactions without a reply are sent again, those without an
  // id only if they were not sent before.
  void OnStreamLost(const absl::Status& status, std::vector<CommitAnswer>& answers);

  // Answers transactions past their deadline with `status`.
  void Expire(absl::Duration now, const absl::Status& status, std::vector<CommitAnswer>& answers);

  // Answers the largest transaction that awaits a reply, which is too large for the transport. Call
  // it before OnStreamLost.
  void FailLargest(const absl::Status& status, std::vector<CommitAnswer>& answers);

  // Answers all transactions with `status`. Call it after OnStreamLost.
  void FailAll(const absl::Status& status, std::vector<CommitAnswer>& answers);

  bool empty() const { return size() == 0; }
  size_t size() const { return sent_.size() + ready_.size() + delayed_.size(); }
  size_t bytes() const { return bytes_; }
  // Whether Send has something, now or after a delay.
  bool has_unsent() const { return !ready_.empty() || !delayed_.empty(); }
  // When the next delay ends; the earliest deadline; when the oldest request that awaits its reply
  // was sent. Infinite if there is none.
  absl::Duration NextDelayed() const;
  absl::Duration NextDeadline() const;
  absl::Duration OldestSentAt() const;

 private:
  using Held = std::unique_ptr<HeldTransaction>;

  // Puts a transaction back among those to be sent.
  void MakeReady(Held held);
  void Answer(Held held, absl::StatusOr<TransactionResult> result,
              std::vector<CommitAnswer>& answers);
  void Expire(std::deque<Held>& held, bool sent, absl::Duration now, const absl::Status& status,
              std::vector<CommitAnswer>& answers);

  const RetryOptions retry_;
  std::deque<Held> sent_;
  std::deque<Held> ready_;
  std::multimap<absl::Duration, Held> delayed_;  // By when they are ready.
  size_t bytes_ = 0;
};

}  // namespace eventhub::client
