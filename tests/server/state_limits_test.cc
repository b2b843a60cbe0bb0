// The memory that topics and subscriptions cost, and its limits.
#include <cstdint>
#include <future>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "server/core/admin/topic_changes.h"
#include "server/core/subscription/cursor/pending_ranges.h"
#include "server/core/transaction/transaction.h"
#include "tests/server/subscription_rig.h"
#include "tests/support/caller.h"
#include "tests/support/eventually.h"

namespace eventhub {
namespace {

class StateLimitsTest : public testing::Test {
 protected:
  static constexpr size_t kMax = 40;

  StateLimitsTest() {
    rig_.max_partitions = kMax;
    EXPECT_THAT(rig_.Open(), IsOk());
  }

  static auto TooMany() {
    return Refused(absl::StatusCode::kResourceExhausted,
                   v1::ErrorDetail::REASON_TOO_MANY_PARTITIONS);
  }

  absl::Status Grow(const std::string& name, uint32_t partitions) {
    v1::Topic topic;
    topic.set_name(name);
    topic.set_partitions(partitions);
    return rig_.Update(topic, {"partitions"}).status();
  }

  absl::Status Subscribe(const std::string& name, const std::string& topic) {
    v1::Subscription subscription;
    subscription.set_name(name);
    subscription.set_topic(topic);
    subscription.set_kind(v1::Subscription::KIND_QUEUE);
    subscription.set_dead_letter_topic("letters");
    return rig_.Subscribe(subscription).status();
  }

  // The maximum number of partitions of a new topic.
  uint32_t Room() {
    for (uint32_t partitions = kMax; partitions > 0; --partitions) {
      if (!rig_.Create("probe", partitions).ok()) continue;
      EXPECT_THAT(rig_.Delete("probe"), IsOk());
      return partitions;
    }
    return 0;
  }

  SubscriptionRig rig_;
};

TEST_F(StateLimitsTest, TopicsAreChargedByPartitions) {
  EXPECT_EQ(Room(), 36u);
  EXPECT_THAT(rig_.Create("t", 37).status(), TooMany());
  ASSERT_THAT(rig_.Create("t", 16), IsOk());
  EXPECT_EQ(Room(), 16u);
  EXPECT_THAT(Grow("t", 37), TooMany());
  EXPECT_THAT(Grow("t", 30), IsOk());
  EXPECT_EQ(Room(), 2u);
  rig_.Reopen();
  EXPECT_EQ(Room(), 2u);
  ASSERT_THAT(rig_.Delete("t"), IsOk());
  EXPECT_EQ(Room(), 36u);
}

TEST_F(StateLimitsTest, SubscriptionsAreChargedByPartitions) {
  ASSERT_THAT(rig_.Create("letters"), IsOk());  // 5.
  ASSERT_THAT(rig_.Create("t", 4), IsOk());     // 8.
  ASSERT_THAT(Subscribe("one", "t"), IsOk());   // 8.
  EXPECT_EQ(Room(), 15u);
  EXPECT_THAT(Grow("t", 10), IsOk());  // 12 more.
  EXPECT_EQ(Room(), 3u);
  EXPECT_THAT(Subscribe("two", "t"), TooMany());
  EXPECT_THAT(Grow("t", 14), TooMany());
  rig_.Reopen();
  EXPECT_EQ(Room(), 3u);
  ASSERT_THAT(rig_.DeleteSubscription("one"), IsOk());
  EXPECT_EQ(Room(), 17u);
  ASSERT_THAT(Subscribe("two", "t"), IsOk());
  v1::DeleteTopicRequest request;
  request.set_name("t");
  request.set_delete_subscriptions(true);
  ASSERT_THAT(rig_.Delete(request), IsOk());
  EXPECT_EQ(Room(), 31u);
}

TEST_F(StateLimitsTest, FailedDeadLetterTopicReleasesItsCharge) {
  ASSERT_THAT(rig_.Create("t", 16), IsOk());  // 20; a subscription would cost as much.
  v1::Subscription subscription;
  subscription.set_name("s");
  subscription.set_topic("t");
  subscription.set_kind(v1::Subscription::KIND_QUEUE);
  EXPECT_THAT(rig_.Subscribe(subscription).status(), TooMany());
  EXPECT_EQ(Room(), 16u);
}

class FilterLimitsTest : public testing::Test {
 protected:
  static constexpr size_t kMax = 64 << 10;

