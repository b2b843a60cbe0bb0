#include "client/src/connection/grpc_transaction_calls.h"

#include "client/src/publish/transaction_proto.h"
#include "eventhub/transaction.h"
#include "storage/base/status_macros.h"

namespace eventhub::client {

absl::StatusOr<TransactionResult> GrpcTransactionCalls::Transact(const Transaction& transaction,
                                                                 absl::Duration timeout) {
  ASSIGN_OR_RETURN(const v1::TransactRequest request, ToProto(transaction));
  ASSIGN_OR_RETURN(const auto response, service_.Call(&Stub::Transact, request, timeout));
  return FromProto(response, transaction);
}

}  // namespace eventhub::client
