// State that many tasks of a commit change and that is written once.
#include <atomic>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"
#include "storage/commit_builder.h"
#include "storage/key_codec.h"
#include "storage/log_writer.h"
#include "tests/storage/log_rig.h"
#include "tests/support/eventually.h"
#include "tests/support/status_matchers.h"

namespace eventhub {
namespace {

using absl::StatusCode;
using Medium = FaultEnv::Medium;

// Records in the store how many tasks were prepared before each write.
class CountingHook final : public CommitHook {
 public:
  explicit CountingHook(std::string key) : key_(std::move(key)) {}

  void Add() { ++tasks_; }
  void BeforeWrite(CommitBuilder& commit) override {
    ++calls_;
    if (!key_.empty()) commit.Put(Column::kCursors, key_, absl::StrCat(tasks_));
  }

  int calls() const { return calls_; }

 private:
  const std::string key_;
  int tasks_ = 0;
  std::atomic<int> calls_{0};
};

class FunctionHook final : public CommitHook {
 public:
  explicit FunctionHook(std::function<void(CommitBuilder&)> call) : call_(std::move(call)) {}
  void BeforeWrite(CommitBuilder& commit) override { call_(commit); }

 private:
  const std::function<void(CommitBuilder&)> call_;
};

class CommitHookTest : public testing::TestWithParam<std::tuple<bool, Medium>> {
 protected:
  CommitHookTest() : rig_(std::get<1>(GetParam())) {}

  void SetUp() override { ASSERT_THAT(rig_.Open(), IsOk()); }

  bool synced() const { return std::get<0>(GetParam()); }

  absl::Status Commit(TestTask::PrepareFn prepare) {
    return rig_.Commit(std::move(prepare), synced());
  }

  std::string Stored(const std::string& key) {
    const auto value = rig_.store().Get(Column::kCursors, key);
    EXPECT_THAT(value, IsOk());
    return value.ok() ? value->value_or("(none)") : "(error)";
  }

