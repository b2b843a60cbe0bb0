// Plans of copies that are outdated at their commit: they are made again, once, off the commit
// thread, which runs no filter.
#include <future>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "server/core/delayed/delayed_release.h"
#include "server/core/publish/append_task.h"
#include "server/core/publish/publishing.h"
#include "server/core/route/routes.h"
#include "server/core/subscription/subscription_catalog.h"
#include "server/core/transaction/transactions.h"
#include "tests/server/commit_fixture.h"
#include "tests/server/route_rig.h"
#include "tests/support/caller.h"

namespace eventhub {
namespace {

using testing::ElementsAre;

// Has the topics a to d. The filter of route `costly` gives up on each event that is big, and
// counts it: so it counts how often filters run.
class PlanRenewalTest : public CommitFixture {
 protected:
  void SetUp() override {
    CommitFixture::SetUp();
    topics_->Observe([this](const std::string& name) { route_table_->TopicChanged(name); },
                     [this](const std::string& name) { return route_table_->MayChange(name); });
    delayed_ = std::make_shared<DelayedTable>(*store_, clock_, 1, schedule_);
    const auto admit = [](size_t) { return absl::OkStatus(); };
    publishing_ = std::make_unique<Publishing>(*writer_, catalog_, *delayed_, admit);
    transactions_ = std::make_unique<Transactions>(*store_, *writer_, catalog_, subscriptions_,
                                                   *delayed_, admit);
    routes_ = std::make_unique<Routes>(*route_table_, catalog_, *writer_, clock_, admin_log_);
    for (const char* const name : {"a", "b", "c", "d"}) {
      v1::Topic topic;
      topic.set_name(name);
      if (topic.name() == "a") topic.mutable_deduplication_window()->set_seconds(60);
      CreateTopic(topic);
    }
    std::string sql = "LENGTH(big) = 1";
    for (int i = 0; i < 60; ++i) absl::StrAppend(&sql, " OR LENGTH(big) = 1");
    v1::Route costly = RouteOf("costly", "a", {"b"});
    costly.mutable_filter()->set_sql(sql);
    ASSERT_THAT(Create(costly).get(), IsOk());
    v1::Route copy = RouteOf("copy", "a", {"c"});
    *copy.mutable_filter() = ExactFilter("subject", "x");
    ASSERT_THAT(Create(copy).get(), IsOk());
  }
  void TearDown() override { writer_.reset(); }

