// The outbox in mode `spill`: straight to the hub while it answers, to disk while it does not, in
// order across the switch.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "tests/client/outbox/outbox_fixture.h"

namespace eventhub::client {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

class SpillTest : public OutboxTest {
 protected:
  OutboxOptions SpillOptions() {
    OutboxOptions options = Options();
    options.mode = OutboxMode::kSpill;
    options.spill_after = absl::Milliseconds(20);
    return options;
  }
  // What is on disk.
  uint64_t StoredEvents() const {
    const auto reader = OutboxReader::Open(directory_ / "outbox");
    EXPECT_THAT(reader, IsOk());
    return (*reader)->status().pending_events;
  }
};

TEST_F(SpillTest, SendsDirectlyToTheHub) {
  OutboxOptions options = SpillOptions();
  options.spill_after = absl::InfiniteDuration();
  Open(options);
  const std::vector<std::string> ids = PublishMany("e", 1000);
  EXPECT_EQ(hub_->Ids("t"), ids);  // Accepted is in the hub.
  EXPECT_FALSE(TopicStatus().spilling);
  EXPECT_EQ(StoredEvents(), 0u);
}

TEST_F(SpillTest, SpillsWhenTheHubIsDownAndComesBack) {
  Open(SpillOptions());
  std::vector<std::string> ids = PublishMany("a", 10);
  hub_->SetDown(true);
  const std::vector<std::string> spilled = PublishMany("b", 10);
  EXPECT_TRUE(TopicStatus().spilling);
  EXPECT_EQ(StoredEvents(), 10u);
  hub_->SetDown(false);
  EXPECT_THAT(outbox_->Drain(), IsOk());
  ASSERT_TRUE(Eventually([&] { return !TopicStatus().spilling; }));
  const std::vector<std::string> direct = PublishMany("c", 10);
  ids.insert(ids.end(), spilled.begin(), spilled.end());
  ids.insert(ids.end(), direct.begin(), direct.end());
  EXPECT_EQ(hub_->Ids("t"), ids);
}

TEST_F(SpillTest, SpillsWhenTheHubIsSilent) {
  Open(SpillOptions());
  EXPECT_THAT(Publish("a"), IsOk());
  hub_->SetHeld(true);
  EXPECT_THAT(Publish("b"), IsOk());  // Returns although the hub does not respond.
  EXPECT_TRUE(TopicStatus().spilling);
  EXPECT_THAT(Publish("c"), IsOk());
  hub_->SetHeld(false);
  EXPECT_THAT(outbox_->Drain(), IsOk());
  EXPECT_THAT(hub_->Ids("t"), ElementsAre("a", "b", "c"));
}

TEST_F(SpillTest, RequestsTakenBeforeABreakAreNotAppendedTwice) {
  Open(SpillOptions());
  EXPECT_THAT(Publish("a"), IsOk());
  hub_->SetFaults(0, 1000);
  EXPECT_THAT(Publish("b"), IsOk());  // In the hub, without a reply, and so on disk.
  EXPECT_EQ(StoredEvents(), 1u);
  EXPECT_THAT(outbox_->Close(absl::ZeroDuration()), IsOk());
  hub_->SetFaults(0, 0);
  Open(SpillOptions());
  EXPECT_THAT(Publish("c"), IsOk());
  EXPECT_THAT(outbox_->Drain(), IsOk());
  EXPECT_THAT(hub_->Ids("t"), ElementsAre("a", "b", "c"));
  EXPECT_GT(hub_->duplicates(), 0u);
}

TEST_F(SpillTest, ClosingSpillsEventsInFlight) {
  OutboxOptions options = SpillOptions();
  options.spill_after = absl::InfiniteDuration();
  Open(options);
  EXPECT_THAT(Publish("a"), IsOk());
  hub_->SetHeld(true);
  absl::Status result = absl::UnknownError("not called");
  ASSERT_THAT(
      outbox_->Publish("t", MakeEvent("b"), [&](const absl::Status& status) { result = status; }),
      IsOk());
  EXPECT_THAT(outbox_->Close(absl::ZeroDuration()), IsOk());
  EXPECT_THAT(result, IsOk());
  hub_->SetHeld(false);
  Open(options);
  EXPECT_THAT(outbox_->Drain(), IsOk());
  EXPECT_THAT(hub_->Ids("t"), ElementsAre("a", "b"));
}

TEST_F(SpillTest, OrderHoldsAcrossManySwitches) {
  OutboxOptions options = SpillOptions();
  options.spill_after = absl::Milliseconds(1);
  Open(options);
  hub_->SetFaults(100, 100);
  std::vector<std::string> ids;
  for (int i = 0; i < 3000; ++i) {
    ids.push_back(absl::StrCat(i));
    ASSERT_THAT(outbox_->Publish("t", MakeEvent(ids.back()), nullptr), IsOk());
    if (i % 100 == 99) {
      ASSERT_THAT(outbox_->Flush(), IsOk());
    }
  }
  hub_->SetFaults(0, 0);
  EXPECT_THAT(outbox_->Drain(), IsOk());
  EXPECT_EQ(hub_->Ids("t"), ids);
}

}  // namespace
}  // namespace eventhub::client
