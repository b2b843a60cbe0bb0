// Transactions: appends to several topics, acks of a subscription and checks, applied atomically.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "eventhub/connection.h"
#include "eventhub/event_batch.h"
#include "eventhub/publisher.h"
#include "eventhub/retry.h"
#include "eventhub/topic.h"
#include "eventhub/v1/event.pb.h"

namespace eventhub::client {

// Events to append to one topic, in order.
struct TransactionAppend {
  std::string topic{};
  // Unset: each event goes to the partition of its key; all events without a key go to one
  // partition.
  std::optional<uint32_t> partition{};
  // The partition's next offset must be this one before the transaction. Requires `partition`.
  std::optional<int64_t> expected_offset{};
  // With `expected_offset`: the run of the event before it (see PartitionOffset). ABORTED
  // (ErrorReason::kOtherLog) if that event has another run. 0: not checked.
  uint64_t expected_run = 0;
  std::vector<v1::Event> events{};
  // Events that are encoded already, appended after `events`: each as a field `events` of the
  // message v1.TransactAppend. With any, TransactionResult::events has none of this append.
  std::string encoded_events{};
};

// Requires that a partition's next offset is this one before the transaction.
struct OffsetCheck {
  std::string topic{};
  uint32_t partition = 0;
  int64_t next_offset = 0;
  // Like TransactionAppend::expected_run.
  uint64_t expected_run = 0;
};

// Events to ack: delivered to one consumer of a subscription under one lease.
struct TransactionAck {
  uint32_t partition = 0;
  uint64_t lease_epoch = 0;
  std::vector<OffsetRange> ranges{};
};

// The most parts of a transaction; see Transaction::parts.
inline constexpr size_t kMaxTransactionParts = 4096;

// A set of changes that the hub applies in one atomic write, or not at all. A value: fill it, then
// Commit it, or give it to a Committer (eventhub/committer.h).
//
// Example: the read-process-write of a stream processor, exactly once into the log. The result of
// an event is appended if and only if the event is acked, whatever crashes.
//
//     .on_event = [&](const ReceivedEvent& received) {
//       Transaction transaction;
//       transaction.Ack("orders.billing", received);
//       transaction.Append("invoices", MakeInvoice(received));
//       const auto result = Commit(*hub, transaction);
//       if (result.ok()) return Outcome::Settled();
//       return Outcome::Retry(std::string(result.status().message()));
//     }
struct Transaction {
  // Uses a new random id.
  Transaction();
  // A retry with the same id returns the result of the first commit; the hub remembers ids as long
  // as idle producers. At most 256 bytes. Empty: no id; then a retry may apply the changes again.
  explicit Transaction(std::string transaction_id) : id(std::move(transaction_id)) {}

  // Adds an event to append; consecutive events of one topic form one append.
  Transaction& Append(const std::string& topic, v1::Event event);
  // Adds delivered events to ack. A transaction may ack events of one subscription only, delivered
  // to one consumer.
  Transaction& Ack(const std::string& subscription_name, const ReceivedEvent& event);
  Transaction& Ack(const std::string& subscription_name, const EventBatch& batch);
  // Adds a check; see OffsetCheck.
  Transaction& Expect(const std::string& topic, uint32_t partition, int64_t next_offset);

  // The number of appends, checks, and ranges of acked offsets: at most kMaxTransactionParts. The
  // events of one append count as one part together, and so do acked events with consecutive
  // offsets. A transaction is also limited by the size of a request at the hub (4 MiB by default).
  size_t parts() const;

  std::string id;
  // What the changes must survive before the hub replies. kDefault: the strictest setting among the
  // topics and the subscription.
  Durability durability = Durability::kDefault;
  std::string subscription{};
  uint64_t session = 0;  // See EventBatch::session.
  std::vector<TransactionAck> acks{};
  std::vector<OffsetCheck> checks{};
  std::vector<TransactionAppend> appends{};
};

// The result of a committed transaction.
struct TransactionResult {
  // Where the events of all appends are, in the order of the appends; without appends that have
  // encoded events.
  std::vector<PublishedEvent> events{};
  // The transaction had been committed before; `events` is the original result.
  bool duplicate = false;
};

struct CommitOptions {
  // How long to keep trying; more than 0.
  absl::Duration deadline = absl::Seconds(30);
  // The delays between attempts.
  RetryOptions retry{};
};

// Commits the transaction. Blocks until the result, an error, or the deadline. Retries under the id
// while the hub is unreachable or asks to retry later; without an id, tries once. Thread-safe.
//
// After an error nothing was applied, unless OutcomeIsUnknown (eventhub/error.h) returns true for
// it: then the transaction may have been applied. With an id, commit it again to find out.
//
//   ABORTED            a check failed (see ErrorInfo), or the consumer lost the events to ack
//   DEADLINE_EXCEEDED, UNAVAILABLE  no reply came, or none within the deadline
//   others             the hub's error, as for publishing
absl::StatusOr<TransactionResult> Commit(Connection& hub, const Transaction& transaction,
                                         const CommitOptions& options = {});

}  // namespace eventhub::client
