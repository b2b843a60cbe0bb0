// The operations of RouteService, without the network.
#pragma once

#include <memory>
#include <string>

#include "absl/functional/any_invocable.h"
#include "absl/status/statusor.h"
#include "eventhub/v1/route.pb.h"
#include "server/core/base/admin_log.h"
#include "server/core/base/caller.h"
#include "server/core/route/route_table.h"
#include "server/core/topic/topic_catalog.h"
#include "storage/base/clock.h"
#include "storage/log_writer.h"

namespace eventhub {

template <typename Response>
using RouteDone = absl::AnyInvocable<void(absl::StatusOr<Response>) &&>;

// Thread-safe. Callbacks are called exactly once, possibly before the method returns. Errors as in
// route.proto. The arguments outlive this object.
class Routes {
 public:
  Routes(RouteTable& table, const TopicCatalog& topics, LogWriter& writer, const Clock& clock,
         const AdminLog& admin_log)
      : table_(table), topics_(topics), writer_(writer), clock_(clock), admin_log_(admin_log) {}

  void Create(const Caller& caller, const v1::CreateRouteRequest& request,
              RouteDone<v1::CreateRouteResponse> done);
  void Update(const Caller& caller, const v1::UpdateRouteRequest& request,
              RouteDone<v1::UpdateRouteResponse> done);
  void Delete(const Caller& caller, const v1::DeleteRouteRequest& request,
              RouteDone<v1::DeleteRouteResponse> done);
  absl::StatusOr<v1::GetRouteResponse> Get(const Caller& caller,
                                           const v1::GetRouteRequest& request) const;
  absl::StatusOr<v1::ListRoutesResponse> List(const Caller& caller,
                                              const v1::ListRoutesRequest& request) const;
  absl::StatusOr<v1::TestRoutesResponse> Test(const Caller& caller,
                                              const v1::TestRoutesRequest& request) const;

  size_t size() const { return table_.size(); }

 private:
  RouteTable& table_;
  const TopicCatalog& topics_;
  LogWriter& writer_;
  const Clock& clock_;
  const AdminLog& admin_log_;
};

}  // namespace eventhub