  FilterLimitsTest() {
    rig_.filter_bytes = kMax;
    EXPECT_THAT(rig_.Open(), IsOk());
    EXPECT_THAT(rig_.Create("t"), IsOk());
    EXPECT_THAT(rig_.Create("letters"), IsOk());
  }

  static auto TooMuch() {
    return Refused(absl::StatusCode::kResourceExhausted,
                   v1::ErrorDetail::REASON_TOO_MUCH_FOR_FILTERS);
  }

  // About 1,500 bytes, which count as 24,000: two fit, a third does not.
  static v1::Filter Large() {
    v1::Filter filter;
    filter.set_sql(absl::StrCat("type = '", std::string(1500, 'x'), "'"));
    return filter;
  }

  static v1::Subscription Queue(const std::string& name) {
    v1::Subscription subscription;
    subscription.set_name(name);
    subscription.set_topic("t");
    subscription.set_kind(v1::Subscription::KIND_QUEUE);
    subscription.set_dead_letter_topic("letters");
    return subscription;
  }

  absl::Status Subscribe(const std::string& name) {
    v1::Subscription subscription = Queue(name);
    *subscription.mutable_filter() = Large();
    return rig_.Subscribe(subscription).status();
  }

  absl::Status MakeRoute(const std::string& name) {
    v1::CreateRouteRequest request;
    request.mutable_route()->set_name(name);
    request.mutable_route()->set_source_topic("t");
    request.mutable_route()->add_target_topics("letters");
    *request.mutable_route()->mutable_filter() = Large();
    absl::Status made;
    rig_.broker().routes().Create(kTester, request,
                                  [&](const auto& outcome) { made = outcome.status(); });
    // The task before it is committed or refused by then.
    EXPECT_THAT(rig_.Create("barrier"), IsOk());
    EXPECT_THAT(rig_.Delete("barrier"), IsOk());
    return made;
  }

  absl::Status DropRoute(const std::string& name) {
    v1::DeleteRouteRequest request;
    request.set_name(name);
    absl::Status dropped;
    rig_.broker().routes().Delete(kTester, request,
                                  [&](const auto& outcome) { dropped = outcome.status(); });
    EXPECT_THAT(rig_.Create("barrier"), IsOk());
    EXPECT_THAT(rig_.Delete("barrier"), IsOk());
    return dropped;
  }

  SubscriptionRig rig_;
};

TEST_F(FilterLimitsTest, SubscriptionsAndRoutesShareFilterMemory) {
  ASSERT_THAT(Subscribe("one"), IsOk());
  ASSERT_THAT(MakeRoute("two"), IsOk());
  EXPECT_THAT(Subscribe("three"), TooMuch());
  EXPECT_THAT(MakeRoute("three"), TooMuch());
  ASSERT_THAT(rig_.Subscribe(Queue("plain")), IsOk());
  v1::Subscription changed = Queue("plain");
  *changed.mutable_filter() = Large();
  EXPECT_THAT(rig_.UpdateSubscription(changed, {"filter"}), TooMuch());
  ASSERT_THAT(DropRoute("two"), IsOk());
  // A deleted object is freed when the last task that uses it has ended.
  EXPECT_TRUE(Eventually([&] { return rig_.UpdateSubscription(changed, {"filter"}).ok(); }));
  EXPECT_THAT(MakeRoute("three"), TooMuch());
  ASSERT_THAT(rig_.DeleteSubscription("one"), IsOk());
  EXPECT_TRUE(Eventually([&] { return MakeRoute("three").ok(); }));
}

// Accepted filters are loaded, whatever the limit is now.
TEST_F(FilterLimitsTest, LowerLimitKeepsExistingFilters) {
  ASSERT_THAT(Subscribe("one"), IsOk());
  ASSERT_THAT(MakeRoute("two"), IsOk());
  rig_.Close();
  rig_.filter_bytes = 1000;
  ASSERT_THAT(rig_.Open(), IsOk());
  v1::GetRouteRequest request;
  request.set_name("two");
  EXPECT_THAT(rig_.broker().routes().Get(kTester, request), IsOk());
  EXPECT_NE(rig_.broker().subscriptions().catalog().Find("one"), nullptr);
  EXPECT_THAT(Subscribe("three"), TooMuch());
}

class PendingLimitsTest : public testing::Test {
 protected:
  static constexpr size_t kMax = 64 << 10;
  static constexpr int64_t kEvents = 2000;

