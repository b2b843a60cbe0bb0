// A Connection for tests of programs that use the SDK: no hub, no network. Requires GoogleMock.
#pragma once

#include <memory>
#include <string>

#include "eventhub/connection.h"
#include "eventhub/latest_reader.h"
#include "eventhub/topology.h"
#include "eventhub/transaction.h"
#include "gmock/gmock.h"

namespace eventhub::client {

// A connection that mocks all of its parts. A call without an expectation or default action returns
// GoogleMock's default for its type; see Connection for fakes written by hand.
//
// Example:
//
//     auto hub = std::make_shared<MockConnection>();
//     EXPECT_CALL(*hub, CreateTopic).WillOnce(Return(Topic{.name = "orders"}));
//     CodeUnderTest(hub);
class MockConnection : public Connection,
                       public PublishStreams,
                       public ReadStreams,
                       public ConsumeStreams,
                       public TransactStreams,
                       public TransactionCalls,
                       public LatestCalls,
                       public TopicCalls,
                       public SubscriptionCalls,
                       public DeadLetterCalls,
                       public RouteCalls,
                       public LinkCalls,
                       public DelayedEventCalls,
                       public ErasureCalls,
                       public TopologyCalls,
                       public HealthCalls {
 public:
  PublishStreams& publish_streams() override { return *this; }
  ReadStreams& read_streams() override { return *this; }
  ConsumeStreams& consume_streams() override { return *this; }
  TransactStreams& transact_streams() override { return *this; }
  TransactionCalls& transactions() override { return *this; }
  LatestCalls& latest() override { return *this; }
  TopicCalls& topics() override { return *this; }
  SubscriptionCalls& subscriptions() override { return *this; }
  DeadLetterCalls& dead_letters() override { return *this; }
  RouteCalls& routes() override { return *this; }
  LinkCalls& links() override { return *this; }
  DelayedEventCalls& delayed_events() override { return *this; }
  ErasureCalls& erasures() override { return *this; }
  TopologyCalls& topology() override { return *this; }
  HealthCalls& health() override { return *this; }

  MOCK_METHOD(std::shared_ptr<PublishStream>, OpenPublishStream,
              (std::shared_ptr<PublishStream::Handler> handler), (override));
  MOCK_METHOD(std::unique_ptr<ReadStream>, OpenReadStream, (const ReadSpec& spec), (override));
  MOCK_METHOD(std::shared_ptr<ConsumeStream>, OpenConsumeStream,
              (std::shared_ptr<ConsumeStream::Handler> handler), (override));
  MOCK_METHOD(std::shared_ptr<TransactStream>, OpenTransactStream,
              (std::shared_ptr<TransactStream::Handler> handler), (override));
  MOCK_METHOD(void, RunAfter, (absl::Duration delay, absl::AnyInvocable<void() &&> work),
              (override));
  MOCK_METHOD(void, CancelCalls, (), (override));
  MOCK_METHOD(absl::StatusOr<TransactionResult>, Transact,
              (const Transaction& transaction, absl::Duration timeout), (override));
  MOCK_METHOD(absl::StatusOr<LatestEvent>, GetLatest,
              (const std::string& topic, const std::string& key, std::optional<uint32_t> partition,
               absl::Duration timeout),
              (override));
  MOCK_METHOD(absl::StatusOr<Topic>, CreateTopic, (const Topic& topic, absl::Duration timeout),
              (override));
  MOCK_METHOD(absl::StatusOr<TopicDescription>, GetTopic,
              (const std::string& name, absl::Duration timeout), (override));
  MOCK_METHOD(absl::StatusOr<Page<Topic>>, ListTopics,
              (uint32_t page_size, const std::string& page_token, absl::Duration timeout),
              (override));
  MOCK_METHOD(absl::StatusOr<Topic>, UpdateTopic,
              (const std::string& name, const TopicUpdate& update, absl::Duration timeout),
              (override));
  MOCK_METHOD(absl::Status, DeleteTopic,
              (const std::string& name, const TopicDeletion& deletion, absl::Duration timeout),
              (override));
  MOCK_METHOD(absl::StatusOr<Page<PartitionInfo>>, ListPartitions,
              (const std::string& topic, uint32_t page_size, const std::string& page_token,
               absl::Duration timeout),
              (override));
  MOCK_METHOD(absl::StatusOr<HubStats>, GetStats, (absl::Duration timeout), (override));
  MOCK_METHOD(absl::StatusOr<absl::Time>, ConfirmClock, (absl::Duration timeout), (override));
  MOCK_METHOD(absl::StatusOr<Health>, CheckHealth,
              (const std::string& service, absl::Duration timeout), (override));
  MOCK_METHOD(absl::StatusOr<Subscription>, CreateSubscription,
              (const Subscription& subscription, const StartPosition& start,
               absl::Duration timeout),
              (override));
  MOCK_METHOD(absl::StatusOr<SubscriptionDescription>, GetSubscription,
              (const std::string& name, uint32_t max_partitions, absl::Duration timeout),
              (override));
  MOCK_METHOD(absl::StatusOr<Page<SubscriptionSummary>>, ListSubscriptions,
              (const std::string& topic, uint32_t page_size, const std::string& page_token,
               absl::Duration timeout),
              (override));
  MOCK_METHOD(absl::StatusOr<Subscription>, UpdateSubscription,
              (const std::string& name, const SubscriptionUpdate& update, absl::Duration timeout),
              (override));
  MOCK_METHOD(absl::Status, DeleteSubscription, (const std::string& name, absl::Duration timeout),
              (override));
  MOCK_METHOD(absl::StatusOr<std::vector<PartitionMove>>, SeekSubscription,
              (const std::string& name, const SeekTarget& target, bool dry_run,
               absl::Duration timeout),
              (override));
  MOCK_METHOD(absl::StatusOr<ReplayResult>, ReplaySubscription,
              (const std::string& name, const ReplaySpec& spec, bool dry_run,
               absl::Duration timeout),
              (override));
  MOCK_METHOD(absl::StatusOr<uint64_t>, CancelReplays,
              (const std::string& name, absl::Duration timeout), (override));
  MOCK_METHOD(absl::StatusOr<Snapshot>, CreateSnapshot,
              (const std::string& subscription, const std::string& name, absl::Duration timeout),
              (override));
  MOCK_METHOD(absl::StatusOr<std::vector<Snapshot>>, ListSnapshots,
              (const std::string& subscription, absl::Duration timeout), (override));
  MOCK_METHOD(absl::Status, DeleteSnapshot,
              (const std::string& subscription, const std::string& name, absl::Duration timeout),
              (override));
  MOCK_METHOD(absl::StatusOr<Page<DeadLetter>>, ListDeadLetters,
              (const std::string& subscription, const DeadLetterSelector& selector, bool with_data,
               uint32_t page_size, const std::string& page_token, absl::Duration timeout),
              (override));
  MOCK_METHOD(absl::StatusOr<RedriveResult>, RedriveDeadLetters,
              (const std::string& subscription, const DeadLetterSelector& selector, bool dry_run,
               absl::Duration timeout),
              (override));
  MOCK_METHOD(absl::StatusOr<Page<DeadLetterGroup>>, CountDeadLetters,
              (const std::string& subscription, const DeadLetterSelector& selector,
               const std::string& page_token, absl::Duration timeout),
              (override));
  MOCK_METHOD(absl::StatusOr<RedriveResult>, RedriveDeadLetterPage,
              (const std::string& subscription, const CloseLettersSpec& spec,
               absl::Duration timeout),
              (override));
  MOCK_METHOD(absl::StatusOr<RedriveResult>, DiscardDeadLetterPage,
              (const std::string& subscription, const CloseLettersSpec& spec,
               absl::Duration timeout),
              (override));
  MOCK_METHOD(absl::StatusOr<uint64_t>, DiscardDeadLetters,
              (const std::string& subscription, const DeadLetterSelector& selector, bool dry_run,
               absl::Duration timeout),
              (override));
  MOCK_METHOD(absl::StatusOr<RouteChange>, CreateRoute,
              (const Route& route, absl::Duration timeout), (override));
  MOCK_METHOD(absl::StatusOr<RouteDescription>, GetRoute,
              (const std::string& name, absl::Duration timeout), (override));
  MOCK_METHOD(absl::StatusOr<Page<RouteDescription>>, ListRoutes,
              (const std::string& topic, uint32_t page_size, const std::string& page_token,
               absl::Duration timeout),
              (override));
  MOCK_METHOD(absl::StatusOr<RouteChange>, UpdateRoute,
              (const std::string& name, const RouteUpdate& update, absl::Duration timeout),
              (override));
  MOCK_METHOD(absl::StatusOr<std::vector<PartitionOffset>>, DeleteRoute,
              (const std::string& name, absl::Duration timeout), (override));
  MOCK_METHOD(absl::StatusOr<RouteTest>, TestRoutes,
              (const std::string& topic, const v1::Event& event,
               const std::optional<Route>& pretended, absl::Duration timeout),
              (override));
  MOCK_METHOD(absl::StatusOr<Link>, CreateLink, (const Link& link, absl::Duration timeout),
              (override));
  MOCK_METHOD(absl::StatusOr<LinkDescription>, GetLink,
              (const std::string& name, absl::Duration timeout), (override));
  MOCK_METHOD(absl::StatusOr<Page<LinkDescription>>, ListLinks,
              (uint32_t page_size, const std::string& page_token, absl::Duration timeout),
              (override));
  MOCK_METHOD(absl::StatusOr<Link>, UpdateLink,
              (const std::string& name, const LinkUpdate& update, absl::Duration timeout),
              (override));
  MOCK_METHOD(absl::Status, DeleteLink, (const std::string& name, absl::Duration timeout),
              (override));
  MOCK_METHOD(absl::StatusOr<Page<DelayedEvent>>, ListDelayedEvents,
              (const std::string& topic, const DueRange& range, uint32_t page_size,
               const std::string& page_token, absl::Duration timeout),
              (override));
  MOCK_METHOD(absl::StatusOr<Erasure>, EraseSubject,
              (const std::string& subject, absl::Duration timeout), (override));
  MOCK_METHOD(absl::StatusOr<Page<Erasure>>, ListErasures,
              (uint32_t page_size, const std::string& page_token, absl::Duration timeout),
              (override));
  MOCK_METHOD(absl::StatusOr<uint64_t>, RewrapKeys, (absl::Duration timeout), (override));
  MOCK_METHOD(absl::StatusOr<uint32_t>, CancelDelayedEvents,
              (const std::string& topic, const std::vector<std::string>& delay_ids,
               absl::Duration timeout),
              (override));
  MOCK_METHOD(absl::StatusOr<ApplyResult>, ApplyTopology,
              (const Topology& topology, const ApplyOptions& options, absl::Duration timeout),
              (override));
  MOCK_METHOD(absl::StatusOr<Topology>, ExportTopology, (absl::Duration timeout), (override));
};

// A publish stream that expects writes. Give replies to the handler that the stream was opened
// with.
class MockPublishStream : public PublishStream {
 public:
  MOCK_METHOD(void, Write, (std::string header, Bytes events), (override));
  MOCK_METHOD(void, Cancel, (), (override));
};

// A consume stream that expects requests. Give responses to the handler that the stream was opened
// with.
class MockConsumeStream : public ConsumeStream {
 public:
  MOCK_METHOD(void, Write, (std::string request), (override));
  MOCK_METHOD(void, Cancel, (), (override));
};

// A transact stream that expects writes. Give replies to the handler that the stream was opened
// with.
class MockTransactStream : public TransactStream {
 public:
  MOCK_METHOD(void, Write, (std::string request), (override));
  MOCK_METHOD(void, Cancel, (), (override));
};

// A read stream that returns the frames of a test.
class MockReadStream : public ReadStream {
 public:
  MOCK_METHOD(Outcome, Read, (absl::Duration timeout, Bytes& frame), (override));
  MOCK_METHOD(absl::Status, status, (), (const, override));
  MOCK_METHOD(void, Cancel, (), (override));
};

}  // namespace eventhub::client
