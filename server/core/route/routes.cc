#include "server/core/route/routes.h"

#include <algorithm>
#include <optional>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "server/core/base/errors.h"
#include "server/core/base/field_checks.h"
#include "server/core/route/route_settings.h"
#include "server/core/route/route_trace.h"
#include "server/core/topic/topic_tasks.h"
#include "storage/base/status_macros.h"

namespace eventhub {
namespace {

constexpr size_t kMaxEffective = 1000;

std::vector<v1::PartitionOffset> NextOffsets(const Topic& topic) {
  std::vector<v1::PartitionOffset> offsets;
  const std::shared_ptr<const TopicView> view = topic.view();
  for (size_t p = 0; p < std::min(view->partitions.size(), kMaxEffective); ++p) {
    v1::PartitionOffset& offset = offsets.emplace_back();
    offset.set_partition(static_cast<uint32_t>(p));
    offset.set_offset(view->partitions[p]->next_offset().value());
  }
  return offsets;
}

// A change of one route, applied on the commit thread, which gives it a definite place among the
// events.
class RouteTask final : public TopicChange {
 public:
  // Returns the route after the change; null: it is deleted.
  using Change = absl::AnyInvocable<absl::StatusOr<RouteTable::Known>(CommitBuilder& commit)>;
  using Answer = absl::AnyInvocable<void(absl::StatusOr<RouteTable::Known>) &&>;

  // `source`: that of a route that is created.
  RouteTask(RouteTable& table, std::string name, std::string source, Change change, Answer answer)
      : table_(table),
        name_(std::move(name)),
        source_(std::move(source)),
        change_(std::move(change)),
        answer_(std::move(answer)) {}

  Readiness readiness() override {
    const RouteIndex::RoutePtr route = table_.pending().Find(name_);
    const std::string& source = route != nullptr ? route->settings().source_topic() : source_;
    return table_.MayChange(source) ? Readiness::kReady : Readiness::kBlocked;
  }

  bool outdates() const override { return true; }

  void Refuse() override { outcome_ = ShuttingDown(kShutdownRetry); }

  void Prepare(CommitBuilder& commit) override { outcome_ = change_(commit); }

  void Done(const absl::Status& status) override {
    // If a commit failed before Prepare, the outcome is not set.
    if (!status.ok()) outcome_ = StoreFailed(status);
    if (outcome_.ok()) {
      if (outcome_->route == nullptr) {
        table_.Remove(name_);
      } else {
        table_.MakeVisible(*outcome_);
      }
    }
    std::move(answer_)(std::move(outcome_));
  }

