// Refusals of topologies: all faults at once, and before any change.
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/server/topology_rig.h"
#include "tests/support/caller.h"

namespace eventhub {
namespace {

using absl::StatusCode;
using testing::ElementsAre;
using testing::SizeIs;
using v1::ErrorDetail;

class TopologyFaultTest : public TopologyTest {
 protected:
  std::vector<std::string> Faults(const std::string& text, bool prune = false) {
    return absl::StrSplit(Refusal(text, prune), '\n');
  }
};

TEST_F(TopologyFaultTest, ReportsEveryFault) {
  ASSERT_THAT(rig_.Create("orders", 8), IsOk());
  EXPECT_THAT(
      Faults(R"(
        topics { name: "orders" partitions: 4 }
        topics { name: "-" }
        topics { }
        topics { name: "large" max_event_bytes: 99999999 }
        topics { name: "brief" retention { max_age { nanos: 1 } } }
        subscriptions { name: "billing" topic: "nowhere" kind: KIND_QUEUE }
        subscriptions { name: "mirror" topic: "orders" }
        subscriptions { name: "self" topic: "orders" kind: KIND_STREAM dead_letter_topic: "orders" }
        subscriptions { name: "picky" topic: "large" kind: KIND_STREAM filter { sql: "1 +\n" } })"),
      ElementsAre(
          "topic -: name: must consist of a-z A-Z 0-9 . _ - and start with a letter, a digit or _",
          "topic topology.topics[2]: name: is required",
          "topic large: max_event_bytes: must be 1 to 16777216",
          "topic brief: retention.max_age: must be 1s or more",
          "subscription mirror: kind: must be STREAM or QUEUE",
          "subscription self: dead_letter_topic: is orders, the subscription's own topic",
          testing::StartsWith("subscription picky: filter.sql: "),
          "topic orders: partitions: cannot shrink from 8 to 4",
          "subscription billing: topic: topic nowhere will not exist"));
}

TEST_F(TopologyFaultTest, NamesFirstInvalidField) {
  const auto response = Apply(R"(topics { name: "a" } topics { name: "b" partitions: 100001 })");
  EXPECT_THAT(response, Refused(StatusCode::kInvalidArgument, ErrorDetail::REASON_INVALID_FIELD));
  EXPECT_EQ(DetailOf(response.status())->field(), "topology.topics[1].partitions");
}

TEST_F(TopologyFaultTest, RejectsDuplicateNames) {
  EXPECT_THAT(Faults(R"(topics { name: "a" } topics { name: "b" } topics { name: "a" partitions: 3 }
                        subscriptions { name: "a" topic: "a" kind: KIND_QUEUE }
                        subscriptions { name: "a" topic: "b" kind: KIND_QUEUE })"),
              ElementsAre("topic a: name: is used twice", "subscription a: name: is used twice"));
}

TEST_F(TopologyFaultTest, RejectsChangesOfImmutableFields) {
  MustApply(R"(topics { name: "a" } topics { name: "b" }
               subscriptions { name: "s" topic: "a" kind: KIND_QUEUE ordered_by_key: true })");
  EXPECT_THAT(
      Faults(R"(subscriptions { name: "s" topic: "b" kind: KIND_STREAM })"),
      ElementsAre(R"(subscription s: topic: cannot be changed from "a" to "b")",
                  R"(subscription s: kind: cannot be changed from "KIND_QUEUE" to "KIND_STREAM")",
                  "subscription s: ordered_by_key: cannot be changed from true to unset"));
}

TEST_F(TopologyFaultTest, PruneRejectsDeletingNeededTopics) {
  MustApply(R"(topics { name: "t" } subscriptions { name: "s" topic: "t" kind: KIND_QUEUE })");
  EXPECT_THAT(Faults(R"(subscriptions { name: "s" topic: "t" kind: KIND_QUEUE })", /*prune=*/true),
              ElementsAre("subscription s: topic: topic t will not exist"));
}

// The refusal comes before any change.
TEST_F(TopologyFaultTest, PruneRejectsTopicsWithOpenDeadLetters) {
  MustApply(R"(topics { name: "t" } topics { name: "letters" }
               subscriptions { name: "s" topic: "t" kind: KIND_QUEUE dead_letter_topic: "letters" })");
  ASSERT_THAT(rig_.Publish("t", {"a"}), IsOk());
  const auto consumer = rig_.Consume("s", "c");
  const std::vector<Received> events = consumer->Receive(1);
  ASSERT_EQ(events.size(), 1u);
  ASSERT_TRUE(RefusedOffsets(consumer->Nack(events[0], v1::Nack::ACTION_PARK, "bad")).empty());
  rig_.AwaitParking("s");
  // No subscription names the topic any more, but it has a letter of one.
  const std::string asked = R"(
      topics { name: "t" } topics { name: "new" }
      subscriptions { name: "s" topic: "t" kind: KIND_QUEUE dead_letter_topic: "new" })";
  for (const bool dry_run : {true, false}) {
    const auto refused = Apply(asked, /*prune=*/true, dry_run);
    EXPECT_THAT(refused, Refused(StatusCode::kFailedPrecondition,
                                 v1::ErrorDetail::REASON_OPEN_DEAD_LETTERS));
    EXPECT_THAT(std::string(refused.status().message()),
                testing::HasSubstr("topic letters: no order of the changes allows this one"));
  }
  EXPECT_THAT(rig_.broker().topics().Get(kTester, "new"), StatusIs(StatusCode::kNotFound));
  // Deleting a subscription deletes its letters.
  MustApply(R"(topics { name: "t" })", /*prune=*/true);
  EXPECT_THAT(rig_.broker().topics().Get(kTester, "letters"), StatusIs(StatusCode::kNotFound));
}

TEST_F(TopologyFaultTest, SubscriptionsRequireTopicsThatStoreEvents) {
  EXPECT_THAT(Faults(R"(topics { name: "bus" retention { none: true } }
                        subscriptions { name: "s" topic: "bus" kind: KIND_QUEUE })"),
              testing::Contains("subscription s: topic: topic bus will keep nothing"));
  MustApply(R"(topics { name: "t" } subscriptions { name: "s" topic: "t" kind: KIND_QUEUE })");
  // Including subscriptions that the topology does not name.
  EXPECT_THAT(Faults(R"(topics { name: "t" retention { none: true } })"),
              ElementsAre("topic t: retention.none: has subscriptions: s"));
}

TEST_F(TopologyFaultTest, LinksRequireTheirTopicAndKeepTheirSource) {
  const std::string link =
      R"(links { name: "l" remote_address: "other:1" local_topic: "t" disabled: true )";
  MustApply(R"(topics { name: "t" })" + link + R"(remote_topic: "a" })");
  EXPECT_THAT(
      Faults(link + R"(remote_topic: "b" start { latest: true } })", /*prune=*/true),
      ElementsAre("link l: local_topic: topic t will not exist",
                  R"(link l: remote_topic: cannot be changed from "a" to "b")",
                  R"(link l: start: cannot be changed from {"earliest":true} to {"latest":true})"));
}

TEST_F(TopologyFaultTest, InvalidTopicCausesNoFollowUpFaults) {
  EXPECT_THAT(Faults(R"(topics { name: "t" partitions: 100001 }
                        subscriptions { name: "s" topic: "t" kind: KIND_QUEUE })"),
              ElementsAre("topic t: partitions: must be 1 to 100000"));
}

TEST_F(TopologyFaultTest, CountsOmittedFaults) {
  std::string topology;
  for (int i = 0; i < 1000; ++i) absl::StrAppend(&topology, "topics { name: '-' } ");
  const std::vector<std::string> few = Faults(topology);
  EXPECT_EQ(few.back(), absl::StrCat("and ", 1000 - (few.size() - 1), " more"));
  EXPECT_GT(few.size(), 20u);
}

TEST_F(TopologyFaultTest, TruncatesLongNames) {
  const std::vector<std::string> faults =
      Faults(absl::StrCat("topics { name: '", std::string(5000, 'x'), "' }"));
  ASSERT_THAT(faults, SizeIs(1));
  EXPECT_EQ(faults[0],
            absl::StrCat("topic ", std::string(200, 'x'), ": name: has more than 200 bytes"));
}

}  // namespace
}  // namespace eventhub