  LogRig rig_;
};

INSTANTIATE_TEST_SUITE_P(All, CommitHookTest,
                         testing::Combine(testing::Bool(),
                                          testing::Values(Medium::kMemory, Medium::kDisk)),
                         [](const auto& info) {
                           return std::string(std::get<0>(info.param) ? "Synced" : "Written") +
                                  (std::get<1>(info.param) == Medium::kMemory ? "Memory" : "Disk");
                         });

TEST_P(CommitHookTest, RunsOncePerCommitAfterLastTask) {
  constexpr int kTasks = 100;
  const auto a = std::make_shared<CountingHook>("a");
  const auto b = std::make_shared<CountingHook>("b");
  std::mutex gate;
  std::atomic<bool> blocked{false};
  std::atomic<int> done{0};
  const auto submit = [&](TestTask::PrepareFn prepare) {
    rig_.writer().Submit(std::make_unique<TestTask>(
        std::move(prepare),
        [&](const absl::Status& status) {
          EXPECT_THAT(status, IsOk());
          ++done;
        },
        synced()));
  };
  {
    // Blocks the commit thread, so that everything submitted meanwhile forms one commit.
    std::unique_lock hold(gate);
    submit([&](CommitBuilder&) {
      blocked = true;
      std::unique_lock wait(gate);
    });
    ASSERT_TRUE(Eventually([&] { return blocked.load(); }));
    for (int i = 0; i < kTasks; ++i) {
      submit([&, i](CommitBuilder& commit) {
        a->Add();
        commit.AddHook(a);
        if (i % 2 == 0) b->Add();
        if (i % 2 == 0) commit.AddHook(b);
      });
    }
  }
  ASSERT_TRUE(Eventually([&] { return done == kTasks + 1; }));
  EXPECT_EQ(rig_.writer().counters().commits.value(), 1u);
  EXPECT_EQ(a->calls(), 1);
  EXPECT_EQ(b->calls(), 1);
  EXPECT_EQ(Stored("a"), "100");
  EXPECT_EQ(Stored("b"), "50");
  rig_.Reopen();
  EXPECT_EQ(Stored("a"), "100");
  EXPECT_EQ(Stored("b"), "50");
}

TEST_P(CommitHookTest, RunsInEachCommitItWasAddedTo) {
  const auto hook = std::make_shared<CountingHook>("key");
  for (int i = 1; i <= 3; ++i) {
    ASSERT_THAT(Commit([&](CommitBuilder& commit) {
                  hook->Add();
                  commit.AddHook(hook);
                  commit.AddHook(hook);
                }),
                IsOk());
    EXPECT_EQ(hook->calls(), i);
    EXPECT_EQ(Stored("key"), absl::StrCat(i));
    ASSERT_THAT(Commit([](CommitBuilder& commit) { commit.Put(Column::kMeta, "other", ""); }),
                IsOk());
    EXPECT_EQ(hook->calls(), i);
  }
}

TEST_P(CommitHookTest, CausesCommitByItself) {
  const auto hook = std::make_shared<CountingHook>("key");
  ASSERT_THAT(Commit([&](CommitBuilder& commit) { commit.AddHook(hook); }), IsOk());
  EXPECT_EQ(rig_.writer().counters().commits.value(), 1u);
  rig_.Reopen();
  EXPECT_EQ(Stored("key"), "0");
}

TEST_P(CommitHookTest, CausesNoCommitWithoutChanges) {
  const auto hook = std::make_shared<CountingHook>("");
  ASSERT_THAT(Commit([&](CommitBuilder& commit) { commit.AddHook(hook); }), IsOk());
  EXPECT_EQ(hook->calls(), 1);
  EXPECT_EQ(rig_.writer().counters().commits.value(), 0u);
}

TEST_P(CommitHookTest, MayAppendEvents) {
  PartitionLog& log = rig_.log();
  const auto hook = std::make_shared<FunctionHook>(
      [&](CommitBuilder& commit) { commit.Append(log, SharedBytes::Copy("hook"), 1); });
  ASSERT_THAT(Commit([&](CommitBuilder& commit) {
                commit.AddHook(hook);
                commit.Append(log, SharedBytes::Copy("task "), 1);
              }),
              IsOk());
  EXPECT_EQ(log.end(), Offset(2));
  const auto batches = rig_.Read(log);
  ASSERT_THAT(batches, IsOk());
  ASSERT_EQ(batches->size(), 1u);
  EXPECT_EQ(batches->front().events, "task hook");
}

TEST_P(CommitHookTest, MayAddOtherHooksButNotItself) {
  const auto last = std::make_shared<CountingHook>("last");
  int calls = 0;
  std::shared_ptr<CommitHook> first;
  first = std::make_shared<FunctionHook>([&](CommitBuilder& commit) {
    ++calls;
    commit.AddHook(first);
    for (int i = 0; i < 100; ++i) commit.AddHook(last);
  });
  ASSERT_THAT(Commit([&](CommitBuilder& commit) { commit.AddHook(first); }), IsOk());
  EXPECT_EQ(calls, 1);
  EXPECT_EQ(last->calls(), 1);
  EXPECT_EQ(Stored("last"), "0");
}

TEST_P(CommitHookTest, RunsThousandsPerCommit) {
  std::vector<std::shared_ptr<CountingHook>> hooks;
  for (int i = 0; i < 5000; ++i) {
    hooks.push_back(std::make_shared<CountingHook>(CursorKey(SubscriptionId(i), PartitionId(0))));
  }
  ASSERT_THAT(Commit([&](CommitBuilder& commit) {
                for (int round = 0; round < 3; ++round) {
                  for (const auto& hook : hooks) commit.AddHook(hook);
                }
              }),
              IsOk());
  int stored = 0;
  ASSERT_THAT(rig_.store().Scan(Column::kCursors, "",
                                [&](absl::string_view, absl::string_view) {
                                  ++stored;
                                  return true;
                                }),
              IsOk());
  EXPECT_EQ(stored, 5000);
  for (const auto& hook : hooks) ASSERT_EQ(hook->calls(), 1);
}

TEST_P(CommitHookTest, IsReleasedAfterCommit) {
  auto hook = std::make_shared<CountingHook>("key");
  const std::weak_ptr<CountingHook> observer = hook;
  ASSERT_THAT(Commit([&](CommitBuilder& commit) { commit.AddHook(std::move(hook)); }), IsOk());
  EXPECT_TRUE(observer.expired());
  EXPECT_EQ(Stored("key"), "0");
}

TEST_P(CommitHookTest, IsReusableAfterFailedWrite) {
  const auto hook = std::make_shared<CountingHook>("key");
  const auto count = [&](CommitBuilder& commit) {
    hook->Add();
    commit.AddHook(hook);
  };
  ASSERT_THAT(Commit(count), IsOk());
  rig_.disk.FailWrites(FaultEnv::Fault::kIoError, ".log");
  EXPECT_THAT(Commit(count), StatusIs(StatusCode::kUnavailable, "injected failure"));
  EXPECT_EQ(hook->calls(), 2);
  // No task is prepared any more.
  EXPECT_THAT(Commit(count), StatusIs(StatusCode::kUnavailable, "refuses writes"));
  EXPECT_EQ(hook->calls(), 2);
  rig_.disk.FailWrites(FaultEnv::Fault::kNone);
  rig_.Reopen();
  ASSERT_THAT(Commit(count), IsOk());
  EXPECT_EQ(hook->calls(), 3);
  EXPECT_EQ(Stored("key"), "3");
}

// A commit that is abandoned without a write.
TEST_P(CommitHookTest, IsNotRunByAbandonedCommit) {
  const auto hook = std::make_shared<CountingHook>("key");
  {
    CommitBuilder dropped(rig_.store(), rig_.clock.Now(), 100);
    dropped.AddHook(hook);
  }
  EXPECT_EQ(hook->calls(), 0);
  ASSERT_THAT(Commit([&](CommitBuilder& commit) { commit.AddHook(hook); }), IsOk());
  EXPECT_EQ(hook->calls(), 1);
}

}  // namespace
}  // namespace eventhub
