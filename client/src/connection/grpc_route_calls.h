// RouteCalls over gRPC.
#pragma once

#include <string>
#include <vector>

#include "client/src/connection/grpc_caller.h"
#include "eventhub/connection/route_calls.h"
#include "eventhub/v1/route.grpc.pb.h"

namespace eventhub::client {

// The routes of a hub, through RouteService. Thread-safe.
class GrpcRouteCalls final : public RouteCalls {
 public:
  // `caller` must outlive this object.
  explicit GrpcRouteCalls(GrpcCaller& caller) : service_(caller) {}

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

 private:
  using Stub = v1::RouteService::Stub;

  GrpcService<v1::RouteService> service_;
};

}  // namespace eventhub::client
