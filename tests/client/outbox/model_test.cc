// Random publishing, faults of the hub, switches and restarts: every event is in the hub exactly
// once, in order.
//
// EVENTHUB_TEST_OUTBOX_SEED repeats a run, EVENTHUB_TEST_OUTBOX_ROUNDS makes it longer.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <iostream>
#include <map>
#include <random>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "tests/client/outbox/outbox_fixture.h"
#include "tests/support/env_number.h"

namespace eventhub::client {
namespace {

class OutboxModelTest : public OutboxTest {
 protected:
  static constexpr int kTopics = 3;
  static constexpr int kSteps = 60;

  void Run(uint64_t seed) {
    random_.seed(seed);
    OpenAnew();
    for (int i = 0; i < kSteps; ++i) Step();
    Heal();
    ASSERT_THAT(outbox_->Drain(absl::Seconds(60)), IsOk());
    for (const auto& [topic, ids] : published_) EXPECT_EQ(hub_->Ids(topic), ids) << topic;
    EXPECT_EQ(outbox_->status().lost_events, 0u);
    EXPECT_EQ(outbox_->status().pending_bytes, 0u);
    // Nothing is left on disk either.
    outbox_.reset();
    OpenAnew();
    EXPECT_EQ(outbox_->status().pending_events, 0u);
  }

 private:
  uint64_t Below(uint64_t limit) { return random_() % limit; }
  std::string RandomTopic() { return absl::StrCat("t", Below(kTopics)); }

  void OpenAnew() {
    OutboxOptions options = Options();
    options.mode = Below(2) == 0 ? OutboxMode::kAlways : OutboxMode::kSpill;
    options.spill_after = absl::Milliseconds(1 + Below(5));
    options.max_batch_bytes = 1024 << Below(4);
    options.max_in_flight_requests = 1 + Below(64);
    options.max_buffer_bytes = size_t{1} << (20 + Below(4));
    options.local_durability = Below(4) == 0 ? Durability::kSynced : Durability::kWritten;
    Open(options);
  }
  void Heal() {
    hub_->SetHeld(false);
    hub_->SetDown(false);
    hub_->SetFaults(0, 0);
    for (int t = 0; t < kTopics; ++t) hub_->Refuse(absl::StrCat("t", t), absl::OkStatus());
  }
  void Step() {
    switch (Below(12)) {
      case 0:
        hub_->SetDown(Below(2) == 0);
        break;
      case 1:
        hub_->SetFaults(static_cast<int>(Below(300)), static_cast<int>(Below(300)));
        break;
      case 2:
        hub_->SetHeld(Below(2) == 0);
        break;
      case 3:
        hub_->Refuse(RandomTopic(),
                     Below(2) == 0
                         ? absl::OkStatus()
                         : HubRefusal(absl::StatusCode::kNotFound,
                                      {.reason = ErrorReason::kTopicNotFound}, "no such topic"));
        break;
      case 4:
        hub_->Refuse(RandomTopic(), HubRefusal(absl::StatusCode::kResourceExhausted,
                                               {.reason = ErrorReason::kTopicFull}, "full"));
        break;
      case 5:
        Heal();
        break;
      case 6:
        ASSERT_THAT(outbox_->Close(absl::Milliseconds(Below(3))), IsOk());
        OpenAnew();
        break;
      default:
        PublishSome();
        break;
    }
  }
  void PublishSome() {
    const std::string topic = RandomTopic();
    std::vector<std::string>& ids = published_[topic];
    for (uint64_t i = 0, count = 1 + Below(100); i < count; ++i) {
      ids.push_back(absl::StrCat(topic, "/", ids.size()));
      const std::string data(Below(10) == 0 ? Below(4000) : Below(50), 'x');
      ASSERT_THAT(outbox_->Publish(topic, MakeEvent(ids.back(), "", data), nullptr), IsOk());
    }
    if (Below(2) == 0) {
      ASSERT_THAT(outbox_->Flush(), IsOk());
    }
  }

  std::mt19937_64 random_;
  std::map<std::string, std::vector<std::string>> published_;
};

TEST_F(OutboxModelTest, ExactlyOnceInOrder) {
  const uint64_t seed = EnvNumber("EVENTHUB_TEST_OUTBOX_SEED", std::random_device()());
  std::cout << "EVENTHUB_TEST_OUTBOX_SEED=" << seed << std::endl;
  const uint64_t rounds = EnvNumber("EVENTHUB_TEST_OUTBOX_ROUNDS", 4);
  for (uint64_t round = 0; round < rounds && !HasFailure(); ++round) Run(seed + round);
}

}  // namespace
}  // namespace eventhub::client
