// An in-memory broker to which topologies are applied, and short forms of topologies.
#pragma once

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "eventhub/v1/topology.pb.h"
#include "tests/server/subscription_rig.h"
#include "tests/support/caller.h"

namespace eventhub {

// Parses protobuf's text format; an error in it fails the test.
v1::Topology TopologyOf(const std::string& text);

// Describes each change in short form: "create topic t", "update topic t: partitions 1 -> 4,
// description  -> \"x\"".
std::vector<std::string> Words(
    const google::protobuf::RepeatedPtrField<v1::TopologyChange>& changes);

// The changes without their fields.
std::vector<std::string> Names(
    const google::protobuf::RepeatedPtrField<v1::TopologyChange>& changes);

class TopologyTest : public testing::Test {
 public:
  static absl::StatusOr<v1::ApplyTopologyResponse> ApplyTo(SubscriptionRig& rig,
                                                           const v1::ApplyTopologyRequest& request,
                                                           const Caller& caller = kTester);
  static v1::Topology ExportOf(SubscriptionRig& rig);

 protected:
  void SetUp() override { ASSERT_THAT(rig_.Open(), IsOk()); }

  absl::StatusOr<v1::ApplyTopologyResponse> Apply(const v1::Topology& topology, bool prune = false,
                                                  bool dry_run = false);
  absl::StatusOr<v1::ApplyTopologyResponse> Apply(const std::string& text, bool prune = false,
                                                  bool dry_run = false) {
    return Apply(TopologyOf(text), prune, dry_run);
  }
  // Returns the changes made; an error fails the test.
  std::vector<std::string> MustApply(const std::string& text, bool prune = false);
  // Returns the message of the refusal, after checking that nothing changed; OK fails the test.
  std::string Refusal(const std::string& text, bool prune = false);
  v1::Topology Export() { return ExportOf(rig_); }

  SubscriptionRig rig_;
};

}  // namespace eventhub
