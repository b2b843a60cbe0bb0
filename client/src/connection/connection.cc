// What a Connection does that plays no hub.
#include "eventhub/connection.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "client/src/base/failure.h"
#include "eventhub/topology.h"
#include "eventhub/transaction.h"

namespace eventhub::client {
namespace {

absl::Status Unimplemented(absl::string_view method) {
  return WithNothingDone(
      absl::UnimplementedError(absl::StrCat("this connection does not implement ", method)));
}

// Streams that ended as they began.
class ClosedPublishStream final : public PublishStream {
 public:
  void Write(std::string, Bytes) override {}
  void Cancel() override {}
};

class ClosedConsumeStream final : public ConsumeStream {
 public:
  void Write(std::string) override {}
  void Cancel() override {}
};

class ClosedReadStream final : public ReadStream {
 public:
  Outcome Read(absl::Duration, Bytes&) override { return Outcome::kClosed; }
  absl::Status status() const override { return Unimplemented("OpenReadStream"); }
  void Cancel() override {}
};

}  // namespace

std::shared_ptr<PublishStream> Connection::OpenPublishStream(
    std::shared_ptr<PublishStream::Handler> handler) {
  handler->OnClosed(Unimplemented("OpenPublishStream"));
  return std::make_shared<ClosedPublishStream>();
}

std::unique_ptr<ReadStream> Connection::OpenReadStream(const ReadSpec&) {
  return std::make_unique<ClosedReadStream>();
}

std::shared_ptr<ConsumeStream> Connection::OpenConsumeStream(
    std::shared_ptr<ConsumeStream::Handler> handler) {
  handler->OnClosed(Unimplemented("OpenConsumeStream"));
  return std::make_shared<ClosedConsumeStream>();
}

void Connection::RunAfter(absl::Duration, absl::AnyInvocable<void() &&>) {}

void Connection::CancelCalls() {}

absl::StatusOr<TransactionResult> Connection::Transact(const Transaction&, absl::Duration) {
  return Unimplemented("Transact");
}

absl::StatusOr<Topic> Connection::CreateTopic(const Topic&, absl::Duration) {
  return Unimplemented("CreateTopic");
}

absl::StatusOr<TopicDescription> Connection::GetTopic(const std::string&, absl::Duration) {
  return Unimplemented("GetTopic");
}

absl::StatusOr<Page<Topic>> Connection::ListTopics(uint32_t, const std::string&, absl::Duration) {
  return Unimplemented("ListTopics");
}

absl::StatusOr<Topic> Connection::UpdateTopic(const std::string&, const TopicUpdate&,
                                              absl::Duration) {
  return Unimplemented("UpdateTopic");
}

absl::Status Connection::DeleteTopic(const std::string&, const TopicDeletion&, absl::Duration) {
  return Unimplemented("DeleteTopic");
}

absl::StatusOr<Page<PartitionInfo>> Connection::ListPartitions(const std::string&, uint32_t,
                                                               const std::string&, absl::Duration) {
  return Unimplemented("ListPartitions");
}

absl::StatusOr<HubStats> Connection::GetStats(absl::Duration) { return Unimplemented("GetStats"); }

absl::StatusOr<absl::Time> Connection::ConfirmClock(absl::Duration) {
  return Unimplemented("ConfirmClock");
}

absl::StatusOr<Health> Connection::CheckHealth(const std::string&, absl::Duration) {
  return Unimplemented("CheckHealth");
}

absl::StatusOr<Subscription> Connection::CreateSubscription(const Subscription&,
                                                            const StartPosition&, absl::Duration) {
  return Unimplemented("CreateSubscription");
}

absl::StatusOr<SubscriptionDescription> Connection::GetSubscription(const std::string&, uint32_t,
                                                                    absl::Duration) {
  return Unimplemented("GetSubscription");
}

absl::StatusOr<Page<SubscriptionSummary>> Connection::ListSubscriptions(const std::string&,
                                                                        uint32_t,
                                                                        const std::string&,
                                                                        absl::Duration) {
  return Unimplemented("ListSubscriptions");
}

absl::StatusOr<Subscription> Connection::UpdateSubscription(const std::string&,
                                                            const SubscriptionUpdate&,
                                                            absl::Duration) {
  return Unimplemented("UpdateSubscription");
}

absl::Status Connection::DeleteSubscription(const std::string&, absl::Duration) {
  return Unimplemented("DeleteSubscription");
}

absl::StatusOr<std::vector<PartitionMove>> Connection::SeekSubscription(const std::string&,
                                                                        const SeekTarget&, bool,
                                                                        absl::Duration) {
  return Unimplemented("SeekSubscription");
}

absl::StatusOr<ReplayResult> Connection::ReplaySubscription(const std::string&, const ReplaySpec&,
                                                            bool, absl::Duration) {
  return Unimplemented("ReplaySubscription");
}

absl::StatusOr<uint64_t> Connection::CancelReplays(const std::string&, absl::Duration) {
  return Unimplemented("CancelReplays");
}

absl::StatusOr<Snapshot> Connection::CreateSnapshot(const std::string&, const std::string&,
                                                    absl::Duration) {
  return Unimplemented("CreateSnapshot");
}

absl::StatusOr<std::vector<Snapshot>> Connection::ListSnapshots(const std::string&,
                                                                absl::Duration) {
  return Unimplemented("ListSnapshots");
}

absl::Status Connection::DeleteSnapshot(const std::string&, const std::string&, absl::Duration) {
  return Unimplemented("DeleteSnapshot");
}

absl::StatusOr<Page<DeadLetter>> Connection::ListDeadLetters(const std::string&,
                                                             const DeadLetterSelector&, bool,
                                                             uint32_t, const std::string&,
                                                             absl::Duration) {
  return Unimplemented("ListDeadLetters");
}

absl::StatusOr<RedriveResult> Connection::RedriveDeadLetters(const std::string&,
                                                             const DeadLetterSelector&, bool,
                                                             absl::Duration) {
  return Unimplemented("RedriveDeadLetters");
}

absl::StatusOr<uint64_t> Connection::DiscardDeadLetters(const std::string&,
                                                        const DeadLetterSelector&, bool,
                                                        absl::Duration) {
  return Unimplemented("DiscardDeadLetters");
}

absl::StatusOr<RouteChange> Connection::CreateRoute(const Route&, absl::Duration) {
  return Unimplemented("CreateRoute");
}

absl::StatusOr<RouteDescription> Connection::GetRoute(const std::string&, absl::Duration) {
  return Unimplemented("GetRoute");
}

absl::StatusOr<Page<RouteDescription>> Connection::ListRoutes(const std::string&, uint32_t,
                                                              const std::string&, absl::Duration) {
  return Unimplemented("ListRoutes");
}

absl::StatusOr<RouteChange> Connection::UpdateRoute(const std::string&, const RouteUpdate&,
                                                    absl::Duration) {
  return Unimplemented("UpdateRoute");
}

absl::StatusOr<std::vector<PartitionOffset>> Connection::DeleteRoute(const std::string&,
                                                                     absl::Duration) {
  return Unimplemented("DeleteRoute");
}

absl::StatusOr<RouteTest> Connection::TestRoutes(const std::string&, const v1::Event&,
                                                 const std::optional<Route>&, absl::Duration) {
  return Unimplemented("TestRoutes");
}

absl::StatusOr<Link> Connection::CreateLink(const Link&, absl::Duration) {
  return Unimplemented("CreateLink");
}

absl::StatusOr<LinkDescription> Connection::GetLink(const std::string&, absl::Duration) {
  return Unimplemented("GetLink");
}

absl::StatusOr<Page<LinkDescription>> Connection::ListLinks(uint32_t, const std::string&,
                                                            absl::Duration) {
  return Unimplemented("ListLinks");
}

absl::StatusOr<Link> Connection::UpdateLink(const std::string&, const LinkUpdate&, absl::Duration) {
  return Unimplemented("UpdateLink");
}

absl::Status Connection::DeleteLink(const std::string&, absl::Duration) {
  return Unimplemented("DeleteLink");
}

absl::StatusOr<Page<DelayedEvent>> Connection::ListDelayedEvents(const std::string&,
                                                                 const DueRange&, uint32_t,
                                                                 const std::string&,
                                                                 absl::Duration) {
  return Unimplemented("ListDelayedEvents");
}

absl::StatusOr<uint32_t> Connection::CancelDelayedEvents(const std::string&,
                                                         const std::vector<std::string>&,
                                                         absl::Duration) {
  return Unimplemented("CancelDelayedEvents");
}

absl::StatusOr<ApplyResult> Connection::ApplyTopology(const Topology&, const ApplyOptions&,
                                                      absl::Duration) {
  return Unimplemented("ApplyTopology");
}

absl::StatusOr<Topology> Connection::ExportTopology(absl::Duration) {
  return Unimplemented("ExportTopology");
}

}  // namespace eventhub::client
