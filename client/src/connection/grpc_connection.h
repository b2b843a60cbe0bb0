// A Connection over gRPC.
#pragma once

#include <memory>

#include "client/src/base/timer_thread.h"
#include "client/src/connection/channel_pool.h"
#include "client/src/connection/grpc_caller.h"
#include "client/src/connection/grpc_dead_letter_calls.h"
#include "client/src/connection/grpc_delayed_event_calls.h"
#include "client/src/connection/grpc_erasure_calls.h"
#include "client/src/connection/grpc_health_calls.h"
#include "client/src/connection/grpc_latest_calls.h"
#include "client/src/connection/grpc_link_calls.h"
#include "client/src/connection/grpc_route_calls.h"
#include "client/src/connection/grpc_streams.h"
#include "client/src/connection/grpc_subscription_calls.h"
#include "client/src/connection/grpc_topic_calls.h"
#include "client/src/connection/grpc_topology_calls.h"
#include "client/src/connection/grpc_transaction_calls.h"
#include "eventhub/connection.h"

namespace eventhub::client {

// The channels to a hub, and the parts of a connection that use them. Thread-safe. Must not be
// destroyed on a thread of gRPC's, which would wait for itself: see Connect.
class GrpcConnection final : public Connection {
 public:
  explicit GrpcConnection(std::shared_ptr<ChannelPool> channels);

  PublishStreams& publish_streams() override { return streams_; }
  ReadStreams& read_streams() override { return streams_; }
  ConsumeStreams& consume_streams() override { return streams_; }
  TransactStreams& transact_streams() override { return streams_; }
  TransactionCalls& transactions() override { return transactions_; }
  LatestCalls& latest() override { return latest_; }
  TopicCalls& topics() override { return topics_; }
  SubscriptionCalls& subscriptions() override { return subscriptions_; }
  DeadLetterCalls& dead_letters() override { return dead_letters_; }
  RouteCalls& routes() override { return routes_; }
  LinkCalls& links() override { return links_; }
  DelayedEventCalls& delayed_events() override { return delayed_events_; }
  ErasureCalls& erasures() override { return erasures_; }
  TopologyCalls& topology() override { return topology_; }
  HealthCalls& health() override { return health_; }

  void RunAfter(absl::Duration delay, absl::AnyInvocable<void() &&> work) override;
  void CancelCalls() override { caller_.Cancel(); }

 private:
  GrpcCaller caller_;
  GrpcTransactionCalls transactions_{caller_};
  GrpcLatestCalls latest_;
  GrpcTopicCalls topics_{caller_};
  GrpcSubscriptionCalls subscriptions_{caller_};
  GrpcDeadLetterCalls dead_letters_{caller_};
  GrpcRouteCalls routes_{caller_};
  GrpcLinkCalls links_{caller_};
  GrpcDelayedEventCalls delayed_events_{caller_};
  GrpcErasureCalls erasures_{caller_};
  GrpcTopologyCalls topology_{caller_};
  GrpcHealthCalls health_{caller_};
  TimerThread timer_;
  // Last, so that it is destroyed first: handlers may use all of the above until their streams end.
  GrpcStreams streams_;
};

}  // namespace eventhub::client
