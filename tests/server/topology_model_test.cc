// Random topologies, one after another: each becomes exactly the hub's state, and a dry run
// predicts the changes.
#include <set>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/server/seeded.h"
#include "tests/server/topology_rig.h"

namespace eventhub {
namespace {

constexpr int kNames = 6;

// Generates valid topologies, in the form that a hub exports.
class RandomTopologies : public SeededTest {
 protected:
  // A topology that can follow the last one: immutable settings are unchanged.
  v1::Topology Next() {
    v1::Topology next;
    for (int i = 0; i < kNames; ++i) {
      if (!OneIn(4)) *next.add_topics() = NextTopic(absl::StrCat("t", i));
    }
    for (int i = 0; i < kNames && !next.topics().empty(); ++i) {
      if (OneIn(2)) AddSubscription(absl::StrCat("x", i), next);
    }
    last_ = next;
    return next;
  }

 private:
  v1::Topic NextTopic(const std::string& name) {
    v1::Topic topic;
    topic.set_name(name);
    const auto partitions = static_cast<uint32_t>(Int(1, 4));
    uint32_t before = 1;
    for (const v1::Topic& present : last_.topics()) {
      if (present.name() == name) before = std::max(before, present.partitions());
    }
    if (std::max(before, partitions) > 1) topic.set_partitions(std::max(before, partitions));
    if (OneIn(3)) topic.mutable_retention()->mutable_max_age()->set_seconds(Int(1, 100));
    if (OneIn(3)) topic.mutable_retention()->set_max_bytes(static_cast<uint64_t>(Int(1, 3)));
    if (OneIn(3)) topic.mutable_retention()->set_keep_until_acked(true);
    if (OneIn(3)) topic.set_default_durability(v1::DURABILITY_WRITTEN);
    if (OneIn(3)) topic.set_max_event_bytes(static_cast<uint32_t>(Int(1, 3)));
    if (OneIn(3)) topic.set_description(absl::StrCat("number ", Int(1, 2)));
    return topic;
  }

  void AddSubscription(const std::string& name, v1::Topology& next) {
    v1::Subscription subscription;
    subscription.set_name(name);
    subscription.set_topic(next.topics(static_cast<int>(Int(0, next.topics_size() - 1))).name());
    subscription.set_kind(OneIn(2) ? v1::Subscription::KIND_QUEUE : v1::Subscription::KIND_STREAM);
    for (const v1::Subscription& present : last_.subscriptions()) {
      if (present.name() != name) continue;
      subscription.set_topic(present.topic());
      subscription.set_kind(present.kind());
    }
    const v1::Topic* topic = nullptr;
    for (const v1::Topic& t : next.topics()) {
      if (t.name() == subscription.topic()) topic = &t;
    }
    if (topic == nullptr) return;  // It was deleted together with its subscription.
    if (OneIn(3)) {
      const std::string& letters =
          next.topics(static_cast<int>(Int(0, next.topics_size() - 1))).name();
      if (letters != subscription.topic()) subscription.set_dead_letter_topic(letters);
    }
    if (OneIn(3)) subscription.mutable_ack_deadline()->set_seconds(Int(1, 2));
    if (OneIn(3))
      subscription.mutable_retry_policy()->mutable_max_backoff()->set_seconds(Int(1, 3));
    if (OneIn(3)) subscription.set_max_delivery_attempts(static_cast<uint32_t>(Int(1, 3)));
    if (OneIn(3)) subscription.mutable_rate_limit()->set_bytes_per_second(5);
    if (OneIn(3)) subscription.set_paused(true);
    if (OneIn(3)) {
      subscription.set_ack_durability(topic->default_durability() == v1::DURABILITY_WRITTEN
                                          ? v1::DURABILITY_SYNCED
                                          : v1::DURABILITY_WRITTEN);
    }
    if (OneIn(3)) {
      (*subscription.mutable_filter()->mutable_prefix()->mutable_values())["type"] = "order.";
    }
    *next.add_subscriptions() = subscription;
  }

  v1::Topology last_;
};

// Adds the dead-letter topics of subscriptions; their names sort last.
v1::Topology WithDeadLetterTopics(v1::Topology topology) {
  std::vector<v1::Topic> letters;
  for (const v1::Subscription& subscription : topology.subscriptions()) {
    if (!subscription.dead_letter_topic().empty()) continue;
    letters.emplace_back().set_name(subscription.name() + ".dead-letters");
    letters.back().set_description("Dead letters of subscription " + subscription.name());
  }
  for (const v1::Topic& topic : letters) *topology.add_topics() = topic;
  return topology;
}

absl::StatusOr<v1::ApplyTopologyResponse> ApplyTo(SubscriptionRig& rig,
                                                  const v1::Topology& topology, bool dry_run) {
  v1::ApplyTopologyRequest request;
  *request.mutable_topology() = topology;
  request.set_prune(true);
  request.set_dry_run(dry_run);
  return TopologyTest::ApplyTo(rig, request);
}

TEST_F(RandomTopologies, ConvergeAndRoundTrip) {
  SubscriptionRig rig;
  ASSERT_THAT(rig.Open(), IsOk());
  for (int step = 0; step < Steps(60); ++step) {
    const v1::Topology wanted = Next();
    SCOPED_TRACE(absl::StrCat("step ", step, ": ", wanted.ShortDebugString()));
    const std::string before = TopologyTest::ExportOf(rig).DebugString();
    ASSERT_OK_AND_ASSIGN(const auto predicted, ApplyTo(rig, wanted, /*dry_run=*/true));
    ASSERT_EQ(TopologyTest::ExportOf(rig).DebugString(), before);
    ASSERT_OK_AND_ASSIGN(const auto made, ApplyTo(rig, wanted, /*dry_run=*/false));
    ASSERT_FALSE(made.has_error()) << made.error().ShortDebugString();
    ASSERT_EQ(predicted.DebugString(), made.DebugString());
    const v1::Topology exported = TopologyTest::ExportOf(rig);
    ASSERT_EQ(exported.DebugString(), WithDeadLetterTopics(wanted).DebugString());
    if (OneIn(10)) rig.Reopen();
    ASSERT_OK_AND_ASSIGN(const auto again, ApplyTo(rig, exported, /*dry_run=*/false));
    ASSERT_TRUE(again.changes().empty()) << again.ShortDebugString();
    SubscriptionRig other;
    ASSERT_THAT(other.Open(), IsOk());
    ASSERT_OK_AND_ASSIGN(const auto copied, ApplyTo(other, exported, /*dry_run=*/false));
    ASSERT_FALSE(copied.has_error()) << copied.error().ShortDebugString();
    ASSERT_EQ(TopologyTest::ExportOf(other).DebugString(), exported.DebugString());
  }
}

}  // namespace
}  // namespace eventhub
