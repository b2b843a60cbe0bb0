// DeadLetterCalls over gRPC.
#pragma once

#include <string>

#include "client/src/connection/grpc_caller.h"
#include "eventhub/connection/dead_letter_calls.h"
#include "eventhub/v1/subscription.grpc.pb.h"

namespace eventhub::client {

// The dead letters of a subscription, through SubscriptionService. Thread-safe.
class GrpcDeadLetterCalls final : public DeadLetterCalls {
 public:
  // `caller` must outlive this object.
  explicit GrpcDeadLetterCalls(GrpcCaller& caller) : service_(caller) {}

  absl::StatusOr<Page<DeadLetter>> ListDeadLetters(const std::string& subscription,
                                                   const DeadLetterSelector& selector,
                                                   bool with_data, uint32_t page_size,
                                                   const std::string& page_token,
                                                   absl::Duration timeout) override;
  absl::StatusOr<RedriveResult> RedriveDeadLetters(const std::string& subscription,
                                                   const DeadLetterSelector& selector, bool dry_run,
                                                   absl::Duration timeout) override;
  absl::StatusOr<Page<DeadLetterGroup>> CountDeadLetters(const std::string& subscription,
                                                         const DeadLetterSelector& selector,
                                                         const std::string& page_token,
                                                         absl::Duration timeout) override;
  absl::StatusOr<RedriveResult> RedriveDeadLetterPage(const std::string& subscription,
                                                      const CloseLettersSpec& spec,
                                                      absl::Duration timeout) override;
  absl::StatusOr<RedriveResult> DiscardDeadLetterPage(const std::string& subscription,
                                                      const CloseLettersSpec& spec,
                                                      absl::Duration timeout) override;
  absl::StatusOr<uint64_t> DiscardDeadLetters(const std::string& subscription,
                                              const DeadLetterSelector& selector, bool dry_run,
                                              absl::Duration timeout) override;

 private:
  using Stub = v1::SubscriptionService::Stub;

  GrpcService<v1::SubscriptionService> service_;
};

}  // namespace eventhub::client
