#include "client/src/connection/grpc_dead_letter_calls.h"

#include <utility>

#include "client/src/admin/subscription_proto.h"
#include "storage/base/status_macros.h"

namespace eventhub::client {

absl::StatusOr<Page<DeadLetter>> GrpcDeadLetterCalls::ListDeadLetters(
    const std::string& subscription, const DeadLetterSelector& selector, bool with_data,
    uint32_t page_size, const std::string& page_token, absl::Duration timeout) {
  v1::ListDeadLettersRequest request;
  request.set_subscription(subscription);
  *request.mutable_selector() = ToProto(selector);
  request.set_with_data(with_data);
  SetPage(page_size, page_token, request);
  ASSIGN_OR_RETURN(auto response, service_.Query(&Stub::ListDeadLetters, request, timeout));
  Page<DeadLetter> page{.next_page_token = response.next_page_token()};
  for (v1::DeadLetter& letter : *response.mutable_dead_letters()) {
    page.items.push_back(FromProto(std::move(letter)));
  }
  return page;
}

absl::StatusOr<RedriveResult> GrpcDeadLetterCalls::RedriveDeadLetters(
    const std::string& subscription, const DeadLetterSelector& selector, bool dry_run,
    absl::Duration timeout) {
  v1::RedriveDeadLettersRequest request;
  request.set_subscription(subscription);
  *request.mutable_selector() = ToProto(selector);
  request.set_dry_run(dry_run);
  ASSIGN_OR_RETURN(const auto response, service_.Call(&Stub::RedriveDeadLetters, request, timeout,
                                                      /*changes_nothing=*/dry_run));
  return RedriveResult{response.events(), response.to_come(), response.trimmed()};
}

absl::StatusOr<uint64_t> GrpcDeadLetterCalls::DiscardDeadLetters(const std::string& subscription,
                                                                 const DeadLetterSelector& selector,
                                                                 bool dry_run,
                                                                 absl::Duration timeout) {
  v1::DiscardDeadLettersRequest request;
  request.set_subscription(subscription);
  *request.mutable_selector() = ToProto(selector);
  request.set_dry_run(dry_run);
  ASSIGN_OR_RETURN(const auto response, service_.Call(&Stub::DiscardDeadLetters, request, timeout,
                                                      /*changes_nothing=*/dry_run));
  return response.events();
}

}  // namespace eventhub::client
