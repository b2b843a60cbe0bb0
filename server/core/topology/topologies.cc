#include "server/core/topology/topologies.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "server/core/base/errors.h"
#include "server/core/topology/topology_kinds.h"
#include "server/core/topology/topology_plan.h"
#include "storage/base/await.h"
#include "storage/base/status_macros.h"

namespace eventhub {
namespace {

// Applies a change and waits until it is durable.
absl::Status MakeChange(const Caller& caller, const PlannedChange& change) {
  return AwaitOutcome([&](StatusDone done) {
    switch (change.said.action()) {
      case v1::TopologyChange::ACTION_CREATE:
        return change.kind->Create(caller, *change.settings, std::move(done));
      case v1::TopologyChange::ACTION_UPDATE:
        return change.kind->Update(caller, *change.settings, change.mask, std::move(done));
      default:
        return change.kind->Delete(caller, change.said.name(), std::move(done));
    }
  });
}

// The error, with the object that it concerns.
absl::Status Of(const PlannedChange& change, const absl::Status& error) {
  return WithMessage(
      error, absl::StrCat(WordFor(*change.kind), " ", change.said.name(), ": ", error.message()));
}

}  // namespace

Topologies::Topologies(Topics& topics, Subscriptions& subscriptions, Routes& routes, Links& links) {
  kinds_.push_back(MakeTopicKind(topics));
  kinds_.push_back(MakeSubscriptionKind(subscriptions));
  kinds_.push_back(MakeRouteKind(routes));
  kinds_.push_back(MakeLinkKind(links));
}

void Topologies::Apply(const Caller& caller, v1::ApplyTopologyRequest request,
                       ResponseDone<v1::ApplyTopologyResponse> done) {
  pool_.Post([this, caller, request = std::move(request), done = std::move(done)]() mutable {
    std::move(done)(ApplyNow(caller, request));
  });
}

absl::StatusOr<v1::ApplyTopologyResponse> Topologies::ApplyNow(
    const Caller& caller, const v1::ApplyTopologyRequest& request) {
  RETURN_IF_ERROR(caller.Interruption());
  ASSIGN_OR_RETURN(TopologyPlan plan, PlanTopology(kinds_, PresentState(caller, kinds_),
                                                   request.topology(), request.prune()));
  v1::ApplyTopologyResponse response;
  for (v1::TopologyChange& unnamed : plan.unnamed) *response.add_unnamed() = std::move(unnamed);
  for (PlannedChange& change : plan.changes) {
    if (!request.dry_run()) {
      absl::Status made = caller.Interruption();
      if (made.ok()) made = MakeChange(caller, change);
      if (!made.ok()) {
        *response.mutable_error() = ToErrorStatus(Of(change, made));
        return response;
      }
    }
    *response.add_changes() = std::move(change.said);
  }
  return response;
}

void Topologies::Export(const Caller& caller, ResponseDone<v1::ExportTopologyResponse> done) {
  pool_.Post(
      [this, caller, done = std::move(done)]() mutable { std::move(done)(ExportNow(caller)); });
}

v1::ExportTopologyResponse Topologies::ExportNow(const Caller& caller) {
  const TopologyState hub = PresentState(caller, kinds_);
  v1::ExportTopologyResponse response;
  v1::Topology& topology = *response.mutable_topology();
  for (const auto& kind : kinds_) {
    for (const auto& [name, settings] : hub.of(kind->kind())) {
      google::protobuf::Message& object =
          *topology.GetReflection()->AddMessage(&topology, &FieldOf(*kind));
      object.CopyFrom(*LeastSettings(*kind, *settings, hub));
    }
  }
  return response;
}

}  // namespace eventhub
