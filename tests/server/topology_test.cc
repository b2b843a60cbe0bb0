// The changes that applying a topology makes, and their order; an export is a valid topology.
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/server/topology_rig.h"
#include "tests/support/caller.h"

namespace eventhub {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;

constexpr char kShop[] = R"(
  topics { name: "orders" partitions: 4 retention { max_age { seconds: 3600 } max_bytes: 5000000000 } }
  topics { name: "audit" default_durability: DURABILITY_WRITTEN description: "all \"of\" it" }
  subscriptions { name: "billing" topic: "orders" kind: KIND_QUEUE max_delivery_attempts: 3
                  retry_policy { max_backoff { seconds: 10 } }
                  filter { exact { values { key: "type" value: "order.placed" } } } }
  subscriptions { name: "mirror" topic: "audit" kind: KIND_STREAM dead_letter_topic: "poison" paused: true }
)";

TEST_F(TopologyTest, CreatesEverythingInEmptyHub) {
  EXPECT_THAT(
      MustApply(kShop),
      ElementsAre(
          R"(create topic audit: default_durability ->"DURABILITY_WRITTEN", description ->"all \"of\" it")",
          R"(create topic billing.dead-letters: description ->"Dead letters of subscription billing")",
          R"(create topic orders: partitions ->4, retention.max_age ->"3600s", retention.max_bytes ->5000000000)",
          R"(create topic poison: description ->"Dead letters of subscription mirror")",
          R"(create subscription billing: topic ->"orders", kind ->"KIND_QUEUE", retry_policy.max_backoff ->"10s", )"
          R"(max_delivery_attempts ->3, filter ->{"exact":{"values":{"type":"order.placed"}}})",
          R"(create subscription mirror: topic ->"audit", kind ->"KIND_STREAM", dead_letter_topic ->"poison", )"
          R"(paused ->true)"));
  ASSERT_OK_AND_ASSIGN(const v1::GetTopicResponse orders,
                       rig_.broker().topics().Get(kTester, "orders"));
  EXPECT_EQ(orders.topic().partitions(), 4u);
  EXPECT_EQ(orders.topic().max_event_bytes(), 1u << 20);
  EXPECT_GT(orders.topic().create_time().seconds(), 0);
  const v1::Subscription mirror = rig_.Get("mirror").subscription();
  EXPECT_EQ(mirror.ack_durability(), v1::DURABILITY_WRITTEN);  // The default of its topic.
  EXPECT_TRUE(mirror.paused());
}

TEST_F(TopologyTest, SecondApplyChangesNothing) {
  MustApply(kShop);
  EXPECT_THAT(MustApply(kShop), IsEmpty());
  EXPECT_THAT(MustApply(kShop, /*prune=*/true), IsEmpty());
  rig_.Reopen();
  EXPECT_THAT(MustApply(kShop, /*prune=*/true), IsEmpty());
}

TEST_F(TopologyTest, ExplicitDefaultsChangeNothing) {
  MustApply(R"(topics { name: "t" } subscriptions { name: "s" topic: "t" kind: KIND_QUEUE })");
  EXPECT_THAT(MustApply(R"(
        topics { name: "t" partitions: 1 max_event_bytes: 1048576 default_durability: DURABILITY_SYNCED
                 retention {} create_time { seconds: 7 } }
        subscriptions { name: "s" topic: "t" kind: KIND_QUEUE ack_deadline { seconds: 30 }
                        retry_policy { min_backoff { nanos: 100000000 } max_backoff { seconds: 60 } }
                        dead_letter_topic: "s.dead-letters" ack_durability: DURABILITY_SYNCED
                        rate_limit {} create_time { seconds: 7 } })"),
              IsEmpty());
}

