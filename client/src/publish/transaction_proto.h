// Transactions as messages.
#pragma once

#include "absl/status/statusor.h"
#include "eventhub/transaction.h"
#include "eventhub/v1/hub.pb.h"

namespace eventhub::client {

v1::TransactRequest ToProto(const Transaction& transaction);

// INTERNAL if it cannot be the answer to that transaction.
absl::StatusOr<TransactionResult> FromProto(const v1::TransactResponse& response,
                                            const Transaction& transaction);

}  // namespace eventhub::client
