// The real Connection: gRPC.
#pragma once

#include <grpcpp/client_context.h>

#include <chrono>
#include <memory>
#include <string>
#include <vector>

#include "client/src/base/failure.h"
#include "client/src/base/timer_thread.h"
#include "client/src/connection/channel_pool.h"
#include "client/src/connection/grpc_status.h"
#include "client/src/connection/grpc_thread.h"
#include "client/src/connection/grpc_unary_calls.h"
#include "eventhub/connection.h"
#include "eventhub/topology.h"
#include "eventhub/v1/admin.grpc.pb.h"
#include "eventhub/v1/delayed.grpc.pb.h"
#include "eventhub/v1/hub.grpc.pb.h"
#include "eventhub/v1/link.grpc.pb.h"
#include "eventhub/v1/route.grpc.pb.h"
#include "eventhub/v1/subscription.grpc.pb.h"
#include "eventhub/v1/topology.grpc.pb.h"
#include "grpc/health/v1/health.grpc.pb.h"

namespace eventhub::client {

// The channels to a hub, and what goes over them. See Connect for how its last reference goes.
class GrpcConnection final : public Connection {
 public:
  explicit GrpcConnection(std::shared_ptr<ChannelPool> channels);

  // The streams have ended, or are about to: who opened them holds the connection for longer.
  ~GrpcConnection() override;

  std::shared_ptr<PublishStream> OpenPublishStream(
      std::shared_ptr<PublishStream::Handler> handler) override;
  std::unique_ptr<ReadStream> OpenReadStream(const ReadSpec& spec) override;
  std::shared_ptr<ConsumeStream> OpenConsumeStream(
      std::shared_ptr<ConsumeStream::Handler> handler) override;
  void RunAfter(absl::Duration delay, absl::AnyInvocable<void() &&> work) override;

  void CancelCalls() override { calls_.Cancel(); }

  absl::StatusOr<TransactionResult> Transact(const Transaction& transaction,
                                             absl::Duration timeout) override;

  // grpc_admin_calls.cc
  absl::StatusOr<Topic> CreateTopic(const Topic& topic, absl::Duration timeout) override;
  absl::StatusOr<TopicDescription> GetTopic(const std::string& name,
                                            absl::Duration timeout) override;
  absl::StatusOr<Page<Topic>> ListTopics(uint32_t page_size, const std::string& page_token,
                                         absl::Duration timeout) override;
  absl::StatusOr<Topic> UpdateTopic(const std::string& name, const TopicUpdate& update,
                                    absl::Duration timeout) override;
  absl::Status DeleteTopic(const std::string& name, const TopicDeletion& deletion,
                           absl::Duration timeout) override;
  absl::StatusOr<Page<PartitionInfo>> ListPartitions(const std::string& topic, uint32_t page_size,
                                                     const std::string& page_token,
                                                     absl::Duration timeout) override;
  absl::StatusOr<HubStats> GetStats(absl::Duration timeout) override;
  absl::StatusOr<absl::Time> ConfirmClock(absl::Duration timeout) override;
  absl::StatusOr<Health> CheckHealth(const std::string& service, absl::Duration timeout) override;

