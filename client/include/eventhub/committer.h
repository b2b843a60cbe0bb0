// Commits transactions asynchronously: many in flight, retried under their ids, bounded.
#pragma once

#include <cstddef>
#include <memory>

#include "absl/functional/any_invocable.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "eventhub/connection.h"
#include "eventhub/publisher.h"
#include "eventhub/retry.h"
#include "eventhub/transaction.h"

namespace eventhub::client {

class CommitterCore;

struct CommitterOptions {
  // The limits on transactions in flight, i.e. taken and not answered yet: their number (1 to
  // 1,000,000), and the bytes of their requests (at least 1; a single transaction is always taken).
  // Beyond them, Commit waits for space, for at most `deadline`, or returns RESOURCE_EXHAUSTED.
  size_t max_in_flight = 1024;
  size_t max_in_flight_bytes = 32 * 1024 * 1024;
  WhenFull when_full = WhenFull::kBlock;

  // How long a transaction may take, from Commit to its answer. More than 0; may be infinite.
  absl::Duration deadline = absl::Seconds(30);

  // How long the hub may take to reply to a request; afterwards the stream is dropped and opened
  // again. More than 0; may be infinite.
  absl::Duration reply_timeout = absl::Seconds(30);

  // The delays between attempts.
  RetryOptions retry{};
};

// Commits transactions to one hub, without a thread that waits for each. Thread-safe.
//
// Transactions are pipelined on one stream, and the hub groups those that are waiting into one
// write. They take effect in the order of the calls of Commit, with one exception: if the hub
// refuses a transaction temporarily (e.g. because its disk is full), later ones may take effect
// before it. If the order must hold even then, commit the second transaction when the first one is
// answered.
//
// While the hub is unreachable or asks to retry later, a transaction with an id is retried under it
// until its deadline, and takes effect at most once. One without an id is tried once.
//
// Limits: a transaction is atomic, so it is sent as one request; Commit refuses one with more than
// kMaxTransactionParts parts, or with an id of more than 256 bytes. The exception is a transaction
// of only acks, without appends and checks: it is sent in as many requests as necessary, since acks
// are independent of each other and can be repeated without harm. If some of them take effect and
// others do not, the answer is an error with an unknown outcome.
//
// Memory: the transactions in flight. Threads: none; answers come on threads of the connection, and
// a callback that blocks delays all later ones.
//
// Example:
//
//     ASSIGN_OR_RETURN(auto committer, Committer::Create(hub, {}));
//     …
//     .on_event_async = [&](ReceivedEvent received, Settler settler) {
//       Transaction transaction;
//       transaction.Ack("orders.billing", received);
//       transaction.Append("invoices", MakeInvoice(received));
//       committer->Commit(std::move(transaction), [settler = std::move(settler)](auto result)
//           mutable {
//         settler.Settle(result.ok() ? Outcome::Settled()
//                                    : Outcome::Retry(std::string(result.status().message())));
//       });
//     }
class Committer {
 public:
  // Called exactly once. There are three answers:
  //
  //   OK                             the transaction is committed
  //   an error                       no part of it is or will be committed; for the errors see
  //                                  Commit in transaction.h
  //   an error that OutcomeIsUnknown (eventhub/error.h) says is in doubt: it may be committed, e.g.
  //                                  because the deadline passed before the hub replied. To find
  //                                  out, commit it again under its id.
  //
  // In addition to the hub's errors: DEADLINE_EXCEEDED (no reply within the deadline; the message
  // has the last failure), CANCELLED (the committer was closed before).
  using Callback = absl::AnyInvocable<void(absl::StatusOr<TransactionResult>) &&>;

  // INVALID_ARGUMENT, naming the option, if one is out of range. Does not use the network.
  static absl::StatusOr<std::unique_ptr<Committer>> Create(std::shared_ptr<Connection> connection,
                                                           CommitterOptions options);

  // Like Close(absl::ZeroDuration()): does not wait for the hub. Must not be called from a
  // callback.
  ~Committer();

  Committer(const Committer&) = delete;
  Committer& operator=(const Committer&) = delete;

  // Takes a transaction. `done` is required; it runs on a thread of the connection, must be quick,
  // must not block, and must not call the committer, except Commit with WhenFull::kFail.
  //
  // An error means that the transaction was not taken, no part of it will be committed, and `done`
  // is not called: INVALID_ARGUMENT (names the limit or the missing field), RESOURCE_EXHAUSTED (too
  // much is in flight), CANCELLED (the committer is closed).
  absl::Status Commit(Transaction transaction, Callback done);

  // Returns when all transactions taken before the call are answered and their callbacks have
  // returned. DEADLINE_EXCEEDED: that took longer than `timeout`. UNKNOWN: since the last Flush, a
  // callback threw an exception, which was caught. Must not be called from a callback.
  absl::Status Flush(absl::Duration timeout = absl::InfiniteDuration());

  // Takes no more transactions, flushes those that were taken, and returns the result of Flush.
  // Transactions without an answer after `timeout` are answered with CANCELLED; the outcome of
  // those that were sent is then unknown. Returns when no callback runs. Must not be called from a
  // callback.
  absl::Status Close(absl::Duration timeout);

  // The number of transactions in flight.
  size_t in_flight() const;

  // Why the last attempt failed, e.g. UNAVAILABLE (no hub), while it is being retried and no answer
  // has arrived since. Otherwise OK.
  absl::Status last_failure() const;

  // For Create, and for tests, which inject a clock.
  explicit Committer(std::shared_ptr<CommitterCore> core);

 private:
  const std::shared_ptr<CommitterCore> core_;
};

}  // namespace eventhub::client