TEST_F(TopologyTest, ChangesOnlyDifferences) {
  MustApply(kShop);
  EXPECT_THAT(MustApply(R"(
                topics { name: "orders" partitions: 8 retention { max_bytes: 6000000000 } }
                topics { name: "audit" default_durability: DURABILITY_WRITTEN description: "all \"of\" it" }
                subscriptions { name: "billing" topic: "orders" kind: KIND_QUEUE
                                retry_policy { max_backoff { seconds: 10 } } })"),
              ElementsAre(R"(update topic orders: partitions 4->8, retention.max_age "3600s"->, )"
                          R"(retention.max_bytes 5000000000->6000000000)",
                          R"(update subscription billing: max_delivery_attempts 3->, )"
                          R"(filter {"exact":{"values":{"type":"order.placed"}}}->)"));
  ASSERT_OK_AND_ASSIGN(const v1::GetTopicResponse orders,
                       rig_.broker().topics().Get(kTester, "orders"));
  EXPECT_EQ(orders.topic().partitions(), 8u);
  EXPECT_FALSE(orders.topic().retention().has_max_age());
  EXPECT_EQ(orders.topic().retention().max_bytes(), 6'000'000'000u);
  EXPECT_EQ(rig_.Get("billing").subscription().max_delivery_attempts(), 0u);
  EXPECT_FALSE(rig_.Get("billing").subscription().has_filter());
}

TEST_F(TopologyTest, DryRunPredictsChanges) {
  MustApply(kShop);
  const std::string before = Export().DebugString();
  const v1::Topology wanted = TopologyOf(R"(
    topics { name: "orders" partitions: 5 }
    topics { name: "new" }
    subscriptions { name: "billing" topic: "orders" kind: KIND_QUEUE dead_letter_topic: "new.dead" })");
  ASSERT_OK_AND_ASSIGN(const auto predicted, Apply(wanted, /*prune=*/true, /*dry_run=*/true));
  EXPECT_EQ(Export().DebugString(), before);
  ASSERT_OK_AND_ASSIGN(const auto made, Apply(wanted, /*prune=*/true));
  EXPECT_EQ(predicted.DebugString(), made.DebugString());
  EXPECT_THAT(made.changes(), SizeIs(8));
}

TEST_F(TopologyTest, ListsUnnamedObjects) {
  MustApply(kShop);
  ASSERT_OK_AND_ASSIGN(
      const auto response,
      Apply(R"(subscriptions { name: "mirror" topic: "audit" kind: KIND_STREAM paused: true
                               dead_letter_topic: "poison" })"));
  EXPECT_THAT(response.changes(), IsEmpty());
  // Not `poison`, the dead-letter topic of `mirror`.
  EXPECT_THAT(Names(response.unnamed()),
              ElementsAre("delete topic audit", "delete topic billing.dead-letters",
                          "delete topic orders", "delete subscription billing"));
}

TEST_F(TopologyTest, PrunesDependentsFirst) {
  MustApply(kShop);
  EXPECT_THAT(MustApply(R"(topics { name: "audit" default_durability: DURABILITY_WRITTEN }
                   subscriptions { name: "mirror" topic: "audit" kind: KIND_STREAM paused: true
                                   dead_letter_topic: "poison" })",
                        /*prune=*/true),
              ElementsAre(R"(update topic audit: description "all \"of\" it"->)",
                          "delete subscription billing", "delete topic billing.dead-letters",
                          "delete topic orders"));
  EXPECT_THAT(rig_.broker().topics().Get(kTester, "orders"), StatusIs(absl::StatusCode::kNotFound));
  EXPECT_THAT(rig_.broker().topics().Get(kTester, "poison"), IsOk());
  EXPECT_THAT(
      MustApply("", /*prune=*/true),
      ElementsAre("delete subscription mirror", "delete topic audit", "delete topic poison"));
  EXPECT_EQ(Export().DebugString(), "");
}

TEST_F(TopologyTest, KeepsUnnamedDeadLetterTopics) {
  MustApply(kShop);
  v1::Topic letters;
  letters.set_name("poison");
  letters.mutable_retention()->set_max_bytes(1'000'000);
  ASSERT_THAT(rig_.Update(letters, {"retention.max_bytes"}), IsOk());
  EXPECT_THAT(MustApply(kShop, /*prune=*/true), IsEmpty());
  EXPECT_THAT(MustApply(std::string(kShop) + R"(topics { name: "poison" })"),
              ElementsAre(R"(update topic poison: retention.max_bytes 1000000->, )"
                          R"(description "Dead letters of subscription mirror"->)"));
}

