// Transaction calls: how Commit (eventhub/transaction.h) reaches a hub.
#pragma once

#include "absl/status/statusor.h"
#include "absl/time/time.h"

namespace eventhub::client {

struct Transaction;
struct TransactionResult;

// Commits transactions. Thread-safe; each call blocks until the reply, an error, or `timeout`
// (DEADLINE_EXCEEDED). A call that a class does not override returns UNIMPLEMENTED.
class TransactionCalls {
 public:
  virtual ~TransactionCalls() = default;

  // Makes one attempt; see Commit in eventhub/transaction.h.
  virtual absl::StatusOr<TransactionResult> Transact(const Transaction& transaction,
                                                     absl::Duration timeout);
};

}  // namespace eventhub::client
