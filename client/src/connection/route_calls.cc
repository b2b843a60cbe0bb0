#include "eventhub/connection/route_calls.h"

#include "client/src/connection/unimplemented.h"

namespace eventhub::client {

absl::StatusOr<RouteChange> RouteCalls::CreateRoute(const Route&, absl::Duration) {
  return Unimplemented("CreateRoute");
}

absl::StatusOr<RouteDescription> RouteCalls::GetRoute(const std::string&, absl::Duration) {
  return Unimplemented("GetRoute");
}

absl::StatusOr<Page<RouteDescription>> RouteCalls::ListRoutes(const std::string&, uint32_t,
                                                              const std::string&, absl::Duration) {
  return Unimplemented("ListRoutes");
}

absl::StatusOr<RouteChange> RouteCalls::UpdateRoute(const std::string&, const RouteUpdate&,
                                                    absl::Duration) {
  return Unimplemented("UpdateRoute");
}

absl::StatusOr<std::vector<PartitionOffset>> RouteCalls::DeleteRoute(const std::string&,
                                                                     absl::Duration) {
  return Unimplemented("DeleteRoute");
}

absl::StatusOr<RouteTest> RouteCalls::TestRoutes(const std::string&, const v1::Event&,
                                                 const std::optional<Route>&, absl::Duration) {
  return Unimplemented("TestRoutes");
}

}  // namespace eventhub::client
