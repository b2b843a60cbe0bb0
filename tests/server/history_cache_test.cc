// What readers of history share: each value is made once, by the first that wants it.
#include "server/lake/archive/history_cache.h"

#include <future>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "server/core/base/memory_meter.h"
#include "tests/support/caller.h"
#include "tests/support/eventually.h"

namespace eventhub {
namespace {

using absl::StatusCode;
using Value = std::shared_ptr<const std::string>;
using Made = HistoryCache::Made<std::string>;

class HistoryCacheTest : public testing::Test {
 protected:
  // Gets a value on a thread of its own.
  std::future<absl::StatusOr<Value>> GetLater(absl::StatusOr<Made> made) {
    return std::async(std::launch::async, [this, made] {
      return cache_.Get<std::string>("key", 10, [&]() -> absl::StatusOr<Made> {
        ++makers_;
        begun_.set_value();
        go_.get_future().wait();
        return made;
      });
    });
  }
  absl::StatusOr<Value> Get() {
    return cache_.Get<std::string>("key", 10, [&]() -> absl::StatusOr<Made> {
      ++makers_;
      return Made{std::make_shared<const std::string>("mine"), 4};
    });
  }

  MemoryMeter memory_{1000};
  HistoryCache cache_{memory_};
  int makers_ = 0;
  std::promise<void> begun_;
  std::promise<void> go_;
};

TEST_F(HistoryCacheTest, OneMakesWhatOthersWaitFor) {
  auto first = GetLater(Made{std::make_shared<const std::string>("first"), 5});
  begun_.get_future().wait();
  EXPECT_TRUE(cache_.Has("key"));
  auto second = std::async(std::launch::async, [this] { return Get(); });
  EXPECT_EQ(second.wait_for(std::chrono::milliseconds(20)), std::future_status::timeout);
  go_.set_value();
  const absl::StatusOr<Value> made = first.get();
  ASSERT_THAT(made, IsOk());
  EXPECT_EQ(**made, "first");
  EXPECT_EQ(*second.get(), *made);
  EXPECT_EQ(*Get(), *made);
  EXPECT_EQ(makers_, 1);
}

TEST_F(HistoryCacheTest, ErrorsAreNotKept) {
  auto first = GetLater(absl::UnavailableError("down"));
  begun_.get_future().wait();
  go_.set_value();
  EXPECT_THAT(first.get(), StatusIs(StatusCode::kUnavailable, "down"));
  EXPECT_FALSE(cache_.Has("key"));
  const absl::StatusOr<Value> made = Get();
  ASSERT_THAT(made, IsOk());
  EXPECT_EQ(**made, "mine");
}

TEST_F(HistoryCacheTest, StopEndsWaits) {
  auto first = GetLater(Made{std::make_shared<const std::string>("first"), 5});
  begun_.get_future().wait();
  auto second = std::async(std::launch::async, [this] { return Get(); });
  cache_.Stop();
  EXPECT_THAT(second.get(), StatusIs(StatusCode::kUnavailable, "shutting down"));
  go_.set_value();
  EXPECT_THAT(first.get(), IsOk());
  EXPECT_THAT(Get(), IsOk());  // It is here.
  EXPECT_EQ(makers_, 1);
}

}  // namespace
}  // namespace eventhub