 private:
  RouteTable& table_;
  const std::string name_;
  const std::string source_;
  Change change_;
  Answer answer_;
  absl::StatusOr<RouteTable::Known> outcome_;
};

// Checks that the topics that the route needs exist; `find` returns null for a topic that does not.
template <typename Find>
absl::Status CheckTopics(const v1::Route& route, Find find) {
  if (find(route.source_topic()) == nullptr) return TopicNotFound(route.source_topic());
  if (SkipsUnavailable(route)) return absl::OkStatus();
  for (const std::string& target : route.target_topics()) {
    if (find(target) == nullptr) return TopicNotFound(target);
  }
  return absl::OkStatus();
}

// Commit thread: checks that the topics of the route exist, and that it creates no loop.
absl::Status CheckPlace(const RouteTable& table, const v1::Route& route) {
  RETURN_IF_ERROR(
      CheckTopics(route, [&table](const std::string& name) { return table.topics().Find(name); }));
  return table.pending().Check(route);
}

template <typename Response>
void AddEffective(const std::vector<v1::PartitionOffset>& effective, Response* response) {
  for (const v1::PartitionOffset& offset : effective) *response->add_effective() = offset;
}

// Replies with the route and the offsets.
template <typename Response>
auto AnswerWithRoute(RouteDone<Response> done) {
  return [done = std::move(done)](absl::StatusOr<RouteTable::Known> known) mutable {
    if (!known.ok()) {
      std::move(done)(known.status());
      return;
    }
    Response response;
    *response.mutable_route() = known->route->settings();
    AddEffective(known->effective, &response);
    std::move(done)(std::move(response));
  };
}

}  // namespace

void Routes::Create(const Caller& caller, const v1::CreateRouteRequest& request,
                    RouteDone<v1::CreateRouteResponse> done) {
  const auto make = [&]() -> absl::StatusOr<std::shared_ptr<const CompiledRoute>> {
    ASSIGN_OR_RETURN(v1::Route settings, NewRouteSettings(request.route(), clock_.Now()));
    return table_.Compile(std::move(settings), std::make_shared<RouteCounters>());
  };
  absl::StatusOr<std::shared_ptr<const CompiledRoute>> route = make();
  if (!route.ok()) {
    std::move(done)(route.status());
    return;
  }
  const std::string& name = (*route)->name();
  done = admin_log_.Noting(caller, absl::StrCat("created route ", name), std::move(done));
  writer_.Submit(
      std::make_unique<RouteTask>(
          table_, name, (*route)->settings().source_topic(),
          [this, route = *route](CommitBuilder& commit) -> absl::StatusOr<RouteTable::Known> {
            if (table_.pending().Find(route->name()) != nullptr) return RouteExists(route->name());
            RETURN_IF_ERROR(CheckPlace(table_, route->settings()));
            table_.Put(route, commit);
            return RouteTable::Known{
                route, NextOffsets(*table_.topics().Find(route->settings().source_topic()))};
          },
          AnswerWithRoute<v1::CreateRouteResponse>(std::move(done))),
      caller.flow());
}

void Routes::Update(const Caller& caller, const v1::UpdateRouteRequest& request,
                    RouteDone<v1::UpdateRouteResponse> done) {
  const std::string& name = request.route().name();
  if (name.empty()) {
    std::move(done)(InvalidField("route.name", "is required"));
    return;
  }
  done =
      admin_log_.Noting(caller, UpdateNote("route", name, request.update_mask()), std::move(done));
  writer_.Submit(
      std::make_unique<RouteTask>(
          table_, name, /*source=*/"",
          [this, request](CommitBuilder& commit) -> absl::StatusOr<RouteTable::Known> {
            const RouteIndex::RoutePtr current = table_.pending().Find(request.route().name());
            if (current == nullptr) return RouteNotFound(request.route().name());
            ASSIGN_OR_RETURN(v1::Route settings,
                             ChangedRouteSettings(current->settings(), request.route(),
                                                  request.update_mask(), clock_.Now()));
            RETURN_IF_ERROR(CheckPlace(table_, settings));
            ASSIGN_OR_RETURN(std::shared_ptr<const CompiledRoute> route,
                             table_.Compile(std::move(settings), current->shared_counters()));
            table_.Put(route, commit);
            return RouteTable::Known{
                route, NextOffsets(*table_.topics().Find(route->settings().source_topic()))};
          },
          AnswerWithRoute<v1::UpdateRouteResponse>(std::move(done))),
      caller.flow());
}

void Routes::Delete(const Caller& caller, const v1::DeleteRouteRequest& request,
                    RouteDone<v1::DeleteRouteResponse> done) {
  if (request.name().empty()) {
    std::move(done)(InvalidField("name", "is required"));
    return;
  }
  done = admin_log_.Noting(caller, absl::StrCat("deleted route ", request.name()), std::move(done));
  writer_.Submit(
      std::make_unique<RouteTask>(
          table_, request.name(), /*source=*/"",
          [this,
           name = request.name()](CommitBuilder& commit) -> absl::StatusOr<RouteTable::Known> {
            const RouteIndex::RoutePtr route = table_.pending().Find(name);
            if (route == nullptr) return RouteNotFound(name);
            table_.Delete(name, commit);
            return RouteTable::Known{
                nullptr, NextOffsets(*table_.topics().Find(route->settings().source_topic()))};
          },
          [done = std::move(done)](absl::StatusOr<RouteTable::Known> known) mutable {
            if (!known.ok()) {
              std::move(done)(known.status());
              return;
            }
            v1::DeleteRouteResponse response;
            AddEffective(known->effective, &response);
            std::move(done)(std::move(response));
          }),
      caller.flow());
}

absl::StatusOr<v1::GetRouteResponse> Routes::Get(const Caller& /*caller*/,
                                                 const v1::GetRouteRequest& request) const {
  if (request.name().empty()) return InvalidField("name", "is required");
  const RouteTable::Known known = table_.Find(request.name());
  if (known.route == nullptr) return RouteNotFound(request.name());
  v1::GetRouteResponse response;
  *response.mutable_route() = known.route->settings();
  *response.mutable_stats() = known.route->counters().Describe();
  AddEffective(known.effective, &response);
  return response;
}

absl::StatusOr<v1::ListRoutesResponse> Routes::List(const Caller& /*caller*/,
                                                    const v1::ListRoutesRequest& request) const {
  const size_t size = PageSize(request.page_size());
  const std::vector<RouteTable::Known> routes =
      table_.List(request.page_token(), size + 1, request.topic());
  v1::ListRoutesResponse response;
  for (size_t i = 0; i < std::min(size, routes.size()); ++i) {
    *response.add_routes() = routes[i].route->settings();
    *response.add_stats() = routes[i].route->counters().Describe();
  }
  if (routes.size() > size) response.set_next_page_token(routes[size - 1].route->name());
  return response;
}

absl::StatusOr<v1::TestRoutesResponse> Routes::Test(const Caller& /*caller*/,
                                                    const v1::TestRoutesRequest& request) const {
  ASSIGN_OR_RETURN(const std::shared_ptr<Topic> topic, topics_.Require("topic", request.topic()));
  RouteIndex index;
  for (const RouteTable::Known& known : table_.List("", SIZE_MAX, "")) index.Put(known.route);
  const auto find = [this](const std::string& name) { return topics_.Find(name); };
  if (request.has_route()) {
    ASSIGN_OR_RETURN(v1::Route settings, NewRouteSettings(request.route(), clock_.Now()));
    RETURN_IF_ERROR(CheckTopics(settings, find));
    RETURN_IF_ERROR(index.Check(settings));
    ASSIGN_OR_RETURN(RouteIndex::RoutePtr route,
                     CompiledRoute::Make(std::move(settings), std::make_shared<RouteCounters>()));
    index.Put(std::move(route));
  }
  absl::btree_set<std::string> sources = {request.topic()};
  for (const auto& [name, route] : index.all()) sources.insert(route->settings().source_topic());
  return TraceEvent(*topic, index.BuildSets(sources, find)[request.topic()].get(), request.event());
}

}  // namespace eventhub
