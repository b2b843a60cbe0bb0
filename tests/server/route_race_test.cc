// Route plans that are outdated at their commit: the offset from which an answer says a change is
// in effect holds for each event.
#include <atomic>
#include <functional>
#include <future>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "server/core/route/routes.h"
#include "tests/server/route_rig.h"
#include "tests/support/caller.h"

namespace eventhub {
namespace {

using absl::StatusCode;
using testing::ElementsAre;
using testing::IsEmpty;

class RouteRaceTest : public RouteTestBase {
 protected:
  // Blocks the commit thread in a callback; requests submitted meanwhile are checked and planned
  // against the state before.
  void HoldCommits() {
    v1::PublishStreamRequest request = MakeRequest("held", {"x"});
    request.set_durability(v1::DURABILITY_WRITTEN);
    ASSERT_THAT(rig_.Create("held"), IsOk());
    std::promise<void> holds;
    const auto parsed = ParsePublishRequest(SharedBytes::Copy(request.SerializeAsString()));
    rig_.broker().publishing().Publish(kTester, *parsed, [this, &holds](const auto&) {
      holds.set_value();
      release_.get_future().wait();
    });
    holds.get_future().wait();
  }
  // These are submitted, and done after Release.
  std::future<absl::Status> Publish(const std::vector<std::string>& ids,
                                    const std::string& topic = "a") {
    const auto request =
        ParsePublishRequest(SharedBytes::Copy(MakeRequest(topic, ids).SerializeAsString()));
    return Submit(
        [&](auto done) { rig_.broker().publishing().Publish(kTester, *request, std::move(done)); });
  }
  std::future<absl::Status> Create(const v1::Route& route) {
    v1::CreateRouteRequest request;
    *request.mutable_route() = route;
    return Submit(
        [&](auto done) { rig_.broker().routes().Create(kTester, request, std::move(done)); });
  }
  std::future<absl::Status> Update(const v1::Route& route, const std::vector<std::string>& mask) {
    v1::UpdateRouteRequest request;
    *request.mutable_route() = route;
    for (const std::string& path : mask) request.mutable_update_mask()->add_paths(path);
    return Submit(
        [&](auto done) { rig_.broker().routes().Update(kTester, request, std::move(done)); });
  }
  std::future<absl::Status> Delete(const std::string& route) {
    v1::DeleteRouteRequest request;
    request.set_name(route);
    return Submit(
        [&](auto done) { rig_.broker().routes().Delete(kTester, request, std::move(done)); });
  }
  std::future<absl::Status> DeleteTopic(const std::string& topic) {
    v1::DeleteTopicRequest request;
    request.set_name(topic);
    return Submit(
        [&](auto done) { rig_.broker().topics().Delete(kTester, request, std::move(done)); });
  }
  std::future<absl::Status> Change(const v1::Topic& topic, const std::string& path) {
    v1::UpdateTopicRequest request;
    *request.mutable_topic() = topic;
    request.mutable_update_mask()->add_paths(path);
    return Submit(
        [&](auto done) { rig_.broker().topics().Update(kTester, request, std::move(done)); });
  }
  void Release() { release_.set_value(); }

 private:
  // Callbacks that receive a status, or a value.
  struct Answer {
    std::shared_ptr<std::promise<absl::Status>> promise;
    void operator()(absl::Status status) { promise->set_value(std::move(status)); }
    template <typename T>
    void operator()(const absl::StatusOr<T>& result) {
      promise->set_value(result.status());
    }
  };
  static std::future<absl::Status> Submit(const std::function<void(Answer)>& call) {
    Answer answer{std::make_shared<std::promise<absl::Status>>()};
    std::future<absl::Status> outcome = answer.promise->get_future();
    call(answer);
    return outcome;
  }

