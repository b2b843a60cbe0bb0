// The topics and routes of a broker without the rest, so that a test controls which tasks share a
// commit.
#pragma once

#include <functional>
#include <future>
#include <memory>
#include <utility>

#include "absl/functional/any_invocable.h"
#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "server/core/base/admin_log.h"
#include "server/core/base/memory_meter.h"
#include "server/core/route/route_table.h"
#include "server/core/topic/topic_catalog.h"
#include "server/core/topic/topic_settings.h"
#include "server/core/topic/topic_store.h"
#include "server/core/topic/topic_tasks.h"
#include "storage/base/await.h"
#include "storage/base/metrics.h"
#include "storage/log_store.h"
#include "storage/log_writer.h"
#include "storage/tail_cache.h"
#include "tests/support/fake_clock.h"
#include "tests/support/fault_env.h"
#include "tests/support/status_matchers.h"
#include "tests/support/test_task.h"

namespace eventhub {

class CommitFixture : public testing::Test {
 protected:
  void SetUp() override {
    LogStoreOptions options;
    options.directory = disk_.directory() + "/hub";
    options.env = disk_.env();
    options.clock = &clock_;
    ASSERT_OK_AND_ASSIGN(store_, LogStore::Open(options));
    topics_ = std::make_unique<TopicStore>(*store_, catalog_, cache_, 1000, TopicLimits());
    route_table_ = std::make_unique<RouteTable>(*topics_, filters_);
    writer_ =
        std::make_unique<LogWriter>(*store_, cache_, clock_, metrics_, [](const absl::Status&) {});
  }

  // Make a call with a callback, or with a task, that receives the outcome.
  static std::future<absl::Status> Start(absl::FunctionRef<void(StatusDone)> call) {
    auto outcome = std::make_shared<std::promise<absl::Status>>();
    std::future<absl::Status> future = outcome->get_future();
    call([outcome](absl::Status status) { outcome->set_value(std::move(status)); });
    return future;
  }
  template <typename Result>
  static std::future<absl::Status> Start(
      absl::FunctionRef<void(absl::AnyInvocable<void(absl::StatusOr<Result>) &&>)> call) {
    return Start([call](StatusDone done) {
      call([done = std::move(done)](absl::StatusOr<Result> result) mutable {
        std::move(done)(result.status());
      });
    });
  }

  // Makes a commit of its own, and waits for it.
  void Commit(TestTask::PrepareFn prepare) {
    EXPECT_THAT(Start([&](StatusDone done) {
                  writer_->Submit(std::make_unique<TestTask>(std::move(prepare), std::move(done)));
                }).get(),
                IsOk());
  }
  // Everything submitted from here on is in one commit, which the returned function makes.
  std::function<void()> Gather() {
    std::promise<void> begun;
    auto go = std::make_shared<std::promise<void>>();
    writer_->Submit(std::make_unique<TestTask>([&begun, go](CommitBuilder&) {
      begun.set_value();
      go->get_future().wait();
    }));
    begun.get_future().wait();
    return [go] { go->set_value(); };
  }

  std::shared_ptr<Topic> CreateTopic(const v1::Topic& topic) {
    const auto settings = NewTopicSettings(topic, topics_->limits(), clock_.Now());
    EXPECT_THAT(settings, IsOk());
    EXPECT_THAT(
        Start<v1::Topic>([&](auto done) {
          writer_->Submit(std::make_unique<CreateTopicTask>(*topics_, *settings, std::move(done)));
        }).get(),
        IsOk());
    return catalog_.Find(topic.name());
  }

  FakeClock clock_;
  FaultEnv disk_{FaultEnv::Medium::kMemory};
  std::unique_ptr<LogStore> store_;
  TailCache cache_{16 << 20};
  TopicCatalog catalog_;
  MemoryMeter filters_{1 << 20};
  Metrics metrics_;
  AdminLog admin_log_{[](const Caller&, absl::string_view) {}};
  std::unique_ptr<TopicStore> topics_;
  std::unique_ptr<RouteTable> route_table_;
  // Its thread uses what is above: a test that adds more for it to use ends it in TearDown.
  std::unique_ptr<LogWriter> writer_;
};

}  // namespace eventhub
