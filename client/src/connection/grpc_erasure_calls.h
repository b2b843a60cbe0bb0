// ErasureCalls over gRPC.
#pragma once

#include <string>

#include "client/src/connection/grpc_caller.h"
#include "eventhub/connection/erasure_calls.h"
#include "eventhub/v1/erasure.grpc.pb.h"

namespace eventhub::client {

// The erasures of a hub, through ErasureService. Thread-safe.
class GrpcErasureCalls final : public ErasureCalls {
 public:
  // `caller` must outlive this object.
  explicit GrpcErasureCalls(GrpcCaller& caller) : service_(caller) {}

  absl::StatusOr<Erasure> EraseSubject(const std::string& subject, absl::Duration timeout) override;
  absl::StatusOr<Page<Erasure>> ListErasures(uint32_t page_size, const std::string& page_token,
                                             absl::Duration timeout) override;
  absl::StatusOr<uint64_t> RewrapKeys(absl::Duration timeout) override;

 private:
  using Stub = v1::ErasureService::Stub;

  GrpcService<v1::ErasureService> service_;
};

}  // namespace eventhub::client
