// The kinds of objects in a topology. The classes are in the files of their kinds.
#pragma once

#include <memory>

#include "server/core/admin/topics.h"
#include "server/core/link/links.h"
#include "server/core/route/routes.h"
#include "server/core/subscription/subscriptions.h"
#include "server/core/topology/topology_kind.h"

namespace eventhub {

// The arguments outlive the results.
std::unique_ptr<TopologyKind> MakeTopicKind(Topics& topics);
std::unique_ptr<TopologyKind> MakeSubscriptionKind(Subscriptions& subscriptions);
std::unique_ptr<TopologyKind> MakeRouteKind(Routes& routes);
std::unique_ptr<TopologyKind> MakeLinkKind(Links& links);

}  // namespace eventhub
