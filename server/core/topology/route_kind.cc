#include "server/core/topology/route_kind.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "server/core/base/errors.h"
#include "server/core/route/route_index.h"
#include "server/core/route/route_settings.h"
#include "storage/base/status_macros.h"

namespace eventhub {
namespace {

const v1::Route& AsRoute(const google::protobuf::Message& message) {
  return static_cast<const v1::Route&>(message);
}

template <typename Response>
RouteDone<Response> WithoutResponse(StatusDone done) {
  return [done = std::move(done)](const absl::StatusOr<Response>& response) mutable {
    std::move(done)(response.status());
  };
}

}  // namespace

std::vector<std::unique_ptr<TopologyKind::Message>> RouteKind::Present(const Caller& caller) const {
  std::vector<std::unique_ptr<Message>> present;
  v1::ListRoutesRequest request;
  request.set_page_size(1000);
  do {
    // A request of this form cannot fail.
    const v1::ListRoutesResponse page = routes_.List(caller, request).value();
    for (const v1::Route& route : page.routes()) {
      present.push_back(std::make_unique<v1::Route>(route));
    }
    request.set_page_token(page.next_page_token());
  } while (!request.page_token().empty());
  return present;
}

absl::StatusOr<std::unique_ptr<TopologyKind::Message>> RouteKind::Complete(
    const Message& asked, const TopologyState&) const {
  ASSIGN_OR_RETURN(const v1::Route route, NewRouteSettings(AsRoute(asked), absl::UnixEpoch()));
  // This checks the filter, too.
  RETURN_IF_ERROR(CompiledRoute::Make(route, std::make_shared<RouteCounters>()).status());
  return std::make_unique<v1::Route>(route);
}

absl::Status RouteKind::CheckChange(const Message& from, const Message& to,
                                    const google::protobuf::FieldMask& mask) const {
  return ChangedRouteSettings(AsRoute(from), AsRoute(to), mask, absl::UnixEpoch()).status();
}

absl::Status RouteKind::CheckPlace(const Message& settings, const TopologyState& hub) const {
  const v1::Route& route = AsRoute(settings);
  if (hub.Find<v1::Topic>(route.source_topic()) == nullptr) {
    return InvalidField("route.source_topic",
                        absl::StrCat("topic ", route.source_topic(), " will not exist"));
  }
  for (const std::string& target : route.target_topics()) {
    if (SkipsUnavailable(route) || hub.Find<v1::Topic>(target) != nullptr) continue;
    return InvalidField("route.target_topics", absl::StrCat("topic ", target, " will not exist"));
  }
  std::vector<const v1::Route*> all = {&route};
  hub.ForEach<v1::Route>([&](const v1::Route& other) {
    if (other.name() != route.name()) all.push_back(&other);
  });
  return CheckRouteGraph(all);
}

absl::Status RouteKind::CheckDelete(const std::string&, const TopologyState&) const {
  return absl::OkStatus();
}

void RouteKind::Create(const Caller& caller, const Message& settings, StatusDone done) {
  v1::CreateRouteRequest request;
  *request.mutable_route() = AsRoute(settings);
  routes_.Create(caller, request, WithoutResponse<v1::CreateRouteResponse>(std::move(done)));
}

void RouteKind::Update(const Caller& caller, const Message& settings,
                       const google::protobuf::FieldMask& mask, StatusDone done) {
  v1::UpdateRouteRequest request;
  *request.mutable_route() = AsRoute(settings);
  *request.mutable_update_mask() = mask;
  routes_.Update(caller, request, WithoutResponse<v1::UpdateRouteResponse>(std::move(done)));
}

void RouteKind::Delete(const Caller& caller, const std::string& name, StatusDone done) {
  v1::DeleteRouteRequest request;
  request.set_name(name);
  routes_.Delete(caller, request, WithoutResponse<v1::DeleteRouteResponse>(std::move(done)));
}

}  // namespace eventhub
