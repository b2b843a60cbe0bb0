// Needed events are kept, whichever commits are in progress: a trim or a deletion respects
// everything committed before it, even in the same write.
#include <functional>
#include <future>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "server/core/admin/topic_changes.h"
#include "server/core/base/errors.h"
#include "server/core/link/link_catalog.h"
#include "server/core/maintenance/retention.h"
#include "server/core/maintenance/trim_planner.h"
#include "server/core/maintenance/trim_task.h"
#include "server/core/subscription/dead_letter/parking.h"
#include "server/core/subscription/dispatch/history_reads.h"
#include "server/core/subscription/subscriptions.h"
#include "tests/server/broker_rig.h"
#include "tests/server/commit_fixture.h"
#include "tests/support/caller.h"
#include "tests/support/events.h"
#include "tests/support/eventually.h"

namespace eventhub {
namespace {

using absl::StatusCode;

// Has the subscriptions of a broker, too.
class RetentionRaceTest : public CommitFixture {
 protected:
  void SetUp() override {
    CommitFixture::SetUp();
    subscriptions_ =
        std::make_unique<Subscriptions>(*store_, *writer_, clock_, *topics_, reads_, pending_,
                                        requests_, filters_, admin_log_, 1, /*run_alarm=*/false);
  }
  void TearDown() override { subscriptions_->Stop(); }

  using CommitFixture::CreateTopic;
  std::shared_ptr<Topic> CreateTopic(const std::string& name) {
    v1::Topic topic;
    topic.set_name(name);
    return CreateTopic(topic);
  }
  std::future<absl::Status> Update(const std::shared_ptr<Topic>& topic,
                                   const v1::UpdateTopicRequest& request) {
    return Start<v1::Topic>([&](auto done) {
      writer_->Submit(std::make_unique<UpdateTopicTask>(*topics_, subscriptions_->catalog(), topic,
                                                        request, std::move(done)));
    });
  }

  // Starts at the earliest event of topic t.
  static v1::CreateSubscriptionRequest From(const std::string& name) {
    v1::CreateSubscriptionRequest request;
    request.mutable_subscription()->set_name(name);
    request.mutable_subscription()->set_topic("t");
    request.mutable_subscription()->set_kind(v1::Subscription::KIND_QUEUE);
    request.mutable_start()->set_earliest(true);
    return request;
  }
  std::future<absl::Status> Subscribe(const v1::CreateSubscriptionRequest& request) {
    return Start<v1::Subscription>(
        [&](auto done) { subscriptions_->Create(kTester, request, std::move(done)); });
  }

  void Publish(Topic& topic, const std::vector<std::string>& ids) {
    for (const std::string& id : ids) {
      Commit([&](CommitBuilder& commit) {
        commit.Append(*topic.view()->partitions[0], SharedBytes::Copy(EncodeEvent(MakeEvent(id))),
                      1);
      });
    }
  }

  LinkCatalog links_;
  ReadCounters reads_{metrics_};
  MemoryMeter pending_{1 << 20};
  HostShares requests_{1 << 20};
  std::unique_ptr<Subscriptions> subscriptions_;
};

// Trims of topic t, which keeps only unacked events: each test decides what is committed between
// the plan and the trim.
class TrimRaceTest : public RetentionRaceTest {
 protected:
  void SetUp() override {
    RetentionRaceTest::SetUp();
    v1::Topic settings;
    settings.set_name("t");
    settings.mutable_retention()->set_max_bytes(1);
    settings.mutable_retention()->set_keep_until_acked(true);
    topic_ = CreateTopic(settings);
    Publish(*topic_, {"a", "b", "c"});
    ASSERT_THAT(Subscribe(From("s")).get(), IsOk());
    ASSERT_THAT(CreateSnapshot("begin"), IsOk());
    ASSERT_THAT(Seek(ToLatest()).get(), IsOk());
  }

