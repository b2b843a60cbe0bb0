// The memory of what the hub makes of requests: copies by routes, delayed events, identities.
#include "server/core/base/copy_memory.h"

#include <future>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "google/protobuf/util/time_util.h"
#include "gtest/gtest.h"
#include "server/core/route/routes.h"
#include "tests/server/route_rig.h"
#include "tests/support/caller.h"
#include "tests/support/eventually.h"

namespace eventhub {
namespace {

using absl::StatusCode;
using google::protobuf::util::TimeUtil;
using testing::SizeIs;
using v1::ErrorDetail;

constexpr size_t kKiB = 1024;

TEST(CopyMemoryTest, LeasesShareLimit) {
  CopyMemory memory(100);
  CopyMemory::Lease one(&memory);
  EXPECT_TRUE(one.Take(60));
  EXPECT_TRUE(memory.flow().spent());
  CopyMemory::Lease other(&memory);
  EXPECT_FALSE(other.Take(41));
  EXPECT_TRUE(other.Fits(41)) << "it would, alone";
  EXPECT_FALSE(other.Fits(101));
  EXPECT_TRUE(other.Take(40));
  other.ForceTake(10);
  EXPECT_EQ(memory.used(), 110u);
  EXPECT_FALSE(one.Take(1));
  other.Reset();
  EXPECT_EQ(memory.used(), 60u);
  CopyMemory::Lease moved = std::move(one);
  moved.Drop(50);
  EXPECT_EQ(memory.used(), 60u) << "for the next Take";
  EXPECT_TRUE(moved.Take(20));
  EXPECT_EQ(memory.used(), 60u);
  moved.Trim();
  EXPECT_EQ(memory.used(), 30u);
  EXPECT_FALSE(memory.flow().spent());
  moved = CopyMemory::Lease();
  EXPECT_EQ(memory.used(), 0u);
}

v1::Event Sized(const std::string& id, size_t bytes) {
  v1::Event event = MakeEvent(id);
  event.set_data(std::string(bytes, 'x'));
  return event;
}

// One topic, and routes from it to others.
class CopiesTest : public testing::Test {
 protected:
  static constexpr size_t kLimit = 1024 * kKiB;

  void SetUp() override {
    rig_.EnableTrimming();
    rig_.copy_bytes = kLimit;
    ASSERT_THAT(rig_.Open(), IsOk());
    ASSERT_THAT(rig_.Create("a"), IsOk());
  }

  void AddRoutes(const std::string& source, int count, bool with_attribute = true,
                 uint32_t partitions = 1) {
    for (int i = 0; i < count; ++i) {
      const std::string name = absl::StrCat(source, "-", i);
      ASSERT_THAT(rig_.Create(name, partitions), IsOk());
      v1::Route route = RouteOf(name, source, {name});
      if (with_attribute) (*route.mutable_set_attributes())["seen"].set_string(name);
      ASSERT_THAT(rig_.CreateRoute(route), IsOk());
    }
  }

  size_t used() { return Share().used_bytes(); }
  v1::MemoryShare Share() {
    const v1::GetStatsResponse stats = rig_.broker().GetStats(kTester);
    for (const v1::MemoryShare& share : stats.memory().shares()) {
      if (share.name() == "copies") return share;
    }
    ADD_FAILURE() << "there is no such share";
    return {};
  }

  // Blocks the commit thread until Release; what was submitted before is done.
  void HoldCommits() {
    ASSERT_THAT(rig_.Create("held"), IsOk());
    v1::PublishStreamRequest request = MakeRequest("held", {"x"});
    request.set_durability(v1::DURABILITY_WRITTEN);
    std::promise<void> holds;
    const auto parsed = ParsePublishRequest(SharedBytes::Copy(request.SerializeAsString()));
    rig_.broker().publishing().Publish(kTester, *parsed, [this, &holds](const auto&) {
      holds.set_value();
      release_.get_future().wait();
    });
    holds.get_future().wait();
  }
  void Release() { release_.set_value(); }

