// Which changes make a hub what a topology says, found without making any.
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
  // For the caller.
  v1::TopologyChange said;
  // What it is then; null if it is deleted.
  Settings settings;
  // UPDATE only: the fields that change.
  google::protobuf::FieldMask mask;
  // It may keep events out; see TopologyKind::Tightens.
  bool tightens = false;
};

struct TopologyPlan {
  // In an order in which each can be made.
  std::vector<PlannedChange> changes;
  // What is there and not named, and stays.
  std::vector<v1::TopologyChange> unnamed;
};

// What there is.
TopologyState PresentState(const TopologyKinds& kinds);

// Checks a topology, and finds what it changes in a hub that has `present`. Each object is checked
// by itself, then together with all that will be there, then each change with all that is there
// when it is made. Errors: those of FaultList.
absl::StatusOr<TopologyPlan> PlanTopology(const TopologyKinds& kinds, const TopologyState& present,
                                          const v1::Topology& topology, bool prune);

}  // namespace eventhub
