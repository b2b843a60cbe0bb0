#include "eventhub/connection/transaction_calls.h"

#include "client/src/connection/unimplemented.h"
#include "eventhub/transaction.h"

namespace eventhub::client {

absl::StatusOr<TransactionResult> TransactionCalls::Transact(const Transaction&, absl::Duration) {
  return Unimplemented("Transact");
}

}  // namespace eventhub::client
