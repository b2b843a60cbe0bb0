#include "eventhub/topology.h"

#include "client/src/admin/link_proto.h"
#include "client/src/admin/route_proto.h"
#include "client/src/admin/subscription_proto.h"
#include "client/src/admin/topic_proto.h"

namespace eventhub::client {
namespace {

// Converts all values of a repeated field.
template <typename T, typename Protos>
std::vector<T> AllFromProto(const Protos& protos) {
  std::vector<T> values;
  for (const auto& proto : protos) values.push_back(client::FromProto(proto));
  return values;
}

}  // namespace

Topology& Topology::Add(const Topic& topic) {
  *proto_.add_topics() = ToProto(topic);
  return *this;
}

Topology& Topology::Add(const Subscription& subscription) {
  *proto_.add_subscriptions() = ToProto(subscription);
  return *this;
}

Topology& Topology::Add(const Route& route) {
  *proto_.add_routes() = ToProto(route);
  return *this;
}

Topology& Topology::Add(const Link& link) {
  *proto_.add_links() = ToProto(link);
  return *this;
}

std::vector<Topic> Topology::topics() const { return AllFromProto<Topic>(proto_.topics()); }

std::vector<Subscription> Topology::subscriptions() const {
  return AllFromProto<Subscription>(proto_.subscriptions());
}

std::vector<Route> Topology::routes() const { return AllFromProto<Route>(proto_.routes()); }

std::vector<Link> Topology::links() const { return AllFromProto<Link>(proto_.links()); }

}  // namespace eventhub::client
