// The places of events that are repeatedly parked and redriven: each is an open dead letter, or
// returning to its subscription, or settled by a consumer; never in two places at once, neither in
// a report nor after a crash.
#include <atomic>
#include <cstdint>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "absl/functional/function_ref.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/server/seeded.h"
#include "tests/server/subscription_rig.h"
#include "tests/support/caller.h"

namespace eventhub {
namespace {

constexpr int64_t kLetters = 1500;
constexpr int kCrashes = 4;

class DeadLetterPlacesTest : public SeededTest {
 protected:
  void SetUp() override {
    ASSERT_THAT(rig_.Open(), IsOk());
    ASSERT_THAT(rig_.Create("t"), IsOk());
    ASSERT_THAT(rig_.Subscribe(SubscriptionOf("s", "t", v1::Subscription::KIND_QUEUE)), IsOk());
    ASSERT_THAT(rig_.Publish("t", std::vector<std::string>(kLetters, "e")), IsOk());
    const auto consumer = rig_.Consume("s", "c", kLetters);
    const std::vector<Received> events = consumer->Receive(kLetters);
    ASSERT_EQ(events.size(), static_cast<size_t>(kLetters));
    v1::ConsumeRequest park;
    v1::Nack& nack = *park.add_nacks();
    nack.set_lease_epoch(events[0].epoch);
    nack.set_action(v1::Nack::ACTION_PARK);
    nack.add_ranges()->set_end(kLetters);
    ASSERT_EQ(consumer->Settle(park).refused_size(), 0);
    rig_.AwaitParking("s");
    ASSERT_EQ(Open().size(), static_cast<size_t>(kLetters));
  }

  // The events with an open dead letter.
  std::multiset<int64_t> Open() {
    std::multiset<int64_t> open;
    v1::ListDeadLettersRequest request;
    request.set_subscription("s");
    do {
      const auto response = rig_.subscriptions().dead_letters().List(kTester, request);
      EXPECT_THAT(response, IsOk());
      for (const v1::DeadLetter& letter : response->dead_letters()) {
        open.insert(letter.source_offset());
      }
      request.set_page_token(response->next_page_token());
    } while (!request.page_token().empty());
    return open;
  }

  // The events that the subscription has yet to deliver.
  std::multiset<int64_t> Returning() {
    std::multiset<int64_t> returning;
    const auto consumer = rig_.Consume("s", "c", 2 * kLetters);
    for (const Received& event : consumer->Receive()) returning.insert(event.offset);
    consumer->session().Close(Subscription::Ended::kByHub);
    return returning;
  }

  // Redrives all letters, and parks the delivered events again, or acks one in `acked_of`, until
  // `count` events were handled; calls `then` before the redrive ends.
  void RedriveAndParkAgain(int64_t count, int acked_of, absl::FunctionRef<void()> then) {
    std::atomic<bool> done = false;
    std::thread redrive([&] {
      v1::RedriveDeadLettersRequest request;
      request.set_subscription("s");
      request.mutable_selector();
      while (!done && rig_.Redrive(request).ok()) {
      }
    });
    const auto consumer = rig_.Consume("s", "c", 100);
    for (int64_t handled = 0; handled < count;) {
      for (const Received& event : consumer->Receive()) {
        ++handled;
        if (acked_of > 0 && OneIn(acked_of)) {
          acked_.insert(event.offset);
          consumer->Ack(event);
        } else {
          consumer->Nack(event, v1::Nack::ACTION_PARK, "again");
        }
      }
    }
    then();
    done = true;
    redrive.join();
    consumer->session().Close(Subscription::Ended::kByHub);
  }

  SubscriptionRig rig_;
  // As far as the consumer knows: the last acks may not have been committed.
  std::set<int64_t> acked_;
};

TEST_F(DeadLetterPlacesTest, ReportsAreConsistentSnapshots) {
  std::atomic<bool> done = false;
  std::thread reporter([&] {
    while (!done) {
      const v1::SubscriptionStats stats = rig_.Get("s").stats();
      ASSERT_EQ(stats.open_dead_letters() + stats.replay_events(), uint64_t{kLetters});
    }
  });
  RedriveAndParkAgain(kLetters, 0, [] {});
  done = true;
  reporter.join();
}

TEST_F(DeadLetterPlacesTest, EachEventIsInExactlyOnePlaceAfterCrash) {
  for (int i = 0; i < kCrashes && !HasFailure(); ++i) {
    RedriveAndParkAgain(Int(1, kLetters), 50, [this] { rig_.disk.Cut(); });
    rig_.Close();
    rig_.disk.Forget();
    ASSERT_THAT(rig_.Open(), IsOk());
    const std::multiset<int64_t> open = Open();
    const std::multiset<int64_t> returning = Returning();
    const auto stats = rig_.Get("s").stats();
    EXPECT_EQ(stats.open_dead_letters(), open.size());
    EXPECT_EQ(stats.replay_events(), returning.size());
    for (int64_t event = 0; event < kLetters; ++event) {
      const size_t places = open.count(event) + returning.count(event);
      EXPECT_LE(places, 1u) << "event " << event << ": " << open.count(event) << " letters";
      EXPECT_TRUE(places == 1 || acked_.contains(event)) << "event " << event << " is lost";
      if (places == 1) acked_.erase(event);  // The ack was not confirmed.
    }
  }
}

}  // namespace
}  // namespace eventhub