  TrimPlan Plan() {
    absl::StatusOr<TrimPlan> plan =
        TrimPlanner(*subscriptions_, *store_, AgeMarks()).Plan(*topic_, clock_.Now());
    EXPECT_THAT(plan, IsOk());
    return *std::move(plan);
  }
  std::future<absl::Status> Trim(TrimPlan plan) {
    return Start([&](StatusDone done) {
      writer_->Submit(std::make_unique<TrimTask>(subscriptions_->catalog(), topic_, std::move(plan),
                                                 std::move(done)));
    });
  }
  int64_t start() const { return topic_->view()->partitions[0]->start().value(); }

  static v1::SeekSubscriptionRequest ToLatest() {
    v1::SeekSubscriptionRequest request;
    request.set_name("s");
    request.mutable_start()->set_latest(true);
    return request;
  }
  static v1::SeekSubscriptionRequest ToEarliest() {
    v1::SeekSubscriptionRequest request = ToLatest();
    request.mutable_start()->set_earliest(true);
    return request;
  }
  static v1::SeekSubscriptionRequest ToOffset(int64_t offset) {
    v1::SeekSubscriptionRequest request = ToLatest();
    request.mutable_start()->set_offset(offset);
    return request;
  }
  std::future<absl::Status> Seek(const v1::SeekSubscriptionRequest& request) {
    return Start([&](StatusDone done) {
      subscriptions_->moves().Seek(
          kTester, request, pool_, [this, done = std::move(done)](const auto& response) mutable {
            if (response.ok()) moves_ = {response->moves().begin(), response->moves().end()};
            std::move(done)(response.status());
          });
    });
  }
  static v1::ReplaySubscriptionRequest ReplayAll() {
    v1::ReplaySubscriptionRequest request;
    request.set_name("s");
    request.mutable_start()->set_earliest(true);
    return request;
  }
  std::future<absl::Status> Replay(const v1::ReplaySubscriptionRequest& request) {
    return Start([&](StatusDone done) {
      subscriptions_->moves().Replay(kTester, request, pool_,
                                     [this, done = std::move(done)](const auto& response) mutable {
                                       if (response.ok()) replay_ = *response;
                                       std::move(done)(response.status());
                                     });
    });
  }
  absl::Status CreateSnapshot(const std::string& name) {
    v1::CreateSnapshotRequest request;
    request.set_subscription("s");
    request.set_name(name);
    return Start<v1::CreateSnapshotResponse>([&](auto done) {
             subscriptions_->snapshots().Create(kTester, request, std::move(done));
           })
        .get();
  }
  v1::GetSubscriptionResponse Get(const std::string& name) {
    v1::GetSubscriptionRequest request;
    request.set_name(name);
    return *subscriptions_->Get(kTester, request);
  }

