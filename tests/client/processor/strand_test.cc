// The strand of a processor: the order of its work, in turns and outside.
#include "client/processor/strand.h"

#include <thread>
#include <vector>

#include "client/src/subscribe/turn.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "storage/base/clock.h"

namespace eventhub::processor::internal {
namespace {

using client::Turn;
using ::testing::ElementsAre;
using ::testing::IsEmpty;

class StrandTest : public testing::Test {
 protected:
  Strand::Work Note(int number) {
    return [this, number] { ran_.push_back(number); };
  }

  std::vector<int> ran_;
  int idle_ = 0;
  Strand strand_{Clock::System(), [this] { ++idle_; }};
};

TEST_F(StrandTest, RunsPostedWorkBeforeItReturns) {
  strand_.Post(Note(1));
  EXPECT_THAT(ran_, IsEmpty());
  strand_.Run(Note(2));
  EXPECT_THAT(ran_, ElementsAre(2, 1));
  EXPECT_EQ(idle_, 1);
}

TEST_F(StrandTest, RunsPostedWorkAtTheEndOfATurn) {
  {
    const Turn turn;
    strand_.Run(Note(1));
    strand_.Post(Note(2));
    strand_.Run(Note(3));
    EXPECT_THAT(ran_, ElementsAre(1, 3));
    EXPECT_EQ(idle_, 0);
  }
  EXPECT_THAT(ran_, ElementsAre(1, 3, 2));
  EXPECT_EQ(idle_, 1);
  strand_.Run(Note(4));  // The strand is free again.
  EXPECT_THAT(ran_, ElementsAre(1, 3, 2, 4));
}

TEST_F(StrandTest, WorkOfOtherThreadsWaitsForTheEndOfATurn) {
  {
    const Turn turn;
    strand_.Run(Note(1));
    std::thread([this] {
      const Turn other;
      strand_.Run(Note(2));
    }).join();
    strand_.Run(Note(3));
  }
  EXPECT_THAT(ran_, ElementsAre(1, 3, 2));
}

TEST_F(StrandTest, PostedWorkMayUseAnotherStrand) {
  Strand other(Clock::System(), [] {});
  {
    const Turn turn;
    strand_.Run(Note(1));
    strand_.Post([&] {
      other.Run(Note(2));
      strand_.Post(Note(3));
    });
  }
  EXPECT_THAT(ran_, ElementsAre(1, 2, 3));
  other.Run(Note(4));
  EXPECT_THAT(ran_, ElementsAre(1, 2, 3, 4));
}

TEST_F(StrandTest, EpochChangesWhenOtherWorkRanSince) {
  uint64_t before = 0;
  uint64_t same = 0;
  uint64_t after = 0;
  {
    const Turn turn;
    strand_.Run([&] { before = strand_.epoch(); });
    strand_.Run([&] { same = strand_.epoch(); });
    strand_.Post([&] { after = strand_.epoch(); });
  }
  EXPECT_EQ(same, before);
  EXPECT_NE(after, before);
  strand_.Run([&] { EXPECT_NE(strand_.epoch(), after); });
}

}  // namespace
}  // namespace eventhub::processor::internal