  static v1::Event Big(const std::string& id) {
    v1::Event event = MakeEvent(id);
    event.set_subject("x");
    (*event.mutable_attributes())["big"].set_string(std::string(75'000, 'x'));
    return event;
  }
  uint64_t filter_runs() {
    return route_table_->Find("costly").route->counters().Describe().too_costly_events();
  }

  std::future<absl::Status> Create(const v1::Route& route) {
    v1::CreateRouteRequest request;
    *request.mutable_route() = route;
    return Start<v1::CreateRouteResponse>(
        [&](auto done) { routes_->Create(kTester, request, std::move(done)); });
  }
  static std::string RequestOf(const std::vector<v1::Event>& events) {
    v1::PublishStreamRequest request;
    request.set_topic("a");
    for (const v1::Event& event : events) *request.add_events() = event;
    return request.SerializeAsString();
  }
  // The plan is made before this returns.
  std::future<absl::Status> Publish(const std::vector<v1::Event>& events) {
    const auto parsed = ParsePublishRequest(SharedBytes::Copy(RequestOf(events)));
    EXPECT_THAT(parsed, IsOk());
    return Start<v1::PublishResult>([&](auto done) {
      const std::shared_ptr<Topic> topic = catalog_.Find("a");
      absl::StatusOr<CheckedPublish> checked =
          CheckPublish(*parsed, *topic, *delayed_, /*budget=*/nullptr);
      ASSERT_THAT(checked, IsOk());
      writer_->Submit(std::make_unique<AppendTask>(
                          parsed->head, TopicAppend{.topic = topic, .publish = *std::move(checked)},
                          std::move(done)),
                      kTester.flow());
    });
  }
  // Like a client's request.
  std::future<absl::Status> Receive(const std::vector<v1::Event>& events) {
    const auto parsed = ParsePublishRequest(SharedBytes::Copy(RequestOf(events)));
    EXPECT_THAT(parsed, IsOk());
    return Start<v1::PublishResult>(
        [&](auto done) { publishing_->Publish(kTester, *parsed, std::move(done)); });
  }
  std::future<absl::Status> Transact(const std::vector<v1::Event>& events) {
    v1::TransactRequest request;
    v1::TransactAppend& append = *request.add_appends();
    append.set_topic("a");
    for (const v1::Event& event : events) *append.add_events() = event;
    const auto parsed = ParseTransaction(SharedBytes::Copy(request.SerializeAsString()));
    EXPECT_THAT(parsed, IsOk());
    return Start<v1::TransactResponse>(
        [&](auto done) { transactions_->Transact(kTester, *parsed, std::move(done)); });
  }

  std::vector<std::string> Ids(const std::string& topic) {
    std::vector<std::string> ids;
    const PartitionLog& log = *catalog_.Find(topic)->view()->partitions[0];
    for (Offset next = log.start(); next < log.end();) {
      std::vector<RecordBatchPtr> batches;
      const absl::Status read =
          store_->Read(log.topic(), log.id(), next, log.end(), SIZE_MAX, &batches);
      EXPECT_THAT(read, IsOk());
      if (!read.ok()) break;
      for (const RecordBatchPtr& batch : batches) {
        for (const SharedBytes& chunk : batch->chunks) {
          v1::PublishRequest events;
          EXPECT_TRUE(events.ParseFromArray(chunk.data(), static_cast<int>(chunk.size())));
          for (const v1::Event& event : events.events()) ids.push_back(event.id());
        }
      }
      next = batches.back()->end();
    }
    return ids;
  }

  SubscriptionCatalog subscriptions_;
  DelayedSchedule schedule_{clock_};
  std::shared_ptr<DelayedTable> delayed_;
  std::unique_ptr<Publishing> publishing_;
  std::unique_ptr<Transactions> transactions_;
  std::unique_ptr<Routes> routes_;
};

TEST_F(PlanRenewalTest, RequestIsPlannedOnceMore) {
  const auto commit = Gather();
  auto before = Publish({Big("1")});
  auto made = Create(RouteOf("later", "a", {"d"}));
  auto after = Publish({Big("2"), Big("3")});
  EXPECT_EQ(filter_runs(), 3u);
  commit();
  for (auto* done : {&before, &made, &after}) EXPECT_THAT(done->get(), IsOk());
  EXPECT_EQ(filter_runs(), 3u + 2u);
  EXPECT_THAT(Ids("c"), ElementsAre("1", "2", "3"));
  EXPECT_THAT(Ids("d"), ElementsAre("2", "3"));
}

// The thread that receives the request gives up at the first event.
TEST_F(PlanRenewalTest, CostlyFiltersRunElsewhere) {
  const auto commit = Gather();
  auto costly = Receive({Big("1"), Big("2"), Big("3")});
  auto made = Create(RouteOf("later", "a", {"d"}));
  auto cheap = Receive({MakeEvent("4")});
  EXPECT_EQ(filter_runs(), 0u);
  commit();
  for (auto* done : {&costly, &made, &cheap}) EXPECT_THAT(done->get(), IsOk());
  EXPECT_EQ(filter_runs(), 3u);
  EXPECT_THAT(Ids("a"), ElementsAre("1", "2", "3", "4"));
  EXPECT_THAT(Ids("c"), ElementsAre("1", "2", "3"));
  EXPECT_THAT(Ids("d"), ElementsAre("4"));
}

TEST_F(PlanRenewalTest, TransactionIsPlannedElsewhere) {
  const auto commit = Gather();
  auto made = Create(RouteOf("later", "a", {"d"}));
  auto after = Transact({Big("1")});
  commit();
  EXPECT_THAT(made.get(), IsOk());
  EXPECT_THAT(after.get(), IsOk());
  EXPECT_EQ(filter_runs(), 1u);
  EXPECT_THAT(Ids("c"), ElementsAre("1"));
  EXPECT_THAT(Ids("d"), ElementsAre("1"));
}

// The copies of the rest are planned on the commit thread.
TEST_F(PlanRenewalTest, DuplicatesRunNoFilterAgain) {
  ASSERT_THAT(Publish({Big("1")}).get(), IsOk());
  const auto commit = Gather();
  auto made = Create(RouteOf("later", "a", {"d"}));
  auto after = Publish({Big("1"), Big("2")});
  commit();
  EXPECT_THAT(made.get(), IsOk());
  EXPECT_THAT(after.get(), IsOk());
  EXPECT_EQ(filter_runs(), 1u + 2u + 2u);
  EXPECT_THAT(Ids("c"), ElementsAre("1", "2"));
  EXPECT_THAT(Ids("d"), ElementsAre("2"));
}

TEST_F(PlanRenewalTest, CancelledEventsRunNoFilterAgain) {
  std::vector<v1::Event> events = {Big("1"), Big("2")};
  for (v1::Event& event : events) event.mutable_deliver_after()->set_seconds(10);
  ASSERT_THAT(Publish(events).get(), IsOk());
  EXPECT_EQ(filter_runs(), 0u);
  clock_.Advance(absl::Seconds(11));
  const std::shared_ptr<Topic> topic = catalog_.Find("a");
  ASSERT_THAT(AwaitOutcome([&](StatusDone done) {
                writer_->Submit(std::make_unique<BeginReadingTask>(*delayed_, std::move(done)));
              }),
              IsOk());
  absl::StatusOr<DuePiece> piece = ReadDue(*store_, *topic, 0, absl::ToUnixMicros(clock_.Now()));
  ASSERT_THAT(piece, IsOk());
  ASSERT_EQ(piece->keys.size(), 2u);
  const std::string first = piece->keys[0];
  std::promise<absl::Status> released;
  auto release =
      std::make_unique<ReleaseTask>(*delayed_, topic, *std::move(piece),
                                    [&](absl::Status status) { released.set_value(status); });
  EXPECT_EQ(filter_runs(), 2u);
  const auto commit = Gather();
  writer_->Submit(std::make_unique<TestTask>([&](CommitBuilder& builder) {
    const absl::StatusOr<uint32_t> cancelled = delayed_->Cancel(*topic, {first}, builder);
    EXPECT_THAT(cancelled, IsOk());
    EXPECT_EQ(cancelled.value_or(0), 1u);
  }));
  auto made = Create(RouteOf("later", "a", {"d"}));
  writer_->Submit(std::move(release), /*flow=*/7);
  commit();
  EXPECT_THAT(made.get(), IsOk());
  EXPECT_THAT(released.get_future().get(), IsOk());
  EXPECT_EQ(filter_runs(), 2u + 2u);
  EXPECT_THAT(Ids("a"), ElementsAre("2"));
  EXPECT_THAT(Ids("c"), ElementsAre("2"));
  EXPECT_THAT(Ids("d"), ElementsAre("2"));
}

}  // namespace
}  // namespace eventhub
