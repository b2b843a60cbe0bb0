#include "storage/watermark.h"

#include <atomic>
#include <memory>
#include <thread>
#include <vector>

#include "gtest/gtest.h"
#include "tests/support/eventually.h"

namespace eventhub {
namespace {

class CountingWaiter final : public Watermark::Waiter {
 public:
  void Wake() override { ++wakes; }
  std::atomic<int> wakes{0};
};

TEST(Watermark, WakesOnceWhenPassed) {
  Watermark mark(5);
  CountingWaiter waiter;
  ASSERT_TRUE(mark.NotifyPast(5, waiter));
  mark.Advance(5);
  mark.Advance(6);
  EXPECT_EQ(mark.value(), 6);
  mark.Advance(7);
  EXPECT_EQ(waiter.wakes, 1);
}

TEST(Watermark, RegistersNothingWhenAlreadyPassed) {
  Watermark mark(5);
  CountingWaiter waiter;
  EXPECT_FALSE(mark.NotifyPast(4, waiter));
  mark.Advance(6);
  EXPECT_EQ(waiter.wakes, 0);
  EXPECT_FALSE(mark.Cancel(waiter));
}

TEST(Watermark, CancelsAnyRegistration) {
  for (int cancelled = 0; cancelled < 3; ++cancelled) {
    Watermark mark;
    CountingWaiter waiters[3];
    for (CountingWaiter& waiter : waiters) ASSERT_TRUE(mark.NotifyPast(0, waiter));
    EXPECT_TRUE(mark.Cancel(waiters[cancelled]));
    EXPECT_FALSE(mark.Cancel(waiters[cancelled]));
    mark.Advance(1);
    for (int i = 0; i < 3; ++i) EXPECT_EQ(waiters[i].wakes, i == cancelled ? 0 : 1);
    EXPECT_FALSE(mark.Cancel(waiters[(cancelled + 1) % 3]));
  }
}

TEST(Watermark, WakeAllWakesWithoutAdvance) {
  Watermark mark(3);
  CountingWaiter waiter;
  ASSERT_TRUE(mark.NotifyPast(3, waiter));
  mark.WakeAll();
  EXPECT_EQ(waiter.wakes, 1);
  EXPECT_EQ(mark.value(), 3);
}

// A waiter that registers again, and one that destroys itself, from within Wake().
TEST(Watermark, WaitersMayReregisterOrDieInWake) {
  class Returning final : public Watermark::Waiter {
   public:
    explicit Returning(Watermark& mark) : mark_(mark) {}
    void Wake() override {
      ++wakes;
      EXPECT_TRUE(mark_.NotifyPast(mark_.value(), *this));
    }
    int wakes = 0;

   private:
    Watermark& mark_;
  };
  class Leaving final : public Watermark::Waiter {
   public:
    explicit Leaving(int& gone) : gone_(gone) {}
    void Wake() override {
      ++gone_;
      delete this;
    }

   private:
    int& gone_;
  };
  Watermark mark;
  Returning first(mark);
  Returning last(mark);
  int gone = 0;
  ASSERT_TRUE(mark.NotifyPast(0, first));
  for (int i = 0; i < 3; ++i) ASSERT_TRUE(mark.NotifyPast(0, *new Leaving(gone)));
  ASSERT_TRUE(mark.NotifyPast(0, last));
  for (int i = 1; i <= 3; ++i) {
    mark.Advance(i);
    EXPECT_EQ(first.wakes, i);
    EXPECT_EQ(last.wakes, i);
    EXPECT_EQ(gone, 3);
  }
}

// The critical race: a reader looks, finds nothing, and registers, while the writer advances. A
// lost wake-up would leave the reader behind for ever.
TEST(Watermark, LosesNoWakeUp) {
  constexpr int64_t kEnd = 20'000;
  constexpr int kReaders = 3;
  class Reader final : public Watermark::Waiter {
   public:
    explicit Reader(Watermark& mark) : mark_(mark) {}
    // Follows the mark until it has to wait.
    void Wake() override {
      do {
        seen = mark_.value();
        if (seen == kEnd) return;
      } while (!mark_.NotifyPast(seen, *this));
    }
    std::atomic<int64_t> seen{0};

   private:
    Watermark& mark_;
  };
  Watermark mark;
  std::vector<std::unique_ptr<Reader>> readers;
  std::vector<std::thread> threads;
  for (int i = 0; i < kReaders; ++i) readers.push_back(std::make_unique<Reader>(mark));
  for (auto& reader : readers) threads.emplace_back([&reader] { reader->Wake(); });
  for (int64_t i = 1; i <= kEnd; ++i) mark.Advance(i);
  for (std::thread& thread : threads) thread.join();
  for (auto& reader : readers) {
    EXPECT_TRUE(Eventually([&] { return reader->seen == kEnd; }));
  }
}

// Every registration ends in either one wake-up or one cancellation.
TEST(Watermark, CancelRacesWithAdvance) {
  Watermark mark;
  std::atomic<bool> stop{false};
  std::thread writer([&] {
    for (int64_t i = 1; !stop; ++i) mark.Advance(i);
  });
  int woken = 0;
  int cancelled = 0;
  EXPECT_TRUE(Eventually([&] {
    for (int i = 0; i < 1000; ++i) {
      CountingWaiter waiter;
      if (!mark.NotifyPast(mark.value(), waiter)) continue;
      if (mark.Cancel(waiter)) {
        EXPECT_EQ(waiter.wakes, 0);
        ++cancelled;
      } else {
        // It must live until Wake() has returned.
        EXPECT_TRUE(Eventually([&] { return waiter.wakes == 1; }));
        ++woken;
      }
    }
    return woken >= 3 && cancelled >= 20;
  }));
  stop = true;
  writer.join();
}

}  // namespace
}  // namespace eventhub
