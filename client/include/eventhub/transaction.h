// Changes that a hub makes together: appends to several topics, acks of a subscription, checks.
#pragma once

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

// Consecutive events of one topic.
struct TransactionAppend {
  std::string topic{};
  // Unset: each event goes by its partition key, those without one together to one partition.
  std::optional<uint32_t> partition{};
  // The partition's next offset has to be this one, before the transaction. Needs `partition`.
  std::optional<int64_t> expected_offset{};
  // With `expected_offset`: the run of the event before it (see PartitionOffset); ABORTED
  // (ErrorReason::kOtherLog) if it is of another one. 0: not checked.
  uint64_t expected_run = 0;
  std::vector<v1::Event> events{};
};

// An offset that has to be the next one of a partition, before the transaction.
struct OffsetCheck {
  std::string topic{};
  uint32_t partition = 0;
  int64_t next_offset = 0;
  // As TransactionAppend::expected_run.
  uint64_t expected_run = 0;
};

// What was delivered to a consumer of a subscription, under one lease, and is done.
struct TransactionAck {
  uint32_t partition = 0;
  uint64_t lease_epoch = 0;
  std::vector<OffsetRange> ranges{};
};

// All of it is done, in one write of the hub, or nothing. A value to fill and to commit.
//
// The read-process-write of a stream processor, exactly once into the log: what comes of an event
// is appended if and only if the event is acked, whatever crashes.
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
  // With a new id of its own.
  Transaction();
  // A retry under the same id gets the first outcome; the hub remembers ids for as long as idle
  // producers. At most 256 bytes. Empty: none, and then a retry may do it all again.
  explicit Transaction(std::string transaction_id) : id(std::move(transaction_id)) {}

  // Adds an event; those of one topic in succession become one append.
  Transaction& Append(const std::string& topic, v1::Event event);
  // Adds what was delivered by the subscription of that name. One subscription, and one consumer of
  // it, in a transaction.
  Transaction& Ack(const std::string& subscription_name, const ReceivedEvent& event);
  Transaction& Ack(const std::string& subscription_name, const EventBatch& batch);
  Transaction& Expect(const std::string& topic, uint32_t partition, int64_t next_offset);

  std::string id;
  // When to answer. kDefault: the strictest of what the topics and the subscription have.
  Durability durability = Durability::kDefault;
  std::string subscription{};
  uint64_t session = 0;  // See EventBatch::session.
  std::vector<TransactionAck> acks{};
  std::vector<OffsetCheck> checks{};
  std::vector<TransactionAppend> appends{};
};

// What came of a transaction that was committed.
struct TransactionResult {
  // Where the events of all appends are, in their order.
  std::vector<PublishedEvent> events{};
  // It had been committed before; `events` is what was answered then.
  bool duplicate = false;
};

struct CommitOptions {
  // Attempts are made until then; more than 0.
  absl::Duration deadline = absl::Seconds(30);
  // Between attempts.
  RetryOptions retry{};
};

// Commits the transaction; blocks. Tries again, under the id, when the hub cannot be reached or
// puts it off. Without an id it tries once.
//
// After an error nothing is done, unless OutcomeIsUnknown (eventhub/error.h) says so of it: then
// the transaction may be done; with an id, commit it again to know.
//
//   ABORTED            a check did not hold (see ErrorInfo), or what is to be acked is not at that
//                      consumer any more
//   DEADLINE_EXCEEDED, UNAVAILABLE  no answer came, or none within the deadline
//   others             the hub's answer, as for publishing
absl::StatusOr<TransactionResult> Commit(Connection& hub, const Transaction& transaction,
                                         const CommitOptions& options = {});

}  // namespace eventhub::client