  // grpc_subscription_calls.cc
  absl::StatusOr<Subscription> CreateSubscription(const Subscription& subscription,
                                                  const StartPosition& start,
                                                  absl::Duration timeout) override;
  absl::StatusOr<SubscriptionDescription> GetSubscription(const std::string& name,
                                                          uint32_t max_partitions,
                                                          absl::Duration timeout) override;
  absl::StatusOr<Page<SubscriptionSummary>> ListSubscriptions(const std::string& topic,
                                                              uint32_t page_size,
                                                              const std::string& page_token,
                                                              absl::Duration timeout) override;
  absl::StatusOr<Subscription> UpdateSubscription(const std::string& name,
                                                  const SubscriptionUpdate& update,
                                                  absl::Duration timeout) override;
  absl::Status DeleteSubscription(const std::string& name, absl::Duration timeout) override;
  absl::StatusOr<std::vector<PartitionMove>> SeekSubscription(const std::string& name,
                                                              const SeekTarget& target,
                                                              bool dry_run,
                                                              absl::Duration timeout) override;
  absl::StatusOr<ReplayResult> ReplaySubscription(const std::string& name, const ReplaySpec& spec,
                                                  bool dry_run, absl::Duration timeout) override;
  absl::StatusOr<uint64_t> CancelReplays(const std::string& name, absl::Duration timeout) override;
  absl::StatusOr<Snapshot> CreateSnapshot(const std::string& subscription, const std::string& name,
                                          absl::Duration timeout) override;
  absl::StatusOr<std::vector<Snapshot>> ListSnapshots(const std::string& subscription,
                                                      absl::Duration timeout) override;
  absl::Status DeleteSnapshot(const std::string& subscription, const std::string& name,
                              absl::Duration timeout) override;
  absl::StatusOr<Page<DeadLetter>> ListDeadLetters(const std::string& subscription,
                                                   const DeadLetterSelector& selector,
                                                   bool with_data, uint32_t page_size,
                                                   const std::string& page_token,
                                                   absl::Duration timeout) override;
  absl::StatusOr<RedriveResult> RedriveDeadLetters(const std::string& subscription,
                                                   const DeadLetterSelector& selector, bool dry_run,
                                                   absl::Duration timeout) override;
  absl::StatusOr<uint64_t> DiscardDeadLetters(const std::string& subscription,
                                              const DeadLetterSelector& selector, bool dry_run,
                                              absl::Duration timeout) override;

  // grpc_route_calls.cc
  absl::StatusOr<RouteChange> CreateRoute(const Route& route, absl::Duration timeout) override;
  absl::StatusOr<RouteDescription> GetRoute(const std::string& name,
                                            absl::Duration timeout) override;
  absl::StatusOr<Page<RouteDescription>> ListRoutes(const std::string& topic, uint32_t page_size,
                                                    const std::string& page_token,
                                                    absl::Duration timeout) override;
  absl::StatusOr<RouteChange> UpdateRoute(const std::string& name, const RouteUpdate& update,
                                          absl::Duration timeout) override;
  absl::StatusOr<std::vector<PartitionOffset>> DeleteRoute(const std::string& name,
                                                           absl::Duration timeout) override;
  absl::StatusOr<RouteTest> TestRoutes(const std::string& topic, const v1::Event& event,
                                       const std::optional<Route>& pretended,
                                       absl::Duration timeout) override;

  // grpc_link_calls.cc
  absl::StatusOr<Link> CreateLink(const Link& link, absl::Duration timeout) override;
  absl::StatusOr<LinkDescription> GetLink(const std::string& name, absl::Duration timeout) override;
  absl::StatusOr<Page<LinkDescription>> ListLinks(uint32_t page_size, const std::string& page_token,
                                                  absl::Duration timeout) override;
  absl::StatusOr<Link> UpdateLink(const std::string& name, const LinkUpdate& update,
                                  absl::Duration timeout) override;
  absl::Status DeleteLink(const std::string& name, absl::Duration timeout) override;

  // grpc_delayed_calls.cc
  absl::StatusOr<Page<DelayedEvent>> ListDelayedEvents(const std::string& topic,
                                                       const DueRange& range, uint32_t page_size,
                                                       const std::string& page_token,
                                                       absl::Duration timeout) override;
  absl::StatusOr<uint32_t> CancelDelayedEvents(const std::string& topic,
                                               const std::vector<std::string>& delay_ids,
                                               absl::Duration timeout) override;

  // grpc_topology_calls.cc
  absl::StatusOr<ApplyResult> ApplyTopology(const Topology& topology, const ApplyOptions& options,
                                            absl::Duration timeout) override;
  absl::StatusOr<Topology> ExportTopology(absl::Duration timeout) override;