TEST_F(TopologyTest, CreatesNewDeadLetterTopicOfSubscription) {
  MustApply(R"(topics { name: "t" } subscriptions { name: "s" topic: "t" kind: KIND_QUEUE })");
  EXPECT_THAT(MustApply(R"(topics { name: "t" }
                           subscriptions { name: "s" topic: "t" kind: KIND_QUEUE dead_letter_topic: "d" })",
                        /*prune=*/true),
              ElementsAre(R"(create topic d: description ->"Dead letters of subscription s")",
                          R"(update subscription s: dead_letter_topic "s.dead-letters"->"d")",
                          "delete topic s.dead-letters"));
}

TEST_F(TopologyTest, SubscribesToDeadLetterTopicOfAnother) {
  EXPECT_THAT(MustApply(R"(topics { name: "t" }
                   subscriptions { name: "a" topic: "b.dead-letters" kind: KIND_QUEUE }
                   subscriptions { name: "b" topic: "t" kind: KIND_QUEUE })"),
              SizeIs(5));
  EXPECT_EQ(rig_.Get("a").subscription().topic(), "b.dead-letters");
}

TEST_F(TopologyTest, KeepsEventsAndCursors) {
  MustApply(kShop);
  ASSERT_THAT(rig_.Publish("audit", {"1", "2"}), IsOk());
  MustApply(R"(topics { name: "audit" partitions: 2 }
               subscriptions { name: "mirror" topic: "audit" kind: KIND_STREAM dead_letter_topic: "poison" })",
            /*prune=*/true);
  EXPECT_EQ(rig_.Describe("audit").end_offset(), 2);
  EXPECT_EQ(rig_.Get("mirror").stats().lag_events(), 2u);
}

TEST_F(TopologyTest, TightensRetentionAfterCreatingSubscriptions) {
  MustApply(R"(topics { name: "a" } topics { name: "b" retention { max_bytes: 10 } })");
  EXPECT_THAT(
      MustApply(R"(topics { name: "a" retention { max_bytes: 10 } } topics { name: "b" }
                           subscriptions { name: "s" topic: "a" kind: KIND_QUEUE dead_letter_topic: "b" })"),
      ElementsAre(
          "update topic b: retention.max_bytes 10->",
          R"(create subscription s: topic ->"a", kind ->"KIND_QUEUE", dead_letter_topic ->"b")",
          "update topic a: retention.max_bytes ->10"));
}

TEST_F(TopologyTest, ExportRecreatesHub) {
  MustApply(kShop);
  v1::Topic changed;
  changed.set_name("audit");
  changed.set_default_durability(v1::DURABILITY_SYNCED);
  ASSERT_THAT(rig_.Update(changed, {"default_durability"}), IsOk());
  const v1::Topology exported = Export();
  // Ordered by name, without default values.
  EXPECT_EQ(exported.DebugString(), TopologyOf(R"(
    topics { name: "audit" description: "all \"of\" it" }
    topics { name: "billing.dead-letters" description: "Dead letters of subscription billing" }
    topics { name: "orders" partitions: 4 retention { max_age { seconds: 3600 } max_bytes: 5000000000 } }
    topics { name: "poison" description: "Dead letters of subscription mirror" }
    subscriptions { name: "billing" topic: "orders" kind: KIND_QUEUE max_delivery_attempts: 3
                    retry_policy { max_backoff { seconds: 10 } }
                    filter { exact { values { key: "type" value: "order.placed" } } } }
    subscriptions { name: "mirror" topic: "audit" kind: KIND_STREAM dead_letter_topic: "poison" paused: true
                    ack_durability: DURABILITY_WRITTEN })")
                                        .DebugString());
  ASSERT_OK_AND_ASSIGN(const auto same, Apply(exported, /*prune=*/true));
  EXPECT_THAT(same.changes(), IsEmpty());

  SubscriptionRig other;
  ASSERT_THAT(other.Open(), IsOk());
  v1::ApplyTopologyRequest request;
  *request.mutable_topology() = exported;
  ASSERT_OK_AND_ASSIGN(const auto made, ApplyTo(other, request));
  EXPECT_FALSE(made.has_error());
  EXPECT_EQ(ExportOf(other).DebugString(), exported.DebugString());
}