  std::promise<void> release_;
};

TEST_F(RouteRaceTest, NewRouteCopiesOnlyLaterCommits) {
  HoldCommits();
  auto before = Publish({"1"});
  auto made = Create(RouteOf("r", "a", {"b"}));
  auto after = Publish({"2", "3"});
  Release();
  for (auto* done : {&before, &made, &after}) ASSERT_THAT(done->get(), IsOk());
  EXPECT_EQ(rig_.GetRoute("r")->effective(0).offset(), 1);
  EXPECT_THAT(rig_.Ids("a"), ElementsAre("1", "2", "3"));
  EXPECT_THAT(rig_.Ids("b"), ElementsAre("2", "3"));
  EXPECT_EQ(rig_.StatsOf("r").matched_events(), 2u);
}

TEST_F(RouteRaceTest, DeletedRouteCopiesNoLaterCommits) {
  ASSERT_THAT(rig_.CreateRoute("r", "a", {"b"}), IsOk());
  ASSERT_THAT(rig_.CreateRoute("stays", "a", {"c"}), IsOk());
  HoldCommits();
  auto before = Publish({"1"});
  auto gone = Delete("r");
  auto after = Publish({"2"});
  Release();
  for (auto* done : {&before, &gone, &after}) ASSERT_THAT(done->get(), IsOk());
  EXPECT_THAT(rig_.Ids("b"), ElementsAre("1"));
  EXPECT_THAT(rig_.Ids("c"), ElementsAre("1", "2"));
  EXPECT_EQ(rig_.TopicStatsOf("b").routed_events(), 1u);
}

TEST_F(RouteRaceTest, ChangesApplyFromTheirOffset) {
  ASSERT_THAT(rig_.CreateRoute("r", "a", {"b"}), IsOk());
  HoldCommits();
  std::vector<std::future<absl::Status>> done;
  done.push_back(Publish({"1"}));
  v1::Route route = RouteOf("r", "a", {"b"});
  *route.mutable_filter() = ExactFilter("id", "3");
  done.push_back(Update(route, {"filter"}));
  done.push_back(Publish({"2", "3"}));
  *route.mutable_target_topics(0) = "c";
  done.push_back(Update(route, {"target_topics"}));
  done.push_back(Publish({"3", "4"}));
  route.clear_filter();
  route.mutable_partition_key()->set_constant("k");
  done.push_back(Update(route, {"filter", "partition_key"}));
  done.push_back(Publish({"5"}));
  route.set_disabled(true);
  done.push_back(Update(route, {"disabled"}));
  done.push_back(Publish({"6"}));
  Release();
  for (auto& outcome : done) ASSERT_THAT(outcome.get(), IsOk());
  EXPECT_THAT(rig_.Ids("a"), ElementsAre("1", "2", "3", "3", "4", "5", "6"));
  EXPECT_THAT(rig_.Ids("b"), ElementsAre("1", "3"));
  EXPECT_THAT(rig_.Ids("c"), ElementsAre("3", "5"));
  EXPECT_EQ(rig_.Events("c")[0].partition_key(), "");
  EXPECT_EQ(rig_.Events("c")[1].partition_key(), "k");
  EXPECT_EQ(rig_.GetRoute("r")->effective(0).offset(), 6);
}

TEST_F(RouteRaceTest, DownstreamChangeAppliesInSameCommit) {
  ASSERT_THAT(rig_.CreateRoute("ab", "a", {"b"}), IsOk());
  HoldCommits();
  auto before = Publish({"1"});
  auto made = Create(RouteOf("bc", "b", {"c"}));
  auto after = Publish({"2"});
  Release();
  for (auto* done : {&before, &made, &after}) ASSERT_THAT(done->get(), IsOk());
  EXPECT_THAT(rig_.Ids("b"), ElementsAre("1", "2"));
  EXPECT_THAT(rig_.Ids("c"), ElementsAre("2"));
}

TEST_F(RouteRaceTest, DeletedTargetIsSkippedOrInUse) {
  ASSERT_THAT(rig_.CreateRoute("fails", "a", {"b"}), IsOk());
  v1::Route skips = RouteOf("skips", "a", {"c"});
  skips.set_on_unavailable(v1::Route::ON_UNAVAILABLE_SKIP);
  ASSERT_THAT(rig_.CreateRoute(skips), IsOk());
  HoldCommits();
  auto before = Publish({"1"});
  auto used = DeleteTopic("b");
  auto gone = DeleteTopic("c");
  auto after = Publish({"2"});
  Release();
  ASSERT_THAT(before.get(), IsOk());
  EXPECT_THAT(used.get(),
              Refused(StatusCode::kFailedPrecondition, v1::ErrorDetail::REASON_TOPIC_IN_USE));
  ASSERT_THAT(gone.get(), IsOk());
  ASSERT_THAT(after.get(), IsOk());
  EXPECT_THAT(rig_.Ids("a"), ElementsAre("1", "2"));
  EXPECT_THAT(rig_.Ids("b"), ElementsAre("1", "2"));
  EXPECT_EQ(rig_.StatsOf("skips").copied_events(), 1u);
  EXPECT_EQ(rig_.StatsOf("skips").skipped_events(), 1u);
  // A topic created with its name is a different one, and gets the events of later commits.
  ASSERT_THAT(rig_.Create("c"), IsOk());
  ASSERT_THAT(rig_.Publish("a", {"3"}), IsOk());
  EXPECT_THAT(rig_.Ids("c"), ElementsAre("3"));
}

TEST_F(RouteRaceTest, RouteThatMayNotSkipRequiresItsTargets) {
  v1::Route route = RouteOf("r", "a", {"b", "c"});
  route.set_on_unavailable(v1::Route::ON_UNAVAILABLE_SKIP);
  ASSERT_THAT(rig_.CreateRoute(route), IsOk());
  HoldCommits();
  auto gone = DeleteTopic("c");
  route.set_on_unavailable(v1::Route::ON_UNAVAILABLE_FAIL);
  auto refused = Update(route, {"on_unavailable"});
  auto after = Publish({"1"});
  Release();
  ASSERT_THAT(gone.get(), IsOk());
  EXPECT_THAT(refused.get(),
              Refused(StatusCode::kNotFound, v1::ErrorDetail::REASON_TOPIC_NOT_FOUND));
  ASSERT_THAT(after.get(), IsOk());
  EXPECT_THAT(rig_.Ids("b"), ElementsAre("1"));
}

// Updates allow the same routes as creations, in every order of changes.
TEST_F(RouteRaceTest, UpdatesAllowNoInvalidRoutes) {
  v1::Route route = RouteOf("r", "a", {"b", "c"});
  route.set_on_unavailable(v1::Route::ON_UNAVAILABLE_SKIP);
  ASSERT_THAT(rig_.CreateRoute(route), IsOk());
  ASSERT_THAT(rig_.CreateRoute("cd", "c", {"d"}), IsOk());
  ASSERT_THAT(rig_.Delete("b"), IsOk());
  // It counts for loops even if disabled, so enabling it cannot create one.
  v1::Route change = route;
  change.set_disabled(true);
  ASSERT_THAT(rig_.UpdateRoute(change, {"disabled"}), IsOk());
  const auto loop = Refused(StatusCode::kFailedPrecondition, v1::ErrorDetail::REASON_ROUTE_LOOP);
  EXPECT_THAT(rig_.CreateRoute("da", "d", {"a"}), loop);
  change.set_disabled(false);
  ASSERT_THAT(rig_.UpdateRoute(change, {"disabled"}), IsOk());
  // A missing target does not hide a loop.
  ASSERT_THAT(rig_.Create("b"), IsOk());
  EXPECT_THAT(rig_.CreateRoute("ba", "b", {"a"}), loop);
  change = RouteOf("cd", "", {"a"});
  EXPECT_THAT(rig_.UpdateRoute(change, {"target_topics"}), loop);
  rig_.Reopen();
  ASSERT_THAT(rig_.Publish("a", {"1"}), IsOk());
  for (const char* const topic : {"b", "c", "d"}) EXPECT_THAT(rig_.Ids(topic), ElementsAre("1"));
}

TEST_F(RouteRaceTest, ChangingTargetReceivesEachEventOnce) {
  ASSERT_THAT(rig_.CreateRoute("r", "a", {"b"}), IsOk());
  HoldCommits();
  v1::Topic topic;
  topic.set_name("b");
  topic.set_partitions(4);
  std::vector<std::future<absl::Status>> done;
  done.push_back(Publish({"1", "2"}));
  done.push_back(Change(topic, "partitions"));
  done.push_back(Publish({"3", "4"}));
  topic.mutable_retention()->set_none(true);
  done.push_back(Change(topic, "retention.none"));
  done.push_back(Publish({"5"}));
  topic.mutable_retention()->set_none(false);
  done.push_back(Change(topic, "retention.none"));
  done.push_back(Publish({"6"}));
  Release();
  for (auto& outcome : done) ASSERT_THAT(outcome.get(), IsOk());
  // It kept nothing for a while, and lost its earlier events.
  EXPECT_THAT(rig_.Ids("b"), ElementsAre("6"));
  EXPECT_EQ(rig_.TopicStatsOf("b").routed_events(), 6u);
  EXPECT_EQ(rig_.StatsOf("r").copied_events(), 6u);
}

// Threads publish while routes and targets change. The offsets in the answers tell for each event
// whether it was to be copied.
TEST_F(RouteRaceTest, ConcurrentChangesKeepCopiesExact) {
  constexpr int kPublishers = 3;
  constexpr int kRequests = 400;
  v1::Topic skipped;
  skipped.set_name("skipped");
  ASSERT_THAT(rig_.Create(skipped), IsOk());
  v1::Route to_skipped = RouteOf("to-skipped", "a", {"skipped"});
  to_skipped.set_on_unavailable(v1::Route::ON_UNAVAILABLE_SKIP);
  ASSERT_THAT(rig_.CreateRoute(to_skipped), IsOk());
  ASSERT_THAT(rig_.CreateRoute("all", "a", {"b"}), IsOk());
  std::atomic<int> publishing{kPublishers};
  std::vector<std::thread> threads;
  for (int p = 0; p < kPublishers; ++p) {
    threads.emplace_back([&, p] {
      for (int i = 0; i < kRequests; ++i) {
        v1::PublishStreamRequest request = MakeRequest("a", {absl::StrCat(p, "/", i)});
        request.set_durability(v1::DURABILITY_WRITTEN);
        EXPECT_THAT(rig_.BrokerRig::Publish(request), IsOk());
      }
      --publishing;
    });
  }
  std::thread churn([&] {
    while (publishing > 0) {
      EXPECT_THAT(rig_.Delete("skipped"), IsOk());
      EXPECT_THAT(rig_.Create(skipped), IsOk());
    }
  });
  // For events of `a` from this offset on: whether they go to c.
  std::map<int64_t, bool> changes = {{0, false}};
  while (publishing > 0) {
    const auto made = rig_.CreateRoute("r", "a", {"c"});
    ASSERT_THAT(made, IsOk());
    changes[made->effective(0).offset()] = true;
    v1::Route route = RouteOf("r", "a", {"c"});
    *route.mutable_filter() = ExactFilter("id", "none");
    const auto narrowed = rig_.UpdateRoute(route, {"filter"});
    ASSERT_THAT(narrowed, IsOk());
    changes[narrowed->effective(0).offset()] = false;
    const auto widened = rig_.UpdateRoute(RouteOf("r", "a", {"c"}), {"filter"});
    ASSERT_THAT(widened, IsOk());
    changes[widened->effective(0).offset()] = true;
    const auto gone = rig_.DeleteRoute("r");
    ASSERT_THAT(gone, IsOk());
    changes[gone->effective(0).offset()] = false;
  }
  for (std::thread& thread : threads) thread.join();
  churn.join();
  const std::vector<std::string> all = rig_.Ids("a");
  ASSERT_EQ(all.size(), static_cast<size_t>(kPublishers * kRequests));
  EXPECT_EQ(rig_.Ids("b"), all);
  std::vector<std::string> expected;
  for (size_t offset = 0; offset < all.size(); ++offset) {
    const auto change = std::prev(changes.upper_bound(static_cast<int64_t>(offset)));
    if (change->second) expected.push_back(all[offset]);
  }
  EXPECT_EQ(rig_.Ids("c"), expected);
  // Each incarnation of the target received each event once.
  const std::vector<std::string> last = rig_.Ids("skipped");
  EXPECT_EQ(std::set<std::string>(last.begin(), last.end()).size(), last.size());
}

// Streams that do not wait for their answers, while a client changes routes as fast as it can: no
// request is refused or overtaken, and each is copied by the routes of its commit.
TEST_F(RouteRaceTest, PipelinedFlowsKeepTheirOrder) {
  constexpr int kPublishers = 3;
  constexpr int kRequests = 400;
  ASSERT_THAT(rig_.CreateRoute("all", "a", {"b"}), IsOk());
  std::atomic<int> waiting{kPublishers * kRequests};
  std::vector<std::thread> threads;
  for (int p = 0; p < kPublishers; ++p) {
    threads.emplace_back([&, p] {
      const Caller stream = Caller(kTester).OnStream(static_cast<CommitFlow>(p) + 1);
      for (int i = 0; i < kRequests; ++i) {
        v1::PublishStreamRequest request = MakeRequest("a", {absl::StrCat(p, "/", i)});
        request.set_durability(v1::DURABILITY_WRITTEN);
        request.set_producer_id(absl::StrCat("p", p));
        request.set_producer_epoch(1);
        request.set_sequence(i);
        const auto parsed = ParsePublishRequest(SharedBytes::Copy(request.SerializeAsString()));
        rig_.broker().publishing().Publish(stream, *parsed, [&](const auto& result) {
          EXPECT_THAT(result, IsOk());
          --waiting;
        });
      }
    });
  }
  std::map<int64_t, bool> changes = {{0, false}};
  while (waiting > 0) {
    v1::Route route = RouteOf("r", "a", {"c"});
    *route.mutable_filter() = ExactFilter("id", "none");
    const auto made = rig_.CreateRoute(route);
    ASSERT_THAT(made, IsOk());
    changes[made->effective(0).offset()] = false;
    const auto widened = rig_.UpdateRoute(RouteOf("r", "a", {"c"}), {"filter"});
    ASSERT_THAT(widened, IsOk());
    changes[widened->effective(0).offset()] = true;
    const auto gone = rig_.DeleteRoute("r");
    ASSERT_THAT(gone, IsOk());
    changes[gone->effective(0).offset()] = false;
  }
  for (std::thread& thread : threads) thread.join();
  const std::vector<std::string> all = rig_.Ids("a");
  ASSERT_EQ(all.size(), static_cast<size_t>(kPublishers * kRequests));
  EXPECT_EQ(rig_.Ids("b"), all);
  std::map<std::string, int> next;
  std::vector<std::string> expected;
  for (size_t offset = 0; offset < all.size(); ++offset) {
    const std::pair<std::string, std::string> id = absl::StrSplit(all[offset], '/');
    EXPECT_EQ(id.second, absl::StrCat(next[id.first]++));
    const auto change = std::prev(changes.upper_bound(static_cast<int64_t>(offset)));
    if (change->second) expected.push_back(all[offset]);
  }
  EXPECT_EQ(rig_.Ids("c"), expected);
  const v1::GetStatsResponse stats = rig_.broker().GetStats(kTester);
  for (const v1::MemoryShare& share : stats.memory().shares()) {
    if (share.name() == "copies") {
      EXPECT_EQ(share.used_bytes(), 0u);
    }
  }
}

}  // namespace
}  // namespace eventhub