  std::shared_ptr<Topic> topic_;
  WorkPool pool_{1};
  std::vector<v1::PartitionMove> moves_;
  v1::ReplaySubscriptionResponse replay_;
};

// A pass that finds a topic whose emptying is written but not visible has not failed.
TEST_F(TrimRaceTest, RetentionPassToleratesTopicBeingEmptied) {
  ASSERT_THAT(
      Start([&](StatusDone done) { subscriptions_->Delete(kTester, "s", std::move(done)); }).get(),
      IsOk());
  disk_.HoldSyncs(".log");
  v1::UpdateTopicRequest request;
  request.mutable_topic()->set_name("t");
  request.mutable_topic()->mutable_retention()->set_none(true);
  request.mutable_update_mask()->add_paths("retention");
  std::future<absl::Status> emptied = Update(topic_, request);
  ASSERT_TRUE(Eventually([&] { return disk_.held_syncs() > 0; }));
  EXPECT_THAT(TrimPlanner(*subscriptions_, *store_, AgeMarks()).Plan(*topic_, clock_.Now()),
              StatusIs(StatusCode::kNotFound));
  Retention retention(RetentionOptions(), catalog_, *subscriptions_, *store_, *writer_, clock_,
                      [](TopicId) {});
  Cancellation cancellation;
  std::promise<void> begun;
  std::future<absl::Status> pass = std::async(std::launch::async, [&] {
    begun.set_value();
    return retention.TrimTopics(cancellation);
  });
  begun.get_future().wait();
  disk_.ReleaseSyncs();
  EXPECT_THAT(emptied.get(), IsOk());
  EXPECT_THAT(pass.get(), IsOk());
  EXPECT_EQ(start(), 3);
}

TEST_F(TrimRaceTest, TrimRemovesSettledEvents) {
  EXPECT_THAT(Trim(Plan()).get(), IsOk());
  EXPECT_EQ(start(), 3);
}

TEST_F(TrimRaceTest, TrimSparesEventsOfCursorsMovedBackSincePlan) {
  const auto keeps = [this](const char* who, const std::function<std::future<absl::Status>()>& go) {
    SCOPED_TRACE(who);
    ASSERT_THAT(Seek(ToLatest()).get(), IsOk());
    TrimPlan plan = Plan();
    ASSERT_EQ(plan.cuts.size(), 1u);
    // In one commit, as if the writer had been busy.
    const auto commit = Gather();
    std::future<absl::Status> gone = go();
    std::future<absl::Status> trimmed = Trim(std::move(plan));
    commit();
    EXPECT_THAT(gone.get(), IsOk());
    EXPECT_THAT(trimmed.get(), IsOk());
    EXPECT_EQ(start(), 0);
    EXPECT_LE(Plan().cuts.size(), 1u);
    EXPECT_GT(topic_->held_back().bytes, 0u) << "the next pass knows";
  };
  keeps("a seek", [this] { return Seek(ToEarliest()); });
  keeps("an offset", [this] { return Seek(ToOffset(1)); });
  keeps("a snapshot", [this] {
    v1::SeekSubscriptionRequest request;
    request.set_name("s");
    request.set_snapshot("begin");
    return Seek(request);
  });
  keeps("a new one", [this] { return Subscribe(From("new")); });
  ASSERT_THAT(Start([&](StatusDone done) {
                subscriptions_->Delete(kTester, "new", std::move(done));
              }).get(),
              IsOk());
  keeps("a replay", [this] { return Replay(ReplayAll()); });
  EXPECT_EQ(replay_.events(), 3u);
}

TEST_F(TrimRaceTest, NewRetentionSettingsOverrideOlderPlan) {
  TrimPlan plan = Plan();
  v1::UpdateTopicRequest request;
  request.mutable_topic()->set_name("t");
  request.mutable_topic()->mutable_retention()->set_max_bytes(1 << 20);
  request.mutable_update_mask()->add_paths("retention.max_bytes");
  const auto commit = Gather();
  std::future<absl::Status> updated = Update(topic_, request);
  std::future<absl::Status> trimmed = Trim(std::move(plan));
  commit();
  EXPECT_THAT(updated.get(), IsOk());
  EXPECT_THAT(trimmed.get(), IsOk());
  EXPECT_EQ(start(), 0);
}

// A client behind a trim is told where it begins, even if nothing was trimmed when it asked.
TEST_F(TrimRaceTest, RequestsQueuedBehindTrimSeeItsResult) {
  TrimPlan plan = Plan();
  const auto commit = Gather();
  std::future<absl::Status> trimmed = Trim(std::move(plan));
  std::future<absl::Status> created = Subscribe(From("new"));
  v1::CreateSubscriptionRequest exact = From("exact");
  exact.mutable_start()->set_offset(0);
  std::future<absl::Status> refused = Subscribe(exact);
  v1::ReplaySubscriptionRequest from_offset = ReplayAll();
  from_offset.mutable_start()->set_offset(1);
  std::future<absl::Status> no_replay = Replay(from_offset);
  std::future<absl::Status> replayed = Replay(ReplayAll());
  std::future<absl::Status> no_seek = Seek(ToOffset(2));
  std::future<absl::Status> moved = Seek(ToEarliest());
  commit();
  EXPECT_THAT(trimmed.get(), IsOk());
  EXPECT_EQ(start(), 3);
  EXPECT_THAT(created.get(), IsOk());
  EXPECT_EQ(Get("new").stats().lost_events(), 0u);
  EXPECT_EQ(Get("new").partitions(0).acked_offset(), 3);
  for (std::future<absl::Status>* named : {&refused, &no_replay, &no_seek}) {
    EXPECT_THAT(named->get(),
                Refused(StatusCode::kOutOfRange, v1::ErrorDetail::REASON_OFFSET_OUT_OF_RANGE));
  }
  EXPECT_THAT(replayed.get(), IsOk());
  EXPECT_EQ(replay_.events(), 0u);
  EXPECT_EQ(replay_.ranges(0).range().start(), 3);
  EXPECT_THAT(moved.get(), IsOk());
  ASSERT_EQ(moves_.size(), 1u);
  EXPECT_EQ(moves_[0].to_offset(), 3);
  EXPECT_EQ(moves_[0].lag_after(), 0u);
  EXPECT_EQ(Get("s").stats().lost_events(), 0u);
}

class DeadLetterTopicRaceTest : public RetentionRaceTest {
 protected:
  void SetUp() override {
    RetentionRaceTest::SetUp();
    context_.reset(new SubscriptionContext{*store_, *writer_, clock_, catalog_, reads_, alarm_,
                                           parking_, history_, epoch_, 1, pending_, requests_,
                                           filters_});
    Publish(*CreateTopic("t"), {"a"});
    letters_ = CreateTopic("letters");
    CreateTopic("other");
    v1::CreateSubscriptionRequest request = From("s");
    request.mutable_subscription()->set_dead_letter_topic("letters");
    ASSERT_THAT(Subscribe(request).get(), IsOk());
    subscription_ = subscriptions_->catalog().Find("s");
    GiveUp();
  }

