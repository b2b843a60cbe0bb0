#include "eventhub/connection/subscription_calls.h"

#include "client/src/connection/unimplemented.h"

namespace eventhub::client {

absl::StatusOr<Subscription> SubscriptionCalls::CreateSubscription(const Subscription&,
                                                                   const StartPosition&,
                                                                   absl::Duration) {
  return Unimplemented("CreateSubscription");
}

absl::StatusOr<SubscriptionDescription> SubscriptionCalls::GetSubscription(const std::string&,
                                                                           uint32_t,
                                                                           absl::Duration) {
  return Unimplemented("GetSubscription");
}

absl::StatusOr<Page<SubscriptionSummary>> SubscriptionCalls::ListSubscriptions(const std::string&,
                                                                               uint32_t,
                                                                               const std::string&,
                                                                               absl::Duration) {
  return Unimplemented("ListSubscriptions");
}

absl::StatusOr<Subscription> SubscriptionCalls::UpdateSubscription(const std::string&,
                                                                   const SubscriptionUpdate&,
                                                                   absl::Duration) {
  return Unimplemented("UpdateSubscription");
}

absl::Status SubscriptionCalls::DeleteSubscription(const std::string&, absl::Duration) {
  return Unimplemented("DeleteSubscription");
}

absl::StatusOr<std::vector<PartitionMove>> SubscriptionCalls::SeekSubscription(const std::string&,
                                                                               const SeekTarget&,
                                                                               bool,
                                                                               absl::Duration) {
  return Unimplemented("SeekSubscription");
}

absl::StatusOr<ReplayResult> SubscriptionCalls::ReplaySubscription(const std::string&,
                                                                   const ReplaySpec&, bool,
                                                                   absl::Duration) {
  return Unimplemented("ReplaySubscription");
}

absl::StatusOr<uint64_t> SubscriptionCalls::CancelReplays(const std::string&, absl::Duration) {
  return Unimplemented("CancelReplays");
}

absl::StatusOr<Snapshot> SubscriptionCalls::CreateSnapshot(const std::string&, const std::string&,
                                                           absl::Duration) {
  return Unimplemented("CreateSnapshot");
}

absl::StatusOr<std::vector<Snapshot>> SubscriptionCalls::ListSnapshots(const std::string&,
                                                                       absl::Duration) {
  return Unimplemented("ListSnapshots");
}

absl::Status SubscriptionCalls::DeleteSnapshot(const std::string&, const std::string&,
                                               absl::Duration) {
  return Unimplemented("DeleteSnapshot");
}

}  // namespace eventhub::client
