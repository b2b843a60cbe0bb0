// Which task is next: order within a flow, shares by bytes, and the wait of whoever arrives.
#include "storage/fair_queue.h"

#include <cstdint>
#include <iostream>
#include <map>
#include <memory>
#include <random>
#include <utility>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/support/env_number.h"

namespace eventhub {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::Ge;
using ::testing::Le;

constexpr size_t kMiB = 1024 * 1024;

class NumberedTask final : public CommitTask {
 public:
  NumberedTask(CommitFlow flow, int number, size_t bytes)
      : flow_(flow), number_(number), bytes_(bytes) {}

  CommitFlow flow() const { return flow_; }
  int number() const { return number_; }

  void Prepare(CommitBuilder&) override {}
  void Done(const absl::Status&) override {}
  size_t bytes() const override { return bytes_; }
  bool synced() const override { return false; }

 private:
  const CommitFlow flow_;
  const int number_;
  const size_t bytes_;
};

class FairQueueTest : public testing::Test {
 protected:
  void Push(CommitFlow flow, size_t bytes = 100) {
    queue_.Push(flow, std::make_unique<NumberedTask>(flow, pushed_[flow]++, bytes));
  }
  // Also checks that the tasks of a flow come in order.
  CommitFlow Pop() { return Check(*queue_.Pop()); }
  CommitFlow Check(const CommitTask& popped) {
    const auto& task = static_cast<const NumberedTask&>(popped);
    EXPECT_EQ(task.number(), popped_[task.flow()]++);
    bytes_[task.flow()] += task.bytes();
    return task.flow();
  }