// A group of settings may mean something although each of them has its default.
TEST_F(TopologyTest, GroupOfDefaultsIsKept) {
  const std::string text = R"(topics { name: "prices" retention { latest_per_key { } } })";
  EXPECT_THAT(MustApply(text), ElementsAre("create topic prices: retention.latest_per_key ->{}"));
  const v1::Topology exported = Export();
  EXPECT_EQ(exported.DebugString(), TopologyOf(text).DebugString());
  ASSERT_OK_AND_ASSIGN(const auto same, Apply(exported, /*prune=*/true));
  EXPECT_FALSE(same.has_error());
  EXPECT_THAT(same.changes(), IsEmpty());
}

TEST_F(TopologyTest, CreatesLinksLastAndDeletesThemFirst) {
  const std::string text = R"(
    topics { name: "here" }
    links { name: "l" remote_address: "other:7070" remote_topic: "there" local_topic: "here"
            disabled: true filter { prefix { values { key: "type" value: "a" } } } })";
  EXPECT_THAT(
      MustApply(text),
      ElementsAre(
          "create topic here",
          R"(create link l: remote_address ->"other:7070", remote_topic ->"there", )"
          R"(local_topic ->"here", filter ->{"prefix":{"values":{"type":"a"}}}, disabled ->true)"));
  EXPECT_THAT(MustApply(text, /*prune=*/true), IsEmpty());
  EXPECT_EQ(Export().DebugString(), TopologyOf(text).DebugString());
  EXPECT_THAT(MustApply(R"(topics { name: "here" }
                           links { name: "l" remote_address: "third:7070" remote_topic: "there"
                                   local_topic: "here" disabled: true })"),
              ElementsAre(R"(update link l: remote_address "other:7070"->"third:7070", )"
                          R"(filter {"prefix":{"values":{"type":"a"}}}->)"));
  EXPECT_THAT(MustApply("", /*prune=*/true), ElementsAre("delete link l", "delete topic here"));
}

TEST_F(TopologyTest, ReportsCompletedChangesWhenStoreFails) {
  MustApply(R"(topics { name: "t" })");
  rig_.disk.FailSyncs(FaultEnv::Fault::kIoError);
  ASSERT_OK_AND_ASSIGN(const auto failed, Apply(kShop));
  EXPECT_THAT(failed.changes(), IsEmpty());
  EXPECT_EQ(failed.error().code(), static_cast<int>(absl::StatusCode::kUnavailable));
  EXPECT_THAT(failed.error().message(), HasSubstr("topic audit: "));
}

// The caller goes away after some changes.
TEST_F(TopologyTest, StopsBetweenChangesWhenCancelled) {
  const auto apply = [&](int wanted) {
    v1::ApplyTopologyRequest request;
    *request.mutable_topology() = TopologyOf(kShop);
    return ApplyTo(rig_, request, CallerUntil([wanted]() mutable { return wanted-- == 0; }));
  };
  EXPECT_THAT(apply(0), StatusIs(absl::StatusCode::kCancelled));
  EXPECT_EQ(Export().DebugString(), "");
  ASSERT_OK_AND_ASSIGN(const auto stopped, apply(3));
  EXPECT_THAT(Names(stopped.changes()),
              ElementsAre("create topic audit", "create topic billing.dead-letters"));
  EXPECT_EQ(stopped.error().code(), static_cast<int>(absl::StatusCode::kCancelled));
  // Repeating the call does the rest.
  ASSERT_OK_AND_ASSIGN(const auto rest, apply(-1));
  EXPECT_THAT(Names(rest.changes()),
              ElementsAre("create topic orders", "create topic poison",
                          "create subscription billing", "create subscription mirror"));
}

}  // namespace
}  // namespace eventhub
