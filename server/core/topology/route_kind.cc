// Routes, as a kind of object of a topology.
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "server/core/base/errors.h"
#include "server/core/route/route_index.h"
#include "server/core/route/route_settings.h"
#include "server/core/topology/topology_kinds.h"
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

class RouteKind final : public TopologyKind {
 public:
  explicit RouteKind(Routes& routes) : routes_(routes) {}

  v1::TopologyChange::Kind kind() const override { return v1::TopologyChange::KIND_ROUTE; }
  const google::protobuf::Descriptor& type() const override { return *v1::Route::descriptor(); }

  std::vector<std::unique_ptr<Message>> Present(const Caller& caller) const override {
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

  absl::StatusOr<std::unique_ptr<Message>> Complete(const Message& asked,
                                                    const TopologyState&) const override {
    ASSIGN_OR_RETURN(const v1::Route route, NewRouteSettings(AsRoute(asked), absl::UnixEpoch()));
    // This checks the filter, too.
    RETURN_IF_ERROR(CompiledRoute::Make(route, std::make_shared<RouteCounters>()).status());
    return std::make_unique<v1::Route>(route);
  }

  absl::Status CheckChange(const Message& from, const Message& to,
                           const google::protobuf::FieldMask& mask) const override {
    return ChangedRouteSettings(AsRoute(from), AsRoute(to), mask, absl::UnixEpoch()).status();
  }

  absl::Status CheckPlace(const Message& settings, const TopologyState& hub) const override {
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

  absl::Status CheckDelete(const std::string&, const TopologyState&) const override {
    return absl::OkStatus();
  }

  void Create(const Caller& caller, const Message& settings, StatusDone done) override {
    v1::CreateRouteRequest request;
    *request.mutable_route() = AsRoute(settings);
    routes_.Create(caller, request, WithoutResponse<v1::CreateRouteResponse>(std::move(done)));
  }

  void Update(const Caller& caller, const Message& settings,
              const google::protobuf::FieldMask& mask, StatusDone done) override {
    v1::UpdateRouteRequest request;
    *request.mutable_route() = AsRoute(settings);
    *request.mutable_update_mask() = mask;
    routes_.Update(caller, request, WithoutResponse<v1::UpdateRouteResponse>(std::move(done)));
  }

  void Delete(const Caller& caller, const std::string& name, StatusDone done) override {
    v1::DeleteRouteRequest request;
    request.set_name(name);
    routes_.Delete(caller, request, WithoutResponse<v1::DeleteRouteResponse>(std::move(done)));
  }

 private:
  Routes& routes_;
};

}  // namespace

std::unique_ptr<TopologyKind> MakeRouteKind(Routes& routes) {
  return std::make_unique<RouteKind>(routes);
}

}  // namespace eventhub