  FairQueue queue_;
  std::map<CommitFlow, int> pushed_;
  std::map<CommitFlow, int> popped_;
  std::map<CommitFlow, size_t> bytes_;
};

TEST_F(FairQueueTest, KeepsTheOrderOfAFlow) {
  for (int i = 0; i < 1000; ++i) Push(7);
  EXPECT_EQ(queue_.size(), 1000);
  for (int i = 0; i < 1000; ++i) EXPECT_EQ(Pop(), 7);
  EXPECT_TRUE(queue_.empty());
}

TEST_F(FairQueueTest, ServesAFlowThatArrivesBeforeThoseThatWait) {
  for (int i = 0; i < 10; ++i) {
    for (CommitFlow bulk = 1; bulk <= 3; ++bulk) Push(bulk, kMiB);
  }
  for (int i = 0; i < 6; ++i) Pop();
  Push(9);
  EXPECT_EQ(Pop(), 9);
}

TEST_F(FairQueueTest, DividesBytesEvenlyForTasksOfAnySize) {
  for (int i = 0; i < 30; ++i) Push(1, 4 * kMiB);
  for (int i = 0; i < 120; ++i) Push(2, kMiB);
  for (int i = 0; i < 120'000; ++i) Push(3, 1000);
  while (bytes_[1] < 60 * kMiB) Pop();
  EXPECT_THAT(bytes_[2], AllOf(Ge(55 * kMiB), Le(65 * kMiB)));
  // A small task costs a quarter more than its bytes.
  EXPECT_THAT(bytes_[3], AllOf(Ge(44 * kMiB), Le(65 * kMiB)));
}

// A flow that sends one large task after another, and never has two waiting, has its share only.
TEST_F(FairQueueTest, CountsWhatAFlowOwes) {
  for (int i = 0; i < 100; ++i) Push(1, kMiB);
  Push(2, 4 * kMiB);
  while (popped_[1] < 90) {
    if (Pop() == 2) Push(2, 4 * kMiB);
  }
  EXPECT_LE(bytes_[2], bytes_[1] + 8 * kMiB);
}

// Flows that keep arriving, each for the first time, leave every second turn to those that wait.
TEST_F(FairQueueTest, ArrivingFlowsDoNotStarveThoseThatWait) {
  for (int i = 0; i < 2000; ++i) Push(1, 1000);
  while (popped_[1] == 0) Pop();
  for (CommitFlow next = 2; popped_[1] < 1000; ++next) {
    ASSERT_LT(next, 20'000);
    Push(next, 1000);
    Push(next + 1'000'000, 1000);
    Pop();
  }
}

TEST_F(FairQueueTest, ForgetsDebtsOnceEmpty) {
  Push(1, 100 * kMiB);
  Pop();
  Push(1);
  Push(2);
  EXPECT_THAT((std::vector<CommitFlow>{Pop(), Pop()}), ElementsAre(1, 2));
}

TEST_F(FairQueueTest, FlowThatIsHeldWaits) {
  for (int i = 0; i < 3; ++i) Push(1);
  Push(2);
  CommitFlow flow = 0;
  std::vector<std::unique_ptr<CommitTask>> first;
  first.push_back(queue_.Pop(&flow));
  EXPECT_EQ(flow, 1u);
  queue_.Hold(1);
  EXPECT_TRUE(queue_.holds_flows());
  Push(1);
  EXPECT_EQ(queue_.size(), 1u);
  EXPECT_EQ(Pop(), 2u);
  EXPECT_TRUE(queue_.empty());
  queue_.Resume(1, std::move(first));
  EXPECT_FALSE(queue_.holds_flows());
  EXPECT_EQ(queue_.size(), 4u);
  for (int i = 0; i < 4; ++i) EXPECT_EQ(Pop(), 1u);
  EXPECT_TRUE(queue_.empty());
}

// A flow that was held has its turn like one that waited in the queue.
TEST_F(FairQueueTest, FlowThatWasHeldDoesNotPayTwice) {
  for (int i = 0; i < 8; ++i) Push(1, kMiB);
  for (int i = 0; i < 8; ++i) Push(2, kMiB);
  CommitFlow flow = 0;
  std::vector<std::unique_ptr<CommitTask>> first;
  first.push_back(queue_.Pop(&flow));
  ASSERT_EQ(flow, 1u);
  queue_.Hold(1);
  queue_.Resume(1, std::move(first));
  std::map<CommitFlow, int> served;
  for (int i = 0; i < 8; ++i) ++served[Pop()];
  EXPECT_THAT(served[1], AllOf(Ge(3), Le(5)));
}

TEST_F(FairQueueTest, RandomHoldsKeepTheOrderOfEachFlow) {
  const uint64_t seed = EnvNumber("EVENTHUB_TEST_SEED", std::random_device()());
  std::cout << "EVENTHUB_TEST_SEED=" << seed << std::endl;
  std::mt19937_64 random(seed);
  std::map<CommitFlow, std::vector<std::unique_ptr<CommitTask>>> held;
  const auto resume = [&] {
    queue_.Resume(held.begin()->first, std::move(held.begin()->second));
    held.erase(held.begin());
  };
  for (int i = 0; i < 50'000; ++i) {
    if (queue_.empty() || random() % 2 == 0) {
      Push(random() % 50, size_t{1} << (random() % 21));
    } else {
      CommitFlow flow = 0;
      std::unique_ptr<CommitTask> task = queue_.Pop(&flow);
      ASSERT_FALSE(held.contains(flow));
      if (random() % 10 == 0) {
        queue_.Hold(flow);
        held[flow].push_back(std::move(task));
      } else {
        EXPECT_EQ(Check(*task), flow);
      }
    }
    if (!held.empty() && random() % 20 == 0) resume();
    ASSERT_EQ(queue_.holds_flows(), !held.empty());
  }
  while (!held.empty()) resume();
  while (!queue_.empty()) Pop();
  EXPECT_EQ(pushed_, popped_);
}

TEST_F(FairQueueTest, RandomPushesAndPopsKeepTheOrderOfEachFlow) {
  const uint64_t seed = EnvNumber("EVENTHUB_TEST_SEED", std::random_device()());
  std::cout << "EVENTHUB_TEST_SEED=" << seed << std::endl;
  std::mt19937_64 random(seed);
  size_t size = 0;
  for (int i = 0; i < 200'000; ++i) {
    if (size == 0 || (size < 2000 && random() % 20 < 10)) {
      Push(random() % 50, size_t{1} << (random() % 21));
      ++size;
    } else {
      Pop();
      --size;
    }
    ASSERT_EQ(queue_.size(), size);
  }
  for (; size > 0; --size) Pop();
  EXPECT_EQ(pushed_, popped_);
}

}  // namespace
}  // namespace eventhub
