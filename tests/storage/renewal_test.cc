// Tasks that are outdated when their turn comes: they are set aside and renewed while other flows
// go on, each flow keeps its order, and what would outdate them again waits.
#include <atomic>
#include <future>
#include <iostream>
#include <map>
#include <memory>
#include <random>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "storage/log_writer.h"
#include "tests/storage/log_rig.h"
#include "tests/support/env_number.h"
#include "tests/support/eventually.h"
#include "tests/support/sanitizers.h"
#include "tests/support/status_matchers.h"

namespace eventhub {
namespace {

using testing::AnyOf;
using testing::ElementsAre;
using testing::SizeIs;
using testing::UnorderedElementsAre;

// What tasks depend on. The commit thread changes it.
struct World {
  std::atomic<int> version{0};
  int renewing = 0;  // Commit thread only.
};

// What a test does with a task, and learns about it.
struct Script {
  std::string name;
  CommitFlow flow = 1;
  uint64_t lane = 1;
  bool synced = false;
  std::shared_future<void> gate{};  // Renewing waits for it, if it is valid.
};

class RenewalTest : public testing::Test {
 protected:
  RenewalTest() : rig_(FaultEnv::Medium::kMemory) {}

  void SetUp() override { ASSERT_THAT(rig_.Open(), IsOk()); }

  // Depends on the version at the time of the call.
  class DependentTask final : public CommitTask {
   public:
    DependentTask(RenewalTest& test, Script script)
        : test_(test), script_(std::move(script)), version_(test.world_.version) {}

    Readiness readiness() override {
      return version_ == test_.world_.version ? Readiness::kReady : Readiness::kOutdated;
    }
    void BeginRenewal() override { ++test_.world_.renewing; }
    void EndRenewal() override { --test_.world_.renewing; }
    void Renew() override {
      EXPECT_NE(std::this_thread::get_id(), test_.commit_thread_);
      ++renewals_;
      ++test_.renewals_begun_;
      if (script_.gate.valid()) script_.gate.wait();
      version_ = test_.world_.version;
    }
    void Refuse() override { outcome_ = "refused"; }
    uint64_t renewal_lane() const override { return script_.lane; }
    void Prepare(CommitBuilder& commit) override {
      EXPECT_EQ(version_, test_.world_.version);
      EXPECT_LE(renewals_, 1);
      outcome_ = "done";
      commit.Append(test_.rig_.log(), SharedBytes::Copy("x"), 1);
    }
    void Done(const absl::Status& status) override {
      test_.Note(absl::StrCat(script_.name, " ", status.ok() ? outcome_ : "failed"));
    }
    size_t bytes() const override { return 1; }
    bool synced() const override { return script_.synced; }

   private:
    RenewalTest& test_;
    const Script script_;
    int version_;
    int renewals_ = 0;
    std::string outcome_;
  };

  // Changes the version.
  class ChangeTask final : public CommitTask {
   public:
    ChangeTask(RenewalTest& test, std::string name) : test_(test), name_(std::move(name)) {}

    Readiness readiness() override {
      return test_.world_.renewing == 0 ? Readiness::kReady : Readiness::kBlocked;
    }
    bool outdates() const override { return true; }
    void Refuse() override { outcome_ = "refused"; }
    void Prepare(CommitBuilder&) override {
      test_.commit_thread_ = std::this_thread::get_id();
      ++test_.world_.version;
      outcome_ = "done";
    }
    void Done(const absl::Status& status) override {
      test_.Note(absl::StrCat(name_, " ", status.ok() ? outcome_ : "failed"));
    }
    size_t bytes() const override { return 0; }
    bool synced() const override { return true; }

   private:
    RenewalTest& test_;
    const std::string name_;
    std::string outcome_;
  };

  void Submit(Script script) {
    const CommitFlow flow = script.flow;
    rig_.writer().Submit(std::make_unique<DependentTask>(*this, std::move(script)), flow);
  }
  void SubmitChange(const std::string& name, CommitFlow flow = 99) {
    rig_.writer().Submit(std::make_unique<ChangeTask>(*this, name), flow);
  }

