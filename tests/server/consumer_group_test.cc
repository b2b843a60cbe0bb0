#include "server/core/subscription/dispatch/consumer_group.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace eventhub {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using testing::Pair;

class ConsumerGroupTest : public testing::Test {
 protected:
  // A consumer that waits for events.
  Consumer& AddWaiting(const std::string& name, int64_t credit = 10) {
    ConsumerOptions options;
    options.name = name;
    Consumer& consumer = *group_.Add(++session_, std::move(options), absl::UnixEpoch());
    consumer.credit.events = credit;
    Wait(consumer);
    return consumer;
  }
  void Wait(Consumer& consumer) {
    consumer.waiting = true;
    group_.Enqueue(consumer);
  }
  // The consumers that were woken since the last call.
  std::vector<std::string> Woken() {
    std::vector<std::string> names;
    for (const auto& consumer : std::exchange(wake_, {})) names.push_back(consumer->options.name);
    return names;
  }

  ConsumerGroup group_;
  ConsumerGroup::WakeList wake_;
  uint64_t session_ = 0;
};

TEST_F(ConsumerGroupTest, WakesWaitingConsumersInTurn) {
  AddWaiting("a");
  Consumer& b = AddWaiting("b");
  group_.WakeNext(&wake_);
  EXPECT_THAT(Woken(), ElementsAre("a"));
  group_.WakeNext(&wake_);
  EXPECT_THAT(Woken(), ElementsAre("b"));
  group_.WakeNext(&wake_);
  EXPECT_THAT(Woken(), IsEmpty());
  Wait(b);
  group_.WakeAll(&wake_);
  EXPECT_THAT(Woken(), ElementsAre("b")) << "a has not waited since";
}

TEST_F(ConsumerGroupTest, SkipsConsumersWithoutCredit) {
  AddWaiting("a", 0);
  AddWaiting("b");
  group_.WakeNext(&wake_);
  EXPECT_THAT(Woken(), ElementsAre("b"));
}

TEST_F(ConsumerGroupTest, WakesStalledConsumerOnlyAsLastResort) {
  Consumer& a = AddWaiting("a");
  Consumer& b = AddWaiting("b");
  group_.MarkOverdue(a.id);
  EXPECT_TRUE(group_.AnyHealthyWithCredit());
  group_.WakeNext(&wake_);
  EXPECT_THAT(Woken(), ElementsAre("b"));
  b.leaving = true;
  EXPECT_FALSE(group_.AnyHealthyWithCredit());
  group_.WakeNext(&wake_);
  EXPECT_THAT(Woken(), ElementsAre("a"));
}

TEST_F(ConsumerGroupTest, AssignsToStalledConsumersOnlyAsLastResort) {
  Consumer& a = AddWaiting("a");
  Consumer& b = AddWaiting("b");
  Consumer& c = AddWaiting("c");
  c.leaving = true;
  a.stalled = true;
  EXPECT_THAT(group_.Assignable(), ElementsAre(b.id));
  b.stalled = true;
  EXPECT_THAT(group_.Assignable(), ElementsAre(a.id, b.id));
}

TEST_F(ConsumerGroupTest, ReleaseReturnsCreditAndReprobesStalledConsumer) {
  Consumer& a = AddWaiting("a");
  a.out = {3, 300};
  group_.MarkOverdue(a.id);
  a.probe_budget = 0;
  group_.Release(a.id, {2, 200}, &wake_);
  EXPECT_EQ(a.out.events, 1);
  EXPECT_EQ(a.probe_budget, 0);
  group_.Release(a.id, {1, 100}, &wake_);
  EXPECT_EQ(a.probe_budget, 1);
  EXPECT_THAT(Woken(), ElementsAre("a"));
  group_.Remove(a.id);
  group_.Release(a.id, {1, 100}, &wake_);  // It is disconnected: no effect.
  EXPECT_THAT(Woken(), IsEmpty());
}

TEST_F(ConsumerGroupTest, MergesTrimNotices) {
  Consumer& a = AddWaiting("a");
  Consumer& b = AddWaiting("b");
  const PartitionId partition(1);
  group_.NoteTrimmed(partition, a.id, {{Offset(0), Offset(5)}}, &wake_);
  group_.NoteTrimmed(partition, std::nullopt, {{Offset(5), Offset(7)}}, &wake_);
  EXPECT_THAT(a.news[partition].trimmed, ElementsAre(Pair(Offset(0), Offset(7))));
  EXPECT_THAT(b.news[partition].trimmed, ElementsAre(Pair(Offset(5), Offset(7))));
  group_.NoteTrimmed(partition, ConsumerId(), {{Offset(7), Offset(9)}}, &wake_);
  EXPECT_THAT(b.news[partition].trimmed, ElementsAre(Pair(Offset(5), Offset(7))));
}

}  // namespace
}  // namespace eventhub
