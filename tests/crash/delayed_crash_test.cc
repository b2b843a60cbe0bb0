// The daemon is killed with SIGKILL while delayed events are accepted, cancelled and due: in the
// end each acknowledged one is there exactly once, unless it was cancelled.
//
// EVENTHUB_TEST_CRASH_SEED repeats a run, EVENTHUB_TEST_CRASH_ROUNDS makes it longer.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <iostream>
#include <map>
#include <random>
#include <set>
#include <string>
#include <thread>

#include "absl/strings/str_cat.h"
#include "tests/crash/crash_rounds.h"
#include "tests/support/env_number.h"
#include "tests/support/eventually.h"
#include "tests/support/hub_calls.h"
#include "tests/support/hub_process.h"
#include "tests/support/temp_directory.h"

namespace eventhub {
namespace {

// Publishes events, most of them delayed by up to 400 ms, and cancels some, until the hub dies.
class DelayedPublisher {
 public:
  explicit DelayedPublisher(uint64_t seed) : random_(seed) {}

  void Run(const std::string& address) {
    HubClient client(address);
    while (PublishSome(client)) {
      if (random_() % 4 == 0 && !CancelOne(client)) return;
    }
  }

  std::set<std::string> acknowledged;
  std::set<std::string> cancelled;  // Confirmed.
  std::set<std::string> unsure;     // Cancels with an unknown outcome.

 private:
  bool PublishSome(HubClient& client) {
    v1::PublishRequest request;
    request.set_topic("t");
    request.set_durability(random_() % 2 == 0 ? v1::DURABILITY_WRITTEN : v1::DURABILITY_SYNCED);
    std::vector<std::string> ids;
    for (uint64_t i = 1 + random_() % 20; i > 0; --i) {
      ids.push_back(absl::StrCat(next_++));
      v1::Event& event = *request.add_events();
      event =
          MakeEvent(ids.back(), std::string(random_() % 50 == 0 ? 20'000 : 20, 'd'), ids.back());
      if (random_() % 5 == 0) continue;
      event.mutable_deliver_after()->set_nanos(static_cast<int32_t>(random_() % 400'000'000));
    }
    const auto outcome = TryPublish(client, request);
    if (!outcome.status.ok()) return false;
    acknowledged.insert(ids.begin(), ids.end());
    for (const v1::DelayedPlacement& delayed : outcome.response.result().delayed()) {
      last_ = {delayed.delay_id(), ids[delayed.event_index()]};
    }
    return true;
  }

  bool CancelOne(HubClient& client) {
    grpc::ClientContext context;
    v1::CancelDelayedEventsRequest request;
    v1::CancelDelayedEventsResponse response;
    request.set_topic("t");
    if (last_.first.empty()) return true;
    request.add_delay_ids(last_.first);
    if (!client.delayed().CancelDelayedEvents(&context, request, &response).ok()) {
      unsure.insert(last_.second);
      return false;
    }
    if (response.cancelled() == 1) cancelled.insert(last_.second);
    return true;
  }

  std::mt19937_64 random_;
  int next_ = 0;
  std::pair<std::string, std::string> last_;  // Delay id and event id.
};

TEST(DelayedCrashTest, AcknowledgedEventsAppearExactlyOnce) {
  const uint64_t seed = EnvNumber("EVENTHUB_TEST_CRASH_SEED", std::random_device()());
  CrashRounds rounds(5);
  std::cout << "EVENTHUB_TEST_CRASH_SEED=" << seed << std::endl;
  std::mt19937_64 random(seed);
  TempDirectory directory;
  HubProcess hub(directory.path(), {"--write_buffer=1MiB"});
  hub.Start();
  {
    HubClient client(hub.address());
    CreateTopic(client, "t", 4);
  }
  DelayedPublisher publisher(random());
  while (rounds.Next(publisher.acknowledged.size() > 100 && !publisher.cancelled.empty())) {
    std::thread thread([&] { publisher.Run(hub.address()); });
    // Not synchronisation: the time of death is what is random.
    std::this_thread::sleep_for(std::chrono::milliseconds(100 + random() % 700));
    hub.Kill();
    thread.join();
    hub.Start();
  }
  HubClient client(hub.address());
  ASSERT_TRUE(Eventually([&] { return GetStats(client).totals().delayed_events() == 0; }));
  std::vector<std::string> ids;
  std::set<std::string> log;
  // The last ones leave the count when their commit begins, and are readable when it is done.
  EXPECT_TRUE(Eventually([&] {
    const ReadOutcome read = ReadAll(client, ReadOf("t"));
    EXPECT_THAT(read.status, IsOk());
    ids = read.ids();
    log = {ids.begin(), ids.end()};
    return std::all_of(publisher.acknowledged.begin(), publisher.acknowledged.end(),
                       [&](const std::string& id) {
                         return log.contains(id) || publisher.cancelled.contains(id) ||
                                publisher.unsure.contains(id);
                       });
  })) << "acknowledged events are lost";
  EXPECT_EQ(log.size(), ids.size()) << "there are events that appear twice";
  for (const std::string& id : publisher.cancelled) {
    EXPECT_TRUE(!log.contains(id) || publisher.unsure.contains(id)) << id;
  }
  std::cout << ids.size() << " events, " << publisher.cancelled.size() << " cancelled, "
            << rounds.begun() << " crashes" << std::endl;
}

}  // namespace
}  // namespace eventhub
