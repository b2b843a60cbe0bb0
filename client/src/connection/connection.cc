#include "eventhub/connection.h"

namespace eventhub::client {
namespace {

// The part of a hub that a connection does not play. Stateless, and never destroyed: threads that
// outlive main may still call it.
template <typename Part>
Part& Default() {
  static Part& part = *new Part;
  return part;
}

}  // namespace

PublishStreams& Connection::publish_streams() { return Default<PublishStreams>(); }
ReadStreams& Connection::read_streams() { return Default<ReadStreams>(); }
ConsumeStreams& Connection::consume_streams() { return Default<ConsumeStreams>(); }
TransactStreams& Connection::transact_streams() { return Default<TransactStreams>(); }
TransactionCalls& Connection::transactions() { return Default<TransactionCalls>(); }
LatestCalls& Connection::latest() { return Default<LatestCalls>(); }
TopicCalls& Connection::topics() { return Default<TopicCalls>(); }
SubscriptionCalls& Connection::subscriptions() { return Default<SubscriptionCalls>(); }
DeadLetterCalls& Connection::dead_letters() { return Default<DeadLetterCalls>(); }
RouteCalls& Connection::routes() { return Default<RouteCalls>(); }
LinkCalls& Connection::links() { return Default<LinkCalls>(); }
DelayedEventCalls& Connection::delayed_events() { return Default<DelayedEventCalls>(); }
ErasureCalls& Connection::erasures() { return Default<ErasureCalls>(); }
TopologyCalls& Connection::topology() { return Default<TopologyCalls>(); }
HealthCalls& Connection::health() { return Default<HealthCalls>(); }

void Connection::RunAfter(absl::Duration, absl::AnyInvocable<void() &&>) {}

void Connection::CancelCalls() {}

}  // namespace eventhub::client