  std::future<absl::Status> Submit(const std::vector<v1::Event>& events) {
    v1::PublishStreamRequest request;
    request.set_topic("a");
    for (const v1::Event& event : events) *request.add_events() = event;
    const auto parsed = ParsePublishRequest(SharedBytes::Copy(request.SerializeAsString()));
    auto outcome = std::make_shared<std::promise<absl::Status>>();
    flow_ = rig_.broker().publishing().Publish(
        kTester, *parsed, [outcome](const auto& result) { outcome->set_value(result.status()); });
    return outcome->get_future();
  }

  static auto TooMany() {
    return Refused(StatusCode::kResourceExhausted, ErrorDetail::REASON_TOO_MANY_COPIES);
  }
  static auto InFlight() {
    return Refused(StatusCode::kResourceExhausted, ErrorDetail::REASON_COPIES_IN_FLIGHT);
  }

  RouteRig rig_;
  MemoryBudget* flow_ = nullptr;  // As returned by the last Submit.

 private:
  std::promise<void> release_;
};

TEST_F(CopiesTest, RequestThatNeverFitsIsRefusedForGood) {
  AddRoutes("a", 8);
  const auto publish = [&](size_t bytes) { return rig_.PublishEvents("a", {Sized("1", bytes)}); };
  const absl::StatusOr<v1::PublishResult> refused = publish(140 * kKiB);
  EXPECT_THAT(refused, TooMany());
  EXPECT_FALSE(DetailOf(refused.status())->has_retry_delay());
  EXPECT_THAT(rig_.Ids("a"), SizeIs(0));
  EXPECT_THAT(rig_.Ids("a-0"), SizeIs(0));
  EXPECT_EQ(used(), 0u);
  EXPECT_THAT(publish(120 * kKiB), IsOk());
  for (int i = 0; i < 8; ++i) EXPECT_THAT(rig_.Ids(absl::StrCat("a-", i)), SizeIs(1));
  EXPECT_TRUE(Eventually([&] { return used() == 0; })) << "it is committed";
  EXPECT_EQ(Share().limit_bytes(), kLimit);
}

// Copies that share the bytes of their originals take memory in the write.
TEST_F(CopiesTest, UnchangedCopiesAreLimitedPerRequest) {
  AddRoutes("a", 8, /*with_attribute=*/false);
  EXPECT_THAT(rig_.PublishEvents("a", {Sized("1", 140 * kKiB)}), TooMany());
  HoldCommits();
  std::vector<std::future<absl::Status>> outcomes;
  for (int i = 0; i < 5; ++i) outcomes.push_back(Submit({Sized("2", 120 * kKiB)}));
  EXPECT_LT(used(), 16 * kKiB);
  Release();
  for (auto& outcome : outcomes) EXPECT_THAT(outcome.get(), IsOk());
  EXPECT_THAT(rig_.Ids("a-7"), SizeIs(5));
}

TEST_F(CopiesTest, RequestsInFlightShareMemory) {
  AddRoutes("a", 4, /*with_attribute=*/true, /*partitions=*/3);
  HoldCommits();
  std::vector<std::future<absl::Status>> outcomes;
  for (int i = 0; i < 12; ++i) {
    outcomes.push_back(Submit({Sized(absl::StrCat(i), 50 * kKiB)}));
    EXPECT_LE(used(), kLimit);
    if (i == 0) {
      EXPECT_FALSE(flow_->spent());
    }
  }
  EXPECT_GT(used(), kLimit / 2);
  ASSERT_NE(flow_, nullptr) << "a stream waits for it";
  EXPECT_TRUE(flow_->spent());
  Release();
  size_t done = 0;
  for (auto& outcome : outcomes) {
    const absl::Status status = outcome.get();
    if (status.ok()) {
      ++done;
      continue;
    }
    EXPECT_THAT(status, InFlight());
    EXPECT_TRUE(DetailOf(status)->has_retry_delay());
  }
  EXPECT_GE(done, 4u);
  EXPECT_LT(done, 12u);
  for (int i = 0; i < 4; ++i) EXPECT_THAT(rig_.Ids(absl::StrCat("a-", i)), SizeIs(done));
  EXPECT_TRUE(Eventually([&] { return used() == 0; }));
  EXPECT_THAT(rig_.PublishEvents("a", {Sized("x", 50 * kKiB)}), IsOk()) << "there is room again";
}

// The copies of events that filters select are new, too; so are those of copies.
TEST_F(CopiesTest, FilteredCopiesAndChainsCount) {
  ASSERT_THAT(rig_.Create("b"), IsOk());
  ASSERT_THAT(rig_.Create("c"), IsOk());
  v1::Route route = RouteOf("ab", "a", {"b"});
  *route.mutable_filter() = ExactFilter("type", "order.placed");
  ASSERT_THAT(rig_.CreateRoute(route), IsOk());
  route = RouteOf("bc", "b", {"c"});
  (*route.mutable_set_attributes())["seen"].set_boolean(true);
  ASSERT_THAT(rig_.CreateRoute(route), IsOk());
  HoldCommits();
  v1::Event event = Sized("1", 100 * kKiB);
  event.set_type("order.placed");
  v1::Event other = Sized("2", 100 * kKiB);
  other.set_type("other");
  auto outcome = Submit({event, other});
  EXPECT_GT(used(), 200 * kKiB);
  EXPECT_LT(used(), 210 * kKiB);
  Release();
  EXPECT_THAT(outcome.get(), IsOk());
  EXPECT_THAT(rig_.Ids("c"), SizeIs(1));
}

TEST_F(CopiesTest, TransactionIsLimitedAsWhole) {
  AddRoutes("a", 8, /*with_attribute=*/false);
  const auto transact = [&](int appends) {
    v1::TransactRequest request;
    for (int i = 0; i < appends; ++i) {
      v1::TransactAppend& append = *request.add_appends();
      append.set_topic("a");
      *append.add_events() = Sized(absl::StrCat(i), 50 * kKiB);
    }
    const auto parsed = ParseTransaction(SharedBytes::Copy(request.SerializeAsString()));
    std::promise<absl::Status> outcome;
    rig_.broker().transactions().Transact(kTester, *parsed,
                                          [&](auto r) { outcome.set_value(r.status()); });
    return outcome.get_future().get();
  };
  EXPECT_THAT(transact(3), TooMany());
  EXPECT_THAT(rig_.Ids("a"), SizeIs(0));
  EXPECT_THAT(transact(2), IsOk());
  EXPECT_THAT(rig_.Ids("a-7"), SizeIs(2));
}

// Nobody can be told of a limit, so none of them is lost, and pieces are smaller.
TEST_F(CopiesTest, DelayedEventsAreReleasedInPieces) {
  AddRoutes("a", 8);
  constexpr int kEvents = 20;
  for (int i = 0; i < kEvents; ++i) {
    v1::Event event = Sized(absl::StrCat(i), 50 * kKiB);
    *event.mutable_deliver_after() = TimeUtil::SecondsToDuration(60);
    ASSERT_THAT(rig_.PublishEvents("a", {event}), IsOk());
  }
  rig_.clock.Advance(absl::Minutes(2));
  for (int i = 0; i < 100 && rig_.Ids("a").size() < kEvents; ++i) rig_.broker().delayed().RunDue();
  EXPECT_THAT(rig_.Ids("a"), SizeIs(kEvents));
  for (int i = 0; i < 8; ++i) EXPECT_THAT(rig_.Ids(absl::StrCat("a-", i)), SizeIs(kEvents));
  EXPECT_EQ(rig_.StatsOf("a-0").skipped_events(), 0u);
}

TEST_F(CopiesTest, DeadLettersAreParkedInPieces) {
  ASSERT_THAT(rig_.Subscribe(SubscriptionOf("s", "a", v1::Subscription::KIND_QUEUE)), IsOk());
  AddRoutes("s.dead-letters", 8);
  constexpr int kEvents = 20;
  for (int i = 0; i < kEvents; ++i) {
    ASSERT_THAT(rig_.PublishEvents("a", {Sized(absl::StrCat(i), 50 * kKiB)}), IsOk());
  }
  const auto consumer = rig_.Consume("s", "c");
  for (const Received& event : consumer->Receive(kEvents)) {
    consumer->Nack(event, v1::Nack::ACTION_PARK, "bad");
  }
  rig_.AwaitParking("s");
  EXPECT_THAT(rig_.DeadLetters("s"), SizeIs(kEvents));
  for (int i = 0; i < 8; ++i) {
    EXPECT_THAT(rig_.Ids(absl::StrCat("s.dead-letters-", i)), SizeIs(kEvents));
  }
}

// A single one whose copies exceed all memory is appended without some of them.
TEST_F(CopiesTest, AcceptedEventIsNotHeldUpByItsCopies) {
  v1::Event event = Sized("1", 140 * kKiB);
  *event.mutable_deliver_after() = TimeUtil::SecondsToDuration(60);
  ASSERT_THAT(rig_.PublishEvents("a", {event}), IsOk());
  AddRoutes("a", 8);
  rig_.clock.Advance(absl::Minutes(2));
  rig_.broker().delayed().RunDue();
  EXPECT_THAT(rig_.Ids("a"), SizeIs(1));
  EXPECT_THAT(rig_.Ids("a-0"), SizeIs(1));
  EXPECT_THAT(rig_.Ids("a-7"), SizeIs(0));
  EXPECT_EQ(rig_.StatsOf("a-7").skipped_events(), 1u);
  EXPECT_THAT(rig_.StatsOf("a-7").last_failure(), testing::HasSubstr("more memory"));
}

// The record of a tiny event is many times as large.
TEST_F(CopiesTest, DelayedEventsCount) {
  const auto delayed = [](int count) {
    std::vector<v1::Event> events(static_cast<size_t>(count), MakeEvent("1"));
    for (v1::Event& event : events) {
      *event.mutable_deliver_after() = TimeUtil::SecondsToDuration(60);
    }
    return events;
  };
  EXPECT_THAT(rig_.PublishEvents("a", delayed(5000)), TooMany());
  HoldCommits();
  auto first = Submit(delayed(1500));
  EXPECT_GT(used(), kLimit / 2);
  auto second = Submit(delayed(1500));
  Release();
  EXPECT_THAT(first.get(), IsOk());
  EXPECT_THAT(second.get(), InFlight());
}

TEST_F(CopiesTest, IdentitiesCount) {
  v1::Topic topic;
  topic.set_name("a");
  *topic.mutable_deduplication_window() = TimeUtil::SecondsToDuration(60);
  ASSERT_THAT(rig_.Update(topic, {"deduplication_window"}), IsOk());
  const auto distinct = [](int count) {
    std::vector<v1::Event> events;
    for (int i = 0; i < count; ++i) events.push_back(MakeEvent(absl::StrCat(i)));
    return events;
  };
  EXPECT_THAT(rig_.PublishEvents("a", distinct(5000)), TooMany());
  EXPECT_THAT(rig_.PublishEvents("a", distinct(3000)), IsOk());
  EXPECT_TRUE(Eventually([&] { return used() == 0; }));
}

// Duplicates are left out when the request is committed; then the rest is planned anew, whatever
// others hold.
TEST_F(CopiesTest, RequestWithDuplicatesFits) {
  v1::Topic topic;
  topic.set_name("a");
  *topic.mutable_deduplication_window() = TimeUtil::SecondsToDuration(60);
  ASSERT_THAT(rig_.Update(topic, {"deduplication_window"}), IsOk());
  AddRoutes("a", 4);
  ASSERT_THAT(rig_.PublishEvents("a", {Sized("old", 50 * kKiB)}), IsOk());
  HoldCommits();
  auto first = Submit({Sized("old", 50 * kKiB), Sized("new", 50 * kKiB)});
  auto second = Submit({Sized("old", 50 * kKiB), Sized("newer", 50 * kKiB)});
  Release();
  EXPECT_THAT(first.get(), IsOk());
  EXPECT_THAT(second.get(), IsOk());
  EXPECT_THAT(rig_.Ids("a-3"), testing::ElementsAre("old", "new", "newer"));
  EXPECT_TRUE(Eventually([&] { return used() == 0; }));
}

}  // namespace
}  // namespace eventhub
