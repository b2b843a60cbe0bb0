// Computes the changes that bring a hub to a topology, without making any.
#pragma once

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "eventhub/v1/topology.pb.h"
#include "server/core/topology/topology_kind.h"
#include "server/core/topology/topology_state.h"

namespace eventhub {

// A change of one object.
struct PlannedChange {
  TopologyKind* kind;
  // The change as reported to the caller.
  v1::TopologyChange said;
  // The resulting settings; null if the object is deleted.
  Settings settings;
  // UPDATE only: the fields that change.
  google::protobuf::FieldMask mask;
  // The change may keep events out; see TopologyKind::Tightens.
  bool tightens = false;
};

struct TopologyPlan {
  // In an order in which each can be applied.
  std::vector<PlannedChange> changes;
  // Objects that exist, are not named, and stay.
  std::vector<v1::TopologyChange> unnamed;
};

// The current state of the hub.
TopologyState PresentState(const Caller& caller, const TopologyKinds& kinds);

// Checks a topology and computes what it changes in a hub with the state `present`. Each object is
// checked on its own, then together with all objects of the resulting state, then each change
// against the state in which it is applied. Errors: those of FaultList.
absl::StatusOr<TopologyPlan> PlanTopology(const TopologyKinds& kinds, const TopologyState& present,
                                          const v1::Topology& topology, bool prune);

}  // namespace eventhub
