// TransactionCalls over gRPC.
#pragma once

#include <string>

#include "client/src/connection/grpc_caller.h"
#include "eventhub/connection/transaction_calls.h"
#include "eventhub/v1/hub.grpc.pb.h"

namespace eventhub::client {

// Commits transactions through EventHubService. Thread-safe.
class GrpcTransactionCalls final : public TransactionCalls {
 public:
  // `caller` must outlive this object.
  explicit GrpcTransactionCalls(GrpcCaller& caller) : service_(caller) {}

  absl::StatusOr<TransactionResult> Transact(const Transaction& transaction,
                                             absl::Duration timeout) override;

 private:
  using Stub = v1::EventHubService::Stub;

  GrpcService<v1::EventHubService> service_;
};

}  // namespace eventhub::client