  // A consumer gives the event up; Park follows.
  void GiveUp() {
    v1::ConsumeRequest first;
    first.mutable_open()->set_subscription("s");
    const std::shared_ptr<Consumer> consumer =
        subscription_->Open({"c", "test:1", 1 << 20, [] {}, requests_.Of("test")}, first);
    ConsumeFrame frame;
    ASSERT_EQ(subscription_->Poll(*consumer, &frame, SIZE_MAX).value(), Subscription::Step::kFrame);
    ASSERT_EQ(frame.deliveries.size(), 1u);
    v1::ConsumeRequest request;
    v1::Nack& nack = *request.add_nacks();
    nack.set_lease_epoch(frame.deliveries[0].lease_epoch);
    nack.set_action(v1::Nack::ACTION_PARK);
    nack.add_ranges()->set_end(1);
    Settling settling(consumer, request, /*to_disk=*/false);
    Commit([&](CommitBuilder& commit) {
      size_t left = 100;
      EXPECT_TRUE(subscription_->SettleIn(commit, settling, &left));
    });
    parked_ = settling.parked;
    ASSERT_EQ(parked_.size(), 1u);
    subscription_->Close(*consumer, Subscription::Ended::kByConsumer);
  }

  // Submits the commit that makes it a dead letter.
  std::future<absl::Status> Park() {
    std::future<absl::Status> outcome = Start([&](StatusDone done) {
      StartParking(*context_, subscription_, parked_,
                   [done = std::move(done)](const absl::Status& status) mutable {
                     std::move(done)(status);
                   });
    });
    background_.Stop();
    return outcome;
  }

  std::future<absl::Status> TakeOtherTopic() {
    v1::UpdateSubscriptionRequest request;
    request.mutable_subscription()->set_name("s");
    request.mutable_subscription()->set_dead_letter_topic("other");
    request.mutable_update_mask()->add_paths("dead_letter_topic");
    return Start<v1::Subscription>(
        [&](auto done) { subscriptions_->Update(kTester, request, std::move(done)); });
  }