 private:
  using Deadline = std::chrono::system_clock::time_point;

  static Deadline DeadlineAfter(absl::Duration timeout);
  // Of a unary call. CANCELLED only if CancelCalls did it: what a hub that stops cancels, or gRPC,
  // is UNAVAILABLE.
  absl::Status FailureOf(const grpc::Status& status, const grpc::ClientContext& call) const;
  // Of a call that failed for want of a connection: whether another one, which waits for the
  // connection, does no harm.
  static bool MayCallAgain(const absl::Status& status, bool changes_nothing);

  // One unary call; the type of the response follows from the method. While the hub cannot be
  // reached it waits, until the timeout: that is safe, for what waits has not left this process.
  // What may have reached the hub is not sent again, unless the call changes nothing; an error of
  // such a call leaves nothing in doubt.
  template <typename Stub, typename Request, typename Response>
  absl::StatusOr<Response> Call(
      Stub& stub, grpc::Status (Stub::*method)(grpc::ClientContext*, const Request&, Response*),
      const Request& request, absl::Duration timeout, bool changes_nothing = false) {
    absl::StatusOr<Response> response = CallOrWait(stub, method, request, timeout, changes_nothing);
    if (response.ok() || !changes_nothing) return response;
    return WithNothingDone(response.status());
  }

  // The same for a call that changes nothing: it is made once more if the connection breaks.
  template <typename Stub, typename Request, typename Response>
  absl::StatusOr<Response> Query(Stub& stub,
                                 grpc::Status (Stub::*method)(grpc::ClientContext*, const Request&,
                                                              Response*),
                                 const Request& request, absl::Duration timeout) {
    return Call(stub, method, request, timeout, /*changes_nothing=*/true);
  }

  template <typename Stub, typename Request, typename Response>
  absl::StatusOr<Response> CallOrWait(
      Stub& stub, grpc::Status (Stub::*method)(grpc::ClientContext*, const Request&, Response*),
      const Request& request, absl::Duration timeout, bool changes_nothing) {
    const Deadline deadline = DeadlineAfter(timeout);
    // gRPC keeps to itself why it waits, so the first attempt does not.
    absl::StatusOr<Response> first =
        Attempt(stub, method, request, deadline, /*wait=*/!TellsWhetherSent(channels_->target()));
    if (first.ok() || !MayCallAgain(first.status(), changes_nothing)) return first;
    absl::StatusOr<Response> second = Attempt(stub, method, request, deadline, /*wait=*/true);
    const bool in_vain =
        absl::IsDeadlineExceeded(second.status()) && SaysNothingDone(second.status());
    return in_vain ? first : second;
  }

  template <typename Stub, typename Request, typename Response>
  absl::StatusOr<Response> Attempt(Stub& stub,
                                   grpc::Status (Stub::*method)(grpc::ClientContext*,
                                                                const Request&, Response*),
                                   const Request& request, Deadline deadline, bool wait) {
    grpc::ClientContext context;
    context.set_deadline(deadline);
    context.set_wait_for_ready(wait);
    const CancellableCall cancellable(calls_, context);
    Response response;
    const grpc::Status status = (stub.*method)(&context, request, &response);
    if (!status.ok()) return FailureOf(status, context);
    return response;
  }

  const std::shared_ptr<ChannelUsers> users_ = std::make_shared<ChannelUsers>();
  UnaryCalls calls_;
  const std::shared_ptr<ChannelPool> channels_;
  v1::EventHubService::Stub events_;
  v1::AdminService::Stub admin_;
  v1::SubscriptionService::Stub subscriptions_;
  v1::RouteService::Stub routes_;
  v1::LinkService::Stub links_;
  v1::DelayedEventService::Stub delayed_;
  v1::TopologyService::Stub topology_;
  grpc::health::v1::Health::Stub health_;
  TimerThread timer_;
};

}  // namespace eventhub::client
