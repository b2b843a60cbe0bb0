#include "client/src/connection/grpc_subscription_calls.h"

#include "client/src/admin/subscription_proto.h"
#include "client/src/read/position_proto.h"
#include "storage/base/status_macros.h"

namespace eventhub::client {

absl::StatusOr<Subscription> GrpcSubscriptionCalls::CreateSubscription(
    const Subscription& subscription, const StartPosition& start, absl::Duration timeout) {
  v1::CreateSubscriptionRequest request;
  *request.mutable_subscription() = ToProto(subscription);
  ToProto(start, *request.mutable_start());
  ASSIGN_OR_RETURN(const auto response, service_.Call(&Stub::CreateSubscription, request, timeout));
  return FromProto(response.subscription());
}

absl::StatusOr<SubscriptionDescription> GrpcSubscriptionCalls::GetSubscription(
    const std::string& name, uint32_t max_partitions, absl::Duration timeout) {
  auto request = Named<v1::GetSubscriptionRequest>(name);
  request.set_max_partitions(max_partitions);
  ASSIGN_OR_RETURN(const auto response, service_.Query(&Stub::GetSubscription, request, timeout));
  return FromProto(response);
}

absl::StatusOr<Page<SubscriptionSummary>> GrpcSubscriptionCalls::ListSubscriptions(
    const std::string& topic, uint32_t page_size, const std::string& page_token,
    absl::Duration timeout) {
  v1::ListSubscriptionsRequest request;
  request.set_topic(topic);
  SetPage(page_size, page_token, request);
  ASSIGN_OR_RETURN(const auto response, service_.Query(&Stub::ListSubscriptions, request, timeout));
  Page<SubscriptionSummary> page{.next_page_token = response.next_page_token()};
  for (const auto& summary : response.subscriptions()) page.items.push_back(FromProto(summary));
  return page;
}

absl::StatusOr<Subscription> GrpcSubscriptionCalls::UpdateSubscription(
    const std::string& name, const SubscriptionUpdate& update, absl::Duration timeout) {
  ASSIGN_OR_RETURN(const auto response,
                   service_.Call(&Stub::UpdateSubscription, ToProto(name, update), timeout));
  return FromProto(response.subscription());
}

absl::Status GrpcSubscriptionCalls::DeleteSubscription(const std::string& name,
                                                       absl::Duration timeout) {
  return service_
      .Call(&Stub::DeleteSubscription, Named<v1::DeleteSubscriptionRequest>(name), timeout)
      .status();
}

absl::StatusOr<std::vector<PartitionMove>> GrpcSubscriptionCalls::SeekSubscription(
    const std::string& name, const SeekTarget& target, bool dry_run, absl::Duration timeout) {
  v1::SeekSubscriptionRequest request = ToProto(name, target);
  request.set_dry_run(dry_run);
  ASSIGN_OR_RETURN(const auto response, service_.Call(&Stub::SeekSubscription, request, timeout,
                                                      /*changes_nothing=*/dry_run));
  std::vector<PartitionMove> moves;
  for (const v1::PartitionMove& move : response.moves()) moves.push_back(FromProto(move));
  return moves;
}

absl::StatusOr<ReplayResult> GrpcSubscriptionCalls::ReplaySubscription(const std::string& name,
                                                                       const ReplaySpec& spec,
                                                                       bool dry_run,
                                                                       absl::Duration timeout) {
  v1::ReplaySubscriptionRequest request = ToProto(name, spec);
  request.set_dry_run(dry_run);
  ASSIGN_OR_RETURN(const auto response, service_.Call(&Stub::ReplaySubscription, request, timeout,
                                                      /*changes_nothing=*/dry_run));
  ReplayResult result{.events = response.events()};
  for (const v1::TrimmedRange& range : response.ranges()) {
    result.ranges.push_back(FromProto(range));
  }
  return result;
}

absl::StatusOr<uint64_t> GrpcSubscriptionCalls::CancelReplays(const std::string& name,
                                                              absl::Duration timeout) {
  ASSIGN_OR_RETURN(
      const auto response,
      service_.Call(&Stub::CancelReplays, Named<v1::CancelReplaysRequest>(name), timeout));
  return response.events();
}

absl::StatusOr<Snapshot> GrpcSubscriptionCalls::CreateSnapshot(const std::string& subscription,
                                                               const std::string& name,
                                                               absl::Duration timeout) {
  v1::CreateSnapshotRequest request;
  request.set_subscription(subscription);
  request.set_name(name);
  ASSIGN_OR_RETURN(const auto response, service_.Call(&Stub::CreateSnapshot, request, timeout));
  return FromProto(response.snapshot());
}

absl::StatusOr<std::vector<Snapshot>> GrpcSubscriptionCalls::ListSnapshots(
    const std::string& subscription, absl::Duration timeout) {
  v1::ListSnapshotsRequest request;
  request.set_subscription(subscription);
  ASSIGN_OR_RETURN(const auto response, service_.Query(&Stub::ListSnapshots, request, timeout));
  std::vector<Snapshot> snapshots;
  for (const v1::Snapshot& snapshot : response.snapshots()) {
    snapshots.push_back(FromProto(snapshot));
  }
  return snapshots;
}

absl::Status GrpcSubscriptionCalls::DeleteSnapshot(const std::string& subscription,
                                                   const std::string& name,
                                                   absl::Duration timeout) {
  v1::DeleteSnapshotRequest request;
  request.set_subscription(subscription);
  request.set_name(name);
  return service_.Call(&Stub::DeleteSnapshot, request, timeout).status();
}

}  // namespace eventhub::client