  std::future<absl::Status> DeleteLetters() {
    v1::DeleteTopicRequest request;
    request.set_name("letters");
    return Start([&](StatusDone done) {
      writer_->Submit(std::make_unique<DeleteTopicTask>(*topics_, *route_table_,
                                                        subscriptions_->catalog(), links_, letters_,
                                                        request, std::move(done)));
    });
  }

  std::shared_ptr<Topic> letters_;
  std::shared_ptr<Subscription> subscription_;
  std::vector<Parked> parked_;
  WorkPool background_{1};
  ParkingQueue parking_{background_};
  HistoryReads history_;
  Alarm alarm_{clock_, false};
  std::atomic<uint64_t> epoch_{1};
  std::unique_ptr<SubscriptionContext> context_;
};

TEST_F(DeadLetterTopicRaceTest, TopicWithLetterInSameCommitIsNotDeleted) {
  v1::UpdateTopicRequest none;
  none.mutable_topic()->set_name("letters");
  none.mutable_topic()->mutable_retention()->set_none(true);
  none.mutable_update_mask()->add_paths("retention.none");
  const auto commit = Gather();
  std::future<absl::Status> parked = Park();
  std::future<absl::Status> changed = TakeOtherTopic();
  std::future<absl::Status> deleted = DeleteLetters();
  std::future<absl::Status> emptied = Update(letters_, none);
  commit();
  EXPECT_THAT(parked.get(), IsOk());
  EXPECT_THAT(changed.get(), IsOk());
  for (std::future<absl::Status>* refused : {&deleted, &emptied}) {
    EXPECT_THAT(refused->get(), Refused(StatusCode::kFailedPrecondition,
                                        v1::ErrorDetail::REASON_OPEN_DEAD_LETTERS));
  }
  v1::ListDeadLettersRequest list;
  list.set_subscription("s");
  ASSERT_OK_AND_ASSIGN(const v1::ListDeadLettersResponse letters,
                       subscriptions_->dead_letters().List(kTester, list));
  ASSERT_EQ(letters.dead_letters_size(), 1);
  EXPECT_EQ(letters.dead_letters(0).topic(), "letters");
  EXPECT_FALSE(letters.dead_letters(0).event_trimmed());
}

// If the change comes first, the letter goes to the other topic.
TEST_F(DeadLetterTopicRaceTest, UnusedDeadLetterTopicIsDeleted) {
  const auto commit = Gather();
  std::future<absl::Status> changed = TakeOtherTopic();
  std::future<absl::Status> parked = Park();
  std::future<absl::Status> deleted = DeleteLetters();
  commit();
  EXPECT_THAT(changed.get(), IsOk());
  EXPECT_THAT(parked.get(), IsOk());
  EXPECT_THAT(deleted.get(), IsOk());
  EXPECT_EQ(catalog_.Find("other")->Stats().events(), 1u);
}

// The topic is created in the same commit.
TEST_F(RetentionRaceTest, RejectsDeadLetterTopicWithoutStorage) {
  CreateTopic("t");
  v1::Topic bus;
  bus.set_name("new.dead-letters");
  bus.mutable_retention()->set_none(true);
  const auto settings = NewTopicSettings(bus, topics_->limits(), clock_.Now());
  ASSERT_THAT(settings, IsOk());
  const auto commit = Gather();
  std::future<absl::Status> created = Start<v1::Topic>([&](auto done) {
    writer_->Submit(std::make_unique<CreateTopicTask>(*topics_, *settings, std::move(done)));
  });
  std::future<absl::Status> subscribed = Subscribe(From("new"));
  commit();
  EXPECT_THAT(created.get(), IsOk());
  EXPECT_THAT(subscribed.get(), StatusIs(StatusCode::kFailedPrecondition));
}

}  // namespace
}  // namespace eventhub