  // Everything is at the consumer, in one range.
  PendingLimitsTest() {
    rig_.pending_bytes = kMax;
    EXPECT_THAT(rig_.Open(), IsOk());
    EXPECT_THAT(rig_.Create("t"), IsOk());
    std::vector<std::string> ids;
    for (int64_t i = 0; i < kEvents; ++i) ids.push_back(absl::StrCat(i));
    EXPECT_THAT(rig_.Publish("t", ids), IsOk());
    EXPECT_THAT(rig_.Subscribe(SubscriptionOf("s", "t", v1::Subscription::KIND_QUEUE)), IsOk());
    consumer_ = rig_.Consume("s", "one", 10'000);
    events_ = consumer_->Receive(kEvents);
    for (const Received& event : events_) left_.insert(event.offset);
  }

  // Of pending ranges.
  size_t Used() {
    const v1::GetStatsResponse stats = rig_.broker().GetStats(kTester);
    for (const v1::MemoryShare& share : stats.memory().shares()) {
      if (share.name() == "pending") return share.used_bytes();
    }
    ADD_FAILURE();
    return 0;
  }
  // Every second event, beginning with the second one.
  template <typename Part>
  void NameHalf(Part& part) const {
    part.set_lease_epoch(events_.front().epoch);
    for (int64_t event = 1; event < kEvents; event += 2) {
      v1::OffsetRange& range = *part.add_ranges();
      range.set_start(event);
      range.set_end(event + 1);
    }
  }
  // Acks every second event as far as that is possible; returns the number of refusals.
  size_t AckHalf() {
    v1::ConsumeRequest request;
    NameHalf(*request.add_acks());
    const std::vector<int64_t> refused =
        RefusedOffsets(consumer_->Settle(request), absl::StatusCode::kResourceExhausted);
    for (int64_t event = 1; event < kEvents; event += 2) left_.erase(event);
    left_.insert(refused.begin(), refused.end());
    return refused.size();
  }
  // The end of the run of events at the consumer that starts at an event.
  int64_t EndOfRun(int64_t event) const {
    while (left_.contains(event)) ++event;
    return event;
  }

  static auto TooManyRanges() {
    return Refused(absl::StatusCode::kResourceExhausted,
                   v1::ErrorDetail::REASON_TOO_MANY_PENDING_RANGES);
  }

  // Consumers of other subscriptions, each of which has a part of the memory.
  static constexpr int kOthers = 8;
  std::vector<std::unique_ptr<TestConsumer>> TakeMemory() {
    std::vector<std::unique_ptr<TestConsumer>> consumers;
    for (int i = 0; i < kOthers; ++i) {
      const std::string name = absl::StrCat("other-", i);
      EXPECT_THAT(rig_.Subscribe(SubscriptionOf(name, "t", v1::Subscription::KIND_QUEUE)), IsOk());
      consumers.push_back(rig_.Consume(name, "c", 10'000));
      const std::vector<Received> events = consumers.back()->Receive(kEvents);
      v1::ConsumeRequest request;
      v1::Ack& ack = *request.add_acks();
      NameHalf(ack);
      ack.set_lease_epoch(events.front().epoch);
      consumers.back()->Settle(request);
    }
    return consumers;
  }

  SubscriptionRig rig_;
  std::unique_ptr<TestConsumer> consumer_;
  std::vector<Received> events_;
  std::set<int64_t> left_;  // At the consumer.
};

TEST_F(PendingLimitsTest, AcksMakeNoMoreRangesThanMemoryAllows) {
  EXPECT_EQ(Used(), PendingRanges::kRangeBytes);
  EXPECT_GT(AckHalf(), 0u);
  EXPECT_GT(Used(), 10 * PendingRanges::kRangeBytes);
  EXPECT_LE(Used(), kMax);
  // Events at the ends of ranges can always be acked, one by one, and so can whole ranges.
  const uint64_t epoch = events_.front().epoch;
  const int64_t last = kEvents - 1;
  if (left_.contains(last)) {
    EXPECT_EQ(consumer_->Ack(0, epoch, last, last + 1).refused_size(), 0);
    left_.erase(last);
  }
  while (!left_.empty()) {
    const int64_t first = *left_.begin();
    const int64_t end = EndOfRun(first);
    const int64_t most = end - first > 100 ? first + 100 : end;
    EXPECT_EQ(consumer_->Ack(0, epoch, first, most).refused_size(), 0);
    left_.erase(left_.begin(), left_.lower_bound(most));
    EXPECT_LE(Used(), kMax);
  }
  EXPECT_TRUE(Eventually([&] { return Used() == 0; }));
}

TEST_F(PendingLimitsTest, NoMoreEventsWaitForTheirKeyThanMemoryAllows) {
  consumer_.reset();
  ASSERT_THAT(rig_.Create("keyed"), IsOk());
  v1::PublishStreamRequest request;
  request.set_topic("keyed");
  for (int64_t i = 0; i < kEvents; ++i) *request.add_events() = MakeEvent(absl::StrCat(i), "key");
  ASSERT_THAT(rig_.BrokerRig::Publish(request), IsOk());
  v1::Subscription queue = SubscriptionOf("ordered", "keyed", v1::Subscription::KIND_QUEUE);
  queue.set_ordered_by_key(true);
  ASSERT_THAT(rig_.Subscribe(queue), IsOk());
  const auto consumer = rig_.Consume("ordered", "one", 100);
  for (int64_t event = 0; event < kEvents; ++event) {
    const std::vector<Received> received = consumer->Receive(1);
    ASSERT_EQ(received.size(), 1u);
    ASSERT_EQ(received[0].offset, event);
    ASSERT_LE(Used(), kMax);
    consumer->Ack(0, received[0].epoch, event, event + 1);
  }
}

TEST_F(PendingLimitsTest, NeitherDoNacksAndExtensions) {
  for (const v1::Nack::Action action :
       {v1::Nack::ACTION_SKIP, v1::Nack::ACTION_PARK, v1::Nack::ACTION_RETRY}) {
    v1::ConsumeRequest request;
    v1::Nack& nack = *request.add_nacks();
    nack.set_action(action);
    nack.mutable_retry_after()->set_seconds(3600);
    NameHalf(nack);
    v1::LeaseExtension& extension = *request.add_extensions();
    extension.mutable_extension()->set_seconds(3600);
    NameHalf(extension);
    EXPECT_GT(consumer_->Settle(request).refused_size(), 0);
    EXPECT_LE(Used(), kMax);
  }
  // Nor do many requests.
  for (int64_t event = 0; event < kEvents; ++event) {
    consumer_->Nack(events_[static_cast<size_t>(event)], v1::Nack::ACTION_RETRY, "",
                    absl::Seconds(event));
  }
  EXPECT_LE(Used(), kMax);
  // The events are delivered again when the leases end. While no more ranges are allowed, the
  // consumer must settle one event before it is given many.
  consumer_.reset();
  const auto other = rig_.Consume("s", "two", 10'000);
  for (size_t received = 0; received <= 100;) {
    const std::vector<Received> events = other->Receive();
    ASSERT_FALSE(events.empty());
    received += events.size();
    for (const Received& event : events) other->Ack(event);
    EXPECT_LE(Used(), kMax);
  }
}

TEST_F(PendingLimitsTest, ATransactionIsRefusedAsAWhole) {
  const auto ack_half = [&] {
    v1::TransactRequest request;
    v1::TransactAcks& acks = *request.mutable_acks();
    acks.set_subscription("s");
    acks.set_session(consumer_->said.opened().session());
    NameHalf(*acks.add_acks());
    const absl::StatusOr<TransactionRequest> parsed =
        ParseTransaction(SharedBytes::Copy(request.SerializeAsString()));
    EXPECT_THAT(parsed, IsOk());
    std::promise<absl::Status> outcome;
    rig_.broker().transactions().Transact(kTester, *parsed,
                                          [&](const auto& r) { outcome.set_value(r.status()); });
    return outcome.get_future().get();
  };
  EXPECT_THAT(ack_half(), Refused(absl::StatusCode::kResourceExhausted,
                                  v1::ErrorDetail::REASON_TOO_MANY_PENDING_RANGES));
  EXPECT_EQ(Used(), PendingRanges::kRangeBytes);
}

// Findings name what takes the memory.
TEST_F(PendingLimitsTest, ShortageIsAFinding) {
  EXPECT_EQ(rig_.broker().GetStats(kTester).memory().findings_size(), 0);
  AckHalf();
  const auto others = TakeMemory();
  const v1::MemoryStats memory = rig_.broker().GetStats(kTester).memory();
  ASSERT_EQ(memory.findings_size(), 1);
  EXPECT_THAT(memory.findings(0), testing::HasSubstr("pending: "));
  EXPECT_THAT(memory.findings(0), testing::HasSubstr(" of topic t"));
}

TEST_F(PendingLimitsTest, SnapshotWithoutRoomIsNotRestored) {
  AckHalf();
  ASSERT_THAT(rig_.CreateSnapshot("s", "half"), IsOk());
  v1::SeekSubscriptionRequest seek;
  seek.set_name("s");
  seek.mutable_start()->set_latest(true);
  ASSERT_THAT(rig_.Seek(seek), IsOk());
  EXPECT_EQ(Used(), 0u);
  auto others = TakeMemory();
  seek.set_snapshot("half");
  for (const bool dry_run : {true, false}) {
    seek.set_dry_run(dry_run);
    EXPECT_THAT(rig_.Seek(seek).status(), TooManyRanges());
  }
  EXPECT_EQ(rig_.Get("s").stats().lag_events(), 0u);
  others.clear();
  for (int i = 0; i < kOthers; ++i) {
    EXPECT_THAT(rig_.DeleteSubscription(absl::StrCat("other-", i)), IsOk());
  }
  // A deleted subscription is freed when the last task that uses it has ended.
  EXPECT_TRUE(Eventually([&] { return rig_.Seek(seek).ok(); }));
  EXPECT_GT(rig_.Get("s").stats().lag_events(), 0u);
}

TEST_F(PendingLimitsTest, ReplayWithoutRoomIsRefused) {
  EXPECT_GT(AckHalf(), 0u);
  v1::ReplaySubscriptionRequest replay;
  replay.set_name("s");
  replay.mutable_start()->set_earliest(true);
  EXPECT_THAT(rig_.Replay(replay).status(), TooManyRanges());
  // One gap has room.
  const int64_t end = EndOfRun(*left_.begin());
  EXPECT_EQ(consumer_->Ack(0, events_.front().epoch, 0, end).refused_size(), 0);
  replay.set_stop_offset(end);
  EXPECT_THAT(rig_.Replay(replay), IsOk());
}

TEST_F(PendingLimitsTest, RedriveTakesAsManyAsHaveRoom) {
  constexpr int64_t kLetters = 600;
  v1::ConsumeRequest request;
  v1::Nack& park = *request.add_nacks();
  park.set_lease_epoch(events_.front().epoch);
  park.set_action(v1::Nack::ACTION_PARK);
  park.add_ranges()->set_end(kLetters);
  EXPECT_EQ(consumer_->Settle(request).refused_size(), 0);
  v1::RedriveDeadLettersRequest redrive;
  redrive.set_subscription("s");
  redrive.mutable_selector();
  const absl::Status refused = rig_.Redrive(redrive).status();
  EXPECT_THAT(refused, TooManyRanges());
  EXPECT_THAT(std::string(refused.message()), testing::HasSubstr("256 dead letters were redriven"));
  EXPECT_LE(Used(), kMax);
  // The others follow when these are settled.
  EXPECT_TRUE(consumer_->AckAll(consumer_->Receive(256)));
  EXPECT_THAT(rig_.Redrive(redrive).status(), TooManyRanges());
  EXPECT_TRUE(consumer_->AckAll(consumer_->Receive(256)));
  const auto last = rig_.Redrive(redrive);
  ASSERT_THAT(last, IsOk());
  EXPECT_EQ(last->events(), kLetters - 2 * 256);
}

// A range of ready events is not delivered event by event, each with a lease of its own.
TEST_F(PendingLimitsTest, RedeliveryMakesNoMoreRangesThanMemoryAllows) {
  consumer_.reset();
  const auto other = rig_.Consume("s", "two", 1);
  std::vector<Received> received;
  for (uint32_t credit = 1; credit < 1000; ++credit) {
    rig_.Pass(absl::Milliseconds(1));  // The leases end at different times.
    other->SetCredit(credit);
    for (Received& event : other->Receive()) received.push_back(std::move(event));
  }
  EXPECT_GT(received.size(), 100u);
  EXPECT_LT(received.size(), 400u);
  EXPECT_LE(Used(), kMax);
  // Once the events in flight are settled, the next ones follow.
  EXPECT_TRUE(other->AckAll(received));
  EXPECT_GT(other->Receive(100).size(), 0u);
}

// Requests of consumers, and their answers.
class RequestLimitsTest : public testing::Test {
 protected:
  static constexpr size_t kMax = size_t{1} << 20;

  RequestLimitsTest() {
    rig_.request_bytes = kMax;
    EXPECT_THAT(rig_.Open(), IsOk());
    EXPECT_THAT(rig_.Create("t"), IsOk());
    EXPECT_THAT(rig_.Subscribe(SubscriptionOf("s", "t", v1::Subscription::KIND_QUEUE)), IsOk());
    v1::ConsumeRequest open;
    open.mutable_open()->set_subscription("s");
    open.mutable_open()->set_max_response_bytes(4096);
    consumer_ = *TestConsumer::Open(rig_.broker(), open);
    EXPECT_THAT(consumer_->Poll(), IsOk());
  }

  // Everything in it is refused, range by range.
  static v1::ConsumeRequest Refusable() {
    v1::ConsumeRequest request;
    v1::Ack& ack = *request.add_acks();
    ack.set_lease_epoch(1);
    for (int64_t event = 0; event < 200; event += 2) {
      v1::OffsetRange& range = *ack.add_ranges();
      range.set_start(event);
      range.set_end(event + 1);
    }
    return request;
  }

  size_t Used() {
    const v1::GetStatsResponse stats = rig_.broker().GetStats(kTester);
    for (const v1::MemoryShare& share : stats.memory().shares()) {
      if (share.name() == "settlements") return share.used_bytes();
    }
    ADD_FAILURE();
    return 0;
  }
  // Sends requests until the consumer may send no more; takes no answer. Returns their number.
  int SendAll() {
    for (uint64_t sent = 1; sent <= 256; ++sent) {
      if (consumer_->session().Overloaded()) return static_cast<int>(sent) - 1;
      v1::ConsumeRequest request = Refusable();
      request.set_correlation_id(sent);
      EXPECT_THAT(consumer_->session().Take(std::move(request)), IsOk());
    }
    return 256;
  }

  SubscriptionRig rig_;
  std::unique_ptr<TestConsumer> consumer_;
};

TEST_F(RequestLimitsTest, ConsumerThatTakesNoAnswersIsNotRead) {
  const int sent = SendAll();
  EXPECT_GT(sent, 1);
  EXPECT_LT(sent, 256);
  EXPECT_LT(Used(), kMax / 4);
  const int frames = consumer_->frames;
  EXPECT_TRUE(Eventually([&] {
    EXPECT_THAT(consumer_->Poll(), IsOk());
    return Used() == 0;
  }));
  EXPECT_FALSE(consumer_->session().Overloaded());
  EXPECT_EQ(consumer_->frames - frames, sent);  // A frame has room for one of these answers.
}

TEST_F(RequestLimitsTest, MemoryIsReleasedWithTheConsumer) {
  EXPECT_GT(SendAll(), 1);
  EXPECT_GT(Used(), 0u);
  consumer_.reset();
  EXPECT_TRUE(Eventually([&] { return Used() == 0; }));
}

TEST(ReaderLimitsTest, HostLeavesMemoryToOthers) {
  BrokerRig rig;
  rig.reader_bytes = size_t{64} << 10;
  ASSERT_THAT(rig.Open(), IsOk());
  ASSERT_THAT(rig.Create("t"), IsOk());
  v1::ReadRequest read;
  read.set_topic("t");
  read.set_follow(true);
  const auto from = [](const std::string& peer) {
    return Caller("tester", peer, Clock::System(), absl::InfiniteDuration(),
                  [] { return absl::OkStatus(); });
  };
  std::vector<std::unique_ptr<TopicReader>> readers;
  absl::Status refused;
  for (int port = 1; refused.ok(); ++port) {
    auto reader = rig.broker().readers().Open(from(absl::StrCat("ipv4:10.0.0.1:", port)), read);
    refused = reader.status();
    if (reader.ok()) readers.push_back(*std::move(reader));
  }
  EXPECT_THAT(refused, Refused(absl::StatusCode::kResourceExhausted,
                               v1::ErrorDetail::REASON_TOO_MUCH_FOR_READERS));
  EXPECT_GT(readers.size(), 10u);
  const size_t had = readers.size();
  while (readers.size() < had + had / 4) {
    auto reader = rig.broker().readers().Open(from("ipv4:10.0.0.2:1"), read);
    ASSERT_THAT(reader.status(), IsOk());
    readers.push_back(*std::move(reader));
  }
}

}  // namespace
}  // namespace eventhub
