// Transactions as messages.
#pragma once

#include <cstdint>
#include <string>

#include "absl/status/statusor.h"
#include "eventhub/connection/transact_streams.h"
#include "eventhub/transaction.h"
#include "eventhub/v1/hub.pb.h"

namespace eventhub::client {

// INVALID_ARGUMENT if encoded events cannot be parsed.
absl::StatusOr<v1::TransactRequest> ToProto(const Transaction& transaction);

// INTERNAL if it cannot be the answer to that transaction.
absl::StatusOr<TransactionResult> FromProto(const v1::TransactResponse& response,
                                            const Transaction& transaction);

// The encoding of the v1::TransactStreamRequest of a transaction, made without copying events into
// messages.
std::string Encode(const Transaction& transaction, uint64_t correlation_id);

// Sets the parts of `reply` that the hub's answer has.
void SetResult(const v1::TransactResponse& response, TransactReply& reply);

// The result of a transaction that the hub answered with OK. INTERNAL as above.
absl::StatusOr<TransactionResult> ResultOf(const TransactReply& reply,
                                           const Transaction& transaction);

}  // namespace eventhub::client
