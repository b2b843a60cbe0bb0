// A broker in memory that topologies are applied to, and topologies in few words.
#pragma once

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "eventhub/v1/topology.pb.h"
#include "tests/server/subscription_rig.h"

namespace eventhub {

// Of protobuf's text format; a mistake in it fails the test.
v1::Topology TopologyOf(const std::string& text);

// In a few words each: "create topic t", "update topic t: partitions 1 -> 4, description  ->
// \"x\"".
std::vector<std::string> Words(
    const google::protobuf::RepeatedPtrField<v1::TopologyChange>& changes);

// The changes alone, without what of the object they change.
std::vector<std::string> Names(
    const google::protobuf::RepeatedPtrField<v1::TopologyChange>& changes);

class TopologyTest : public testing::Test {
 public:
  static absl::StatusOr<v1::ApplyTopologyResponse> ApplyTo(
      SubscriptionRig& rig, const v1::ApplyTopologyRequest& request,
      absl::AnyInvocable<bool()> gave_up = [] { return false; });
  static v1::Topology ExportOf(SubscriptionRig& rig);

 protected:
  void SetUp() override { ASSERT_THAT(rig_.Open(), IsOk()); }

  absl::StatusOr<v1::ApplyTopologyResponse> Apply(const v1::Topology& topology, bool prune = false,
                                                  bool dry_run = false);
  absl::StatusOr<v1::ApplyTopologyResponse> Apply(const std::string& text, bool prune = false,
                                                  bool dry_run = false) {
    return Apply(TopologyOf(text), prune, dry_run);
  }
  // What was changed; an error fails the test.
  std::vector<std::string> MustApply(const std::string& text, bool prune = false);
  // The message of the refusal, of a call that changes nothing; an OK fails the test.
  std::string Refusal(const std::string& text, bool prune = false);
  v1::Topology Export() { return ExportOf(rig_); }

  SubscriptionRig rig_;
};

}  // namespace eventhub
