// The calls of SubscriptionService.

#include <utility>

#include "client/src/admin/subscription_proto.h"
#include "client/src/connection/grpc_connection.h"
#include "client/src/read/position_proto.h"

namespace eventhub::client {

using Stub = v1::SubscriptionService::Stub;

absl::StatusOr<Subscription> GrpcConnection::CreateSubscription(const Subscription& subscription,
                                                                const StartPosition& start,
                                                                absl::Duration timeout) {
  v1::CreateSubscriptionRequest request;
  *request.mutable_subscription() = ToProto(subscription);
  ToProto(start, *request.mutable_start());
  const auto response = Call(subscriptions_, &Stub::CreateSubscription, request, timeout);
  if (!response.ok()) return response.status();
  return FromProto(response->subscription());
}

absl::StatusOr<SubscriptionDescription> GrpcConnection::GetSubscription(const std::string& name,
                                                                        uint32_t max_partitions,
                                                                        absl::Duration timeout) {
  v1::GetSubscriptionRequest request;
  request.set_name(name);
  request.set_max_partitions(max_partitions);
  const auto response = Query(subscriptions_, &Stub::GetSubscription, request, timeout);
  if (!response.ok()) return response.status();
  return FromProto(*response);
}

absl::StatusOr<Page<SubscriptionSummary>> GrpcConnection::ListSubscriptions(
    const std::string& topic, uint32_t page_size, const std::string& page_token,
    absl::Duration timeout) {
  v1::ListSubscriptionsRequest request;
  request.set_topic(topic);
  request.set_page_size(page_size);
  request.set_page_token(page_token);
  const auto response = Query(subscriptions_, &Stub::ListSubscriptions, request, timeout);
  if (!response.ok()) return response.status();
  Page<SubscriptionSummary> page{.next_page_token = response->next_page_token()};
  for (const auto& summary : response->subscriptions()) page.items.push_back(FromProto(summary));
  return page;
}

absl::StatusOr<Subscription> GrpcConnection::UpdateSubscription(const std::string& name,
                                                                const SubscriptionUpdate& update,
                                                                absl::Duration timeout) {
  const auto response =
      Call(subscriptions_, &Stub::UpdateSubscription, ToProto(name, update), timeout);
  if (!response.ok()) return response.status();
  return FromProto(response->subscription());
}

absl::Status GrpcConnection::DeleteSubscription(const std::string& name, absl::Duration timeout) {
  v1::DeleteSubscriptionRequest request;
  request.set_name(name);
  return Call(subscriptions_, &Stub::DeleteSubscription, request, timeout).status();
}

absl::StatusOr<std::vector<PartitionMove>> GrpcConnection::SeekSubscription(
    const std::string& name, const SeekTarget& target, bool dry_run, absl::Duration timeout) {
  v1::SeekSubscriptionRequest request = ToProto(name, target);
  request.set_dry_run(dry_run);
  const auto response =
      Call(subscriptions_, &Stub::SeekSubscription, request, timeout, /*changes_nothing=*/dry_run);
  if (!response.ok()) return response.status();
  std::vector<PartitionMove> moves;
  for (const v1::PartitionMove& move : response->moves()) moves.push_back(FromProto(move));
  return moves;
}

absl::StatusOr<ReplayResult> GrpcConnection::ReplaySubscription(const std::string& name,
                                                                const ReplaySpec& spec,
                                                                bool dry_run,
                                                                absl::Duration timeout) {
  v1::ReplaySubscriptionRequest request = ToProto(name, spec);
  request.set_dry_run(dry_run);
  const auto response = Call(subscriptions_, &Stub::ReplaySubscription, request, timeout,
                             /*changes_nothing=*/dry_run);
  if (!response.ok()) return response.status();
  ReplayResult result{.events = response->events()};
  for (const v1::TrimmedRange& range : response->ranges()) {
    result.ranges.push_back(FromProto(range));
  }
  return result;
}

absl::StatusOr<uint64_t> GrpcConnection::CancelReplays(const std::string& name,
                                                       absl::Duration timeout) {
  v1::CancelReplaysRequest request;
  request.set_name(name);
  const auto response = Call(subscriptions_, &Stub::CancelReplays, request, timeout);
  if (!response.ok()) return response.status();
  return response->events();
}

absl::StatusOr<Snapshot> GrpcConnection::CreateSnapshot(const std::string& subscription,
                                                        const std::string& name,
                                                        absl::Duration timeout) {
  v1::CreateSnapshotRequest request;
  request.set_subscription(subscription);
  request.set_name(name);
  const auto response = Call(subscriptions_, &Stub::CreateSnapshot, request, timeout);
  if (!response.ok()) return response.status();
  return FromProto(response->snapshot());
}

absl::StatusOr<std::vector<Snapshot>> GrpcConnection::ListSnapshots(const std::string& subscription,
                                                                    absl::Duration timeout) {
  v1::ListSnapshotsRequest request;
  request.set_subscription(subscription);
  const auto response = Query(subscriptions_, &Stub::ListSnapshots, request, timeout);
  if (!response.ok()) return response.status();
  std::vector<Snapshot> snapshots;
  for (const v1::Snapshot& snapshot : response->snapshots()) {
    snapshots.push_back(FromProto(snapshot));
  }
  return snapshots;
}

absl::Status GrpcConnection::DeleteSnapshot(const std::string& subscription,
                                            const std::string& name, absl::Duration timeout) {
  v1::DeleteSnapshotRequest request;
  request.set_subscription(subscription);
  request.set_name(name);
  return Call(subscriptions_, &Stub::DeleteSnapshot, request, timeout).status();
}

absl::StatusOr<Page<DeadLetter>> GrpcConnection::ListDeadLetters(const std::string& subscription,
                                                                 const DeadLetterSelector& selector,
                                                                 bool with_data, uint32_t page_size,
                                                                 const std::string& page_token,
                                                                 absl::Duration timeout) {
  v1::ListDeadLettersRequest request;
  request.set_subscription(subscription);
  *request.mutable_selector() = ToProto(selector);
  request.set_with_data(with_data);
  request.set_page_size(page_size);
  request.set_page_token(page_token);
  auto response = Query(subscriptions_, &Stub::ListDeadLetters, request, timeout);
  if (!response.ok()) return response.status();
  Page<DeadLetter> page{.next_page_token = response->next_page_token()};
  for (v1::DeadLetter& letter : *response->mutable_dead_letters()) {
    page.items.push_back(FromProto(std::move(letter)));
  }
  return page;
}

absl::StatusOr<RedriveResult> GrpcConnection::RedriveDeadLetters(const std::string& subscription,
                                                                 const DeadLetterSelector& selector,
                                                                 bool dry_run,
                                                                 absl::Duration timeout) {
  v1::RedriveDeadLettersRequest request;
  request.set_subscription(subscription);
  *request.mutable_selector() = ToProto(selector);
  request.set_dry_run(dry_run);
  const auto response = Call(subscriptions_, &Stub::RedriveDeadLetters, request, timeout,
                             /*changes_nothing=*/dry_run);
  if (!response.ok()) return response.status();
  return RedriveResult{response->events(), response->to_come(), response->trimmed()};
}

absl::StatusOr<uint64_t> GrpcConnection::DiscardDeadLetters(const std::string& subscription,
                                                            const DeadLetterSelector& selector,
                                                            bool dry_run, absl::Duration timeout) {
  v1::DiscardDeadLettersRequest request;
  request.set_subscription(subscription);
  *request.mutable_selector() = ToProto(selector);
  request.set_dry_run(dry_run);
  const auto response = Call(subscriptions_, &Stub::DiscardDeadLetters, request, timeout,
                             /*changes_nothing=*/dry_run);
  if (!response.ok()) return response.status();
  return response->events();
}

}  // namespace eventhub::client
