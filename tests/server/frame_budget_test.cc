// The memory that readers share.
#include "server/core/read/frame_budget.h"

#include <algorithm>
#include <deque>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/support/fake_clock.h"

namespace eventhub {
namespace {

constexpr size_t kMiB = size_t{1} << 20;

class Reader final : public FrameBudget::Holder {
 public:
  void Granted(size_t bytes) override { granted = bytes; }
  absl::AnyInvocable<void() &&> Eviction() override {
    return [this] { evicted = true; };
  }

  size_t granted = 0;
  bool evicted = false;
};

class FrameBudgetTest : public testing::Test {
 protected:
  // Gives the reader what earns it frames of any size.
  Reader& Earn(Reader& reader) {
    budget_.Send(reader, 64 * kMiB);
    budget_.Return(reader);
    return reader;
  }

  // Readers that take their grants and never return them, until one has to wait.
  Reader& Exhaust(size_t frame) {
    for (;;) {
      Reader& reader = Earn(readers_.emplace_back());
      const size_t granted = budget_.Take(reader, frame);
      if (granted == 0) return reader;
      budget_.Send(reader, granted);
    }
  }

  FakeClock clock_;
  FrameBudget budget_{16 * kMiB, clock_};
  std::deque<Reader> readers_;
};

TEST_F(FrameBudgetTest, GrantsFullFramesWhenMemoryIsAmple) {
  Reader reader;
  Earn(reader);
  EXPECT_EQ(budget_.Take(reader, kMiB / 4), kMiB / 4);
  EXPECT_EQ(budget_.used(), kMiB / 4);
  budget_.Send(reader, 10);
  EXPECT_EQ(budget_.used(), 10u);
  budget_.Return(reader);
  EXPECT_EQ(budget_.used(), 0u);
  budget_.Return(reader);  // Nothing to return.
  EXPECT_EQ(budget_.used(), 0u);
}

TEST_F(FrameBudgetTest, ShrinksFramesToStayWithinLimit) {
  Exhaust(4 * kMiB);
  EXPECT_LE(budget_.used(), budget_.limit());
  EXPECT_GT(budget_.used(), budget_.limit() - FrameBudget::kMinFrame);
  EXPECT_GT(readers_.size(), 80u);  // Not four of 4 MiB.
}

TEST_F(FrameBudgetTest, ServesWaitersInOrder) {
  Reader& first = Exhaust(kMiB);
  Reader second;
  EXPECT_EQ(budget_.Take(second, kMiB), 0u);
  budget_.Return(readers_.front());
  EXPECT_GT(first.granted, 0u);
  EXPECT_GT(second.granted, 0u);  // One frame's memory serves small frames of both.
  EXPECT_GE(first.granted, second.granted);
  EXPECT_LE(budget_.used(), budget_.limit());
}

TEST_F(FrameBudgetTest, FramesFromMemoryNeverWait) {
  Reader reader;
  Earn(reader);
  EXPECT_EQ(budget_.Suggest(reader, 100), 100u);
  EXPECT_EQ(budget_.Suggest(reader, 16 * kMiB), 16 * kMiB / 64);
  Exhaust(kMiB);
  EXPECT_EQ(budget_.Suggest(reader, kMiB), FrameBudget::kMinFrame);
  EXPECT_EQ(budget_.Suggest(reader, 100), 100u);
}

TEST_F(FrameBudgetTest, SmallFramesFromMemoryAreNotCounted) {
  Reader reader;
  budget_.Send(reader, FrameBudget::kMinFrame);
  EXPECT_EQ(budget_.used(), 0u);
  budget_.Return(reader);
  budget_.Send(reader, FrameBudget::kMinFrame + 1);
  EXPECT_EQ(budget_.used(), FrameBudget::kMinFrame + 1);
  budget_.Return(reader);
  EXPECT_EQ(budget_.used(), 0u);
}

TEST_F(FrameBudgetTest, EvictsOldestReaderBeyondLimit) {
  Reader first;
  Reader second;
  budget_.Send(first, 7 * kMiB);
  clock_.Advance(absl::Seconds(2));
  EXPECT_EQ(budget_.EvictStalled(absl::Seconds(1)), 0u);
  budget_.Send(second, 10 * kMiB);
  EXPECT_EQ(budget_.EvictStalled(absl::Seconds(1)), 1u);
  EXPECT_TRUE(first.evicted);
  EXPECT_FALSE(second.evicted);
}

TEST_F(FrameBudgetTest, WaitCanBeCancelled) {
  Reader& waiting = Exhaust(kMiB);
  EXPECT_TRUE(budget_.Cancel(waiting));
  EXPECT_FALSE(budget_.Cancel(waiting));
  budget_.Return(readers_.front());
  EXPECT_EQ(waiting.granted, 0u);
}

TEST_F(FrameBudgetTest, CountsEventsLargerThanBudget) {
  Reader reader;
  ASSERT_GT(budget_.Take(reader, kMiB), 0u);
  budget_.Send(reader, 20 * kMiB);
  Reader other;
  EXPECT_EQ(budget_.Take(other, kMiB / 4), 0u);
  budget_.Return(reader);
  EXPECT_EQ(other.granted, FrameBudget::kFirstFrame);
}

TEST_F(FrameBudgetTest, EvictsStalledReadersWhileOthersWait) {
  Reader reader;
  ASSERT_GT(budget_.Take(reader, kMiB), 0u);
  budget_.Send(reader, kMiB);
  Reader reads_the_disk;
  ASSERT_GT(budget_.Take(reads_the_disk, kMiB), 0u);
  clock_.Advance(absl::Minutes(1));
  EXPECT_EQ(budget_.EvictStalled(absl::Seconds(1)), 0u);  // Nobody waits for its memory.
  Exhaust(kMiB);
  clock_.Advance(absl::Milliseconds(900));
  EXPECT_EQ(budget_.EvictStalled(absl::Seconds(1)), 1u);
  EXPECT_TRUE(reader.evicted);
  EXPECT_FALSE(readers_.front().evicted);
  clock_.Advance(absl::Milliseconds(200));
  EXPECT_GT(budget_.EvictStalled(absl::Seconds(1)), 1u);
  EXPECT_TRUE(readers_.front().evicted);
  EXPECT_FALSE(readers_.back().evicted);  // It is waiting.
  EXPECT_FALSE(reads_the_disk.evicted);
}

// However many there are, and whatever they have taken before.
TEST_F(FrameBudgetTest, StalledReadersHoldAtMostHalf) {
  for (int i = 0; i < 5; ++i) budget_.Send(readers_.emplace_back(), 2 * kMiB);
  EXPECT_EQ(budget_.EvictStalled(absl::Seconds(1)), 0u);
  clock_.Advance(absl::Seconds(1));
  Reader active;
  budget_.Send(active, 2 * kMiB);
  EXPECT_EQ(budget_.EvictStalled(absl::Seconds(1)), 1u);
  EXPECT_TRUE(readers_.front().evicted);
  budget_.Return(readers_.front());
  EXPECT_EQ(budget_.EvictStalled(absl::Seconds(1)), 0u);
  EXPECT_FALSE(active.evicted);
}

// Readers that take nothing make the frames of those who do no smaller than a little.
TEST_F(FrameBudgetTest, StuckReadersHoldSmallFrames) {
  Reader active;
  Earn(active);
  for (int i = 0; i < 100; ++i) {
    Reader& stuck = readers_.emplace_back();
    // The buffers of the network take the first frames.
    for (size_t sent = 0; sent < 100'000;) {
      const size_t granted = budget_.Take(stuck, kMiB);
      EXPECT_LE(granted, 2 * FrameBudget::kFirstFrame);
      budget_.Send(stuck, granted);
      sent += granted;
      if (sent < 100'000) budget_.Return(stuck);
    }
  }
  EXPECT_GE(budget_.Take(active, kMiB), 3 * budget_.limit() / 4 / 64);
}

TEST_F(FrameBudgetTest, FramesGrowWithWhatIsTaken) {
  FrameBudget budget(size_t{1} << 30, clock_);
  Reader reader;
  size_t taken = 0;
  int frames = 0;
  for (size_t granted = 0; granted < kMiB; ++frames) {
    granted = budget.Take(reader, kMiB);
    EXPECT_LE(granted, std::max(FrameBudget::kFirstFrame, taken / 8));
    budget.Send(reader, granted);
    budget.Return(reader);
    taken += granted;
  }
  EXPECT_LT(frames, 45);
  // Nothing is taken for long: the next frame is small again.
  budget.Send(reader, kMiB);
  clock_.Advance(FrameBudget::kSlow);
  budget.Return(reader);
  EXPECT_EQ(budget.Suggest(reader, kMiB), FrameBudget::kFirstFrame);
}

}  // namespace
}  // namespace eventhub
