#include "client/src/connection/grpc_dead_letter_calls.h"

#include <utility>

#include "client/src/admin/subscription_proto.h"
#include "storage/base/status_macros.h"

namespace eventhub::client {
namespace {

template <typename Request>
Request PageRequest(const std::string& subscription, const CloseLettersSpec& spec) {
  Request request;
  request.set_subscription(subscription);
  *request.mutable_selector() = ToProto(spec.selector);
  request.set_dry_run(spec.dry_run);
  request.set_max_events(spec.max_events);
  request.set_page_token(spec.page_token);
  return request;
}

}  // namespace

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
  return RedriveResult{.events = response.events(),
                       .to_come = response.to_come(),
                       .trimmed = response.trimmed(),
                       .in_flight = response.in_flight()};
}

absl::StatusOr<Page<DeadLetterGroup>> GrpcDeadLetterCalls::CountDeadLetters(
    const std::string& subscription, const DeadLetterSelector& selector,
    const std::string& page_token, absl::Duration timeout) {
  v1::CountDeadLettersRequest request;
  request.set_subscription(subscription);
  *request.mutable_selector() = ToProto(selector);
  request.set_page_token(page_token);
  ASSIGN_OR_RETURN(const auto response, service_.Query(&Stub::CountDeadLetters, request, timeout));
  Page<DeadLetterGroup> page{.next_page_token = response.next_page_token()};
  for (const v1::DeadLetterGroup& group : response.groups()) page.items.push_back(FromProto(group));
  return page;
}

absl::StatusOr<RedriveResult> GrpcDeadLetterCalls::RedriveDeadLetterPage(
    const std::string& subscription, const CloseLettersSpec& spec, absl::Duration timeout) {
  auto request = PageRequest<v1::RedriveDeadLettersRequest>(subscription, spec);
  request.set_all_pipelines(spec.all_pipelines);
  if (spec.rate_limit) ToProto(*spec.rate_limit, *request.mutable_rate_limit());
  ASSIGN_OR_RETURN(const auto response, service_.Call(&Stub::RedriveDeadLetters, request, timeout,
                                                      /*changes_nothing=*/spec.dry_run));
  return RedriveResult{.events = response.events(),
                       .to_come = response.to_come(),
                       .trimmed = response.trimmed(),
                       .in_flight = response.in_flight(),
                       .next_page_token = response.next_page_token()};
}

absl::StatusOr<RedriveResult> GrpcDeadLetterCalls::DiscardDeadLetterPage(
    const std::string& subscription, const CloseLettersSpec& spec, absl::Duration timeout) {
  const auto request = PageRequest<v1::DiscardDeadLettersRequest>(subscription, spec);
  ASSIGN_OR_RETURN(const auto response, service_.Call(&Stub::DiscardDeadLetters, request, timeout,
                                                      /*changes_nothing=*/spec.dry_run));
  return RedriveResult{.events = response.events(), .next_page_token = response.next_page_token()};
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