  // Blocks the commit thread until the returned promise is set. Then the version changes, so that
  // all tasks submitted meanwhile are outdated.
  std::shared_ptr<std::promise<void>> Hold() {
    auto go = std::make_shared<std::promise<void>>();
    auto begun = std::make_shared<std::promise<void>>();
    rig_.writer().Submit(std::make_unique<TestTask>(
                             [this, go, begun](CommitBuilder&) {
                               begun->set_value();
                               go->get_future().wait();
                               commit_thread_ = std::this_thread::get_id();
                               ++world_.version;
                             },
                             [](const absl::Status&) {}, /*synced=*/false),
                         kHubFlow);
    begun->get_future().wait();
    return go;
  }

  void Note(const std::string& what) {
    MutexLock lock(mutex_);
    done_.push_back(what);
  }
  std::vector<std::string> done() {
    MutexLock lock(mutex_);
    return done_;
  }
  bool EventuallyDone(size_t count) {
    return Eventually([&] { return done().size() >= count; });
  }

  World world_;
  std::thread::id commit_thread_;
  std::atomic<int> renewals_begun_{0};
  Mutex mutex_;
  std::vector<std::string> done_ ABSL_GUARDED_BY(mutex_);
  LogRig rig_;  // Last: its threads use the members above.
};

TEST_F(RenewalTest, OtherFlowsGoOnAndTheFlowKeepsItsOrder) {
  std::promise<void> gate;
  const auto go = Hold();
  Submit({.name = "a1", .gate = gate.get_future().share()});
  Submit({.name = "a2"});
  go->set_value();
  ASSERT_TRUE(Eventually([&] { return renewals_begun_ == 1; }));
  Submit({.name = "a3"});
  Submit({.name = "b1", .flow = 2});
  Submit({.name = "b2", .flow = 2, .synced = true});
  ASSERT_TRUE(EventuallyDone(2));
  EXPECT_THAT(done(), ElementsAre("b1 done", "b2 done"));
  gate.set_value();
  ASSERT_TRUE(EventuallyDone(5));
  EXPECT_THAT(done(), ElementsAre("b1 done", "b2 done", "a1 done", "a2 done", "a3 done"));
}

TEST_F(RenewalTest, OutdatedTasksOfAFlowAreRenewedTogether) {
  const auto go = Hold();
  for (int i = 0; i < 100; ++i) Submit({.name = absl::StrCat(i)});
  go->set_value();
  ASSERT_TRUE(EventuallyDone(100));
  EXPECT_EQ(renewals_begun_, 100);
  for (int i = 0; i < 100; ++i) EXPECT_EQ(done()[i], absl::StrCat(i, " done"));
  EXPECT_LE(rig_.writer().counters().commits.value(), 2u);
}

TEST_F(RenewalTest, LanesDoNotWaitForASlowOne) {
  std::promise<void> gate;
  const auto go = Hold();
  Submit({.name = "slow", .flow = 1, .lane = 1, .gate = gate.get_future().share()});
  Submit({.name = "behind", .flow = 2, .lane = 1});
  Submit({.name = "other", .flow = 3, .lane = 2});
  Submit({.name = "another", .flow = 4, .lane = 3});
  go->set_value();
  ASSERT_TRUE(EventuallyDone(2));
  EXPECT_THAT(done(), UnorderedElementsAre("other done", "another done"));
  gate.set_value();
  ASSERT_TRUE(EventuallyDone(4));
  EXPECT_EQ(done()[2], "slow done");
}

TEST_F(RenewalTest, ChangesWaitForRenewals) {
  std::promise<void> gate;
  const auto go = Hold();
  Submit({.name = "a", .gate = gate.get_future().share()});
  go->set_value();
  ASSERT_TRUE(Eventually([&] { return renewals_begun_ == 1; }));
  SubmitChange("change", /*flow=*/2);
  Submit({.name = "behind", .flow = 2});
  Submit({.name = "b", .flow = 3});
  ASSERT_TRUE(EventuallyDone(1));
  EXPECT_THAT(done(), ElementsAre("b done"));
  gate.set_value();
  ASSERT_TRUE(EventuallyDone(4));
  EXPECT_THAT(done(), ElementsAre("b done", "a done", "change done", "behind done"));
  EXPECT_EQ(renewals_begun_, 2);
}

// A change does not wait for what waits for it.
TEST_F(RenewalTest, ChangesKeepTheirPlaceInTheFlow) {
  const auto go = Hold();
  for (int i = 0; i < 20; ++i) {
    Submit({.name = absl::StrCat("a", i), .flow = 1});
    SubmitChange(absl::StrCat("change a", i), /*flow=*/1);
    Submit({.name = absl::StrCat("b", i), .flow = 2});
    SubmitChange(absl::StrCat("change b", i), /*flow=*/2);
  }
  go->set_value();
  ASSERT_TRUE(EventuallyDone(80));
  std::map<char, std::vector<std::string>> done_of;
  for (const std::string& name : done()) done_of[name[name[0] == 'c' ? 7 : 0]].push_back(name);
  for (const auto& [flow, names] : done_of) {
    ASSERT_THAT(names, SizeIs(40));
    for (int i = 0; i < 20; ++i) {
      EXPECT_EQ(names[2 * i], absl::StrCat(std::string(1, flow), i, " done"));
      EXPECT_EQ(names[2 * i + 1], absl::StrCat("change ", std::string(1, flow), i, " done"));
    }
  }
  EXPECT_EQ(renewals_begun_, 40);
}

TEST_F(RenewalTest, StopRefusesWhatIsSetAside) {
  std::promise<void> gate;
  const auto go = Hold();
  Submit({.name = "a", .flow = 1, .gate = gate.get_future().share()});
  Submit({.name = "b", .flow = 2});
  go->set_value();
  ASSERT_TRUE(Eventually([&] { return renewals_begun_ == 1; }));
  SubmitChange("change");
  Submit({.name = "current", .flow = 3});
  ASSERT_TRUE(EventuallyDone(1));
  rig_.writer().StopRenewing();
  Submit({.name = "behind", .flow = 2});
  gate.set_value();
  rig_.Close();
  EXPECT_EQ(renewals_begun_, 1);
  std::vector<std::string> rest = done();
  ASSERT_THAT(rest, SizeIs(5));
  EXPECT_EQ(rest.front(), "current done");
  rest.erase(rest.begin());
  EXPECT_THAT(rest, UnorderedElementsAre("a done", "b refused", "behind done",
                                         AnyOf("change done", "change refused")));
}

TEST_F(RenewalTest, WriterThatFailedFailsWhatIsSetAside) {
  std::promise<void> gate;
  const auto go = Hold();
  Submit({.name = "a1", .gate = gate.get_future().share()});
  Submit({.name = "a2"});
  go->set_value();
  ASSERT_TRUE(Eventually([&] { return renewals_begun_ == 1; }));
  SubmitChange("change");
  rig_.disk.FailWrites(FaultEnv::Fault::kIoError);
  Submit({.name = "b", .flow = 2});
  ASSERT_TRUE(EventuallyDone(1));
  gate.set_value();
  ASSERT_TRUE(EventuallyDone(4));
  EXPECT_THAT(done(), UnorderedElementsAre("b failed", "a1 failed", "a2 failed", "change failed"));
  rig_.disk.FailWrites(FaultEnv::Fault::kNone);
}

// The task checks that it is current when it is prepared, and renewed at most once.
TEST_F(RenewalTest, RandomChangesKeepTheOrderOfFlows) {
  constexpr uint64_t kFlows = 5;
  const auto steps = static_cast<int>(EnvNumber("EVENTHUB_TEST_STEPS", 5000 / kStride));
  const auto seed = static_cast<uint64_t>(EnvNumber("EVENTHUB_TEST_SEED", std::random_device()()));
  std::cout << "EVENTHUB_TEST_SEED=" << seed << std::endl;
  std::mt19937_64 random(seed);
  const auto pick = [&random](uint64_t from, uint64_t to) {
    return std::uniform_int_distribution<uint64_t>(from, to)(random);
  };
  std::map<CommitFlow, std::vector<std::string>> submitted;
  for (int i = 0; i < steps; ++i) {
    const CommitFlow flow = pick(1, kFlows);
    if (pick(1, 4) == 1) {
      SubmitChange(absl::StrCat(flow, "/change ", i), flow);
      submitted[flow].push_back(absl::StrCat(flow, "/change ", i, " done"));
      continue;
    }
    Submit({.name = absl::StrCat(flow, "/", i),
            .flow = flow,
            .lane = pick(1, 3),
            .synced = pick(1, 20) == 1});
    submitted[flow].push_back(absl::StrCat(flow, "/", i, " done"));
  }
  ASSERT_TRUE(EventuallyDone(static_cast<size_t>(steps)));
  std::map<CommitFlow, std::vector<std::string>> done_of;
  for (const std::string& name : done()) {
    done_of[static_cast<CommitFlow>(name[0] - '0')].push_back(name);
  }
  EXPECT_EQ(done_of, submitted);
}

}  // namespace
}  // namespace eventhub
