// Archiving: what is due, what retention, compaction and deletion keep for the lake, and reports.
#include <future>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "server/core/archive/archives.h"
#include "storage/base/mutex.h"
#include "storage/base/status_macros.h"
#include "tests/server/broker_rig.h"
#include "tests/server/fake_lake.h"
#include "tests/server/retention_probe.h"
#include "tests/support/caller.h"
#include "tests/support/eventually.h"

namespace eventhub {
namespace {

using absl::StatusCode;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;

constexpr absl::Duration kStep = absl::Milliseconds(1);

class ArchiveTest : public testing::Test {
 protected:
  void SetUp() override {
    rig_.archive = ArchiveOptions{.location = "/lake"};
    rig_.maintenance = MaintenanceOptions();
    rig_.maintenance->retention_interval = kStep;
    rig_.maintenance->compaction_interval = kStep;
    rig_.maintenance->compaction.min_bytes = 1;
    rig_.maintenance->disk_check_interval = kStep;
    rig_.maintenance->retention.archive_lag.bytes = 10'000;
    ASSERT_THAT(rig_.Open(), IsOk());
    probe_.Create();
  }

  v1::Topic Create(int64_t max_age_seconds, uint32_t partitions = 1) {
    v1::Topic topic;
    topic.set_name("t");
    topic.set_partitions(partitions);
    topic.mutable_retention()->mutable_max_age()->set_seconds(max_age_seconds);
    EXPECT_THAT(rig_.Create(topic), IsOk());
    return topic;
  }

  // Advances time, by at least 2 s, and waits until all limits have been applied.
  void Pass(absl::Duration time) { probe_.Pass(time); }

  Archives& archives() { return *rig_.broker().archives(); }

  std::shared_ptr<TopicArchive> Find(const std::string& name) {
    for (const auto& archive : archives().List()) {
      if (archive->topic()->name() == name) return archive;
    }
    return nullptr;
  }

  // One step of an archiver.
  absl::Status Advance(const std::string& name = "t") {
    return archives().Advance(*Find(name), lake_, [](size_t) { return absl::OkStatus(); });
  }
  absl::Status AdvanceAll(const std::string& name = "t") {
    while (Status(name).lag_events() > 0) RETURN_IF_ERROR(Advance(name));
    return absl::OkStatus();
  }

  v1::ArchiveStatus Status(const std::string& name = "t") {
    return rig_.broker().topics().Get(kTester, name)->archive();
  }
  std::vector<std::string> Findings(const std::string& name = "t") {
    const auto response = rig_.broker().topics().Get(kTester, name);
    return {response->findings().begin(), response->findings().end()};
  }
  int64_t Start() { return rig_.Describe("t").start_offset(); }

  // The ids in the lake, by partition and offset.
  std::vector<std::string> Ids(uint32_t topic_id) {
    std::vector<std::string> ids;
    for (const auto& [place, id] : lake_.TopicOf(topic_id).ids) ids.push_back(id);
    return ids;
  }

  void SetArchive(bool on) {
    v1::Topic topic;
    topic.set_name("t");
    topic.set_archive(on);
    ASSERT_THAT(rig_.Update(topic, {"archive"}), IsOk());
  }

  // Topic ids are counted from 1; the probe is the first.
  static constexpr uint32_t kTopicId = 2;

  BrokerRig rig_;
  RetentionProbe probe_{rig_};
  FakeLake lake_;
};

TEST_F(ArchiveTest, RetentionWaitsForTheLake) {
  Create(10);
  ASSERT_THAT(rig_.Publish("t", {"a", "b"}), IsOk());
  ASSERT_THAT(rig_.Publish("t", {"c"}), IsOk());
  Pass(absl::Seconds(20));
  EXPECT_EQ(Start(), 0);
  EXPECT_EQ(Status().lag_events(), 3u);
  EXPECT_THAT(rig_.broker().topics().Get(kTester, "t")->stats().held_back_bytes(), testing::Gt(0));

  ASSERT_THAT(Advance(), IsOk());
  EXPECT_THAT(Ids(kTopicId), ElementsAre("a", "b", "c"));
  EXPECT_EQ(rig_.Describe("t").archived_offset(), 3);
  EXPECT_EQ(Status().lag_events(), 0u);
  EXPECT_EQ(Status().archived_events(), 3u);
  EXPECT_EQ(Status().objects(), 1u);
  Pass(absl::Seconds(2));
  EXPECT_EQ(Start(), 3);
  EXPECT_EQ(Status().missing_events(), 0u);

  rig_.Reopen();
  EXPECT_EQ(Status().archived_events(), 3u);
  ASSERT_THAT(rig_.Publish("t", {"d"}), IsOk());
  ASSERT_THAT(AdvanceAll(), IsOk());
  EXPECT_THAT(Ids(kTopicId), ElementsAre("a", "b", "c", "d"));
}

// Complete, but not listed: readers of the lake do not see the events yet.
TEST_F(ArchiveTest, RetentionWaitsForTheManifest) {
  Create(10);
  ASSERT_THAT(rig_.Publish("t", {"a"}), IsOk());
  lake_.SetFault([](absl::string_view step) {
    return step == "list" ? absl::UnavailableError("no route") : absl::OkStatus();
  });
  EXPECT_THAT(Advance(), StatusIs(StatusCode::kUnavailable));
  EXPECT_EQ(Status().last_error(), "no route");
  Pass(absl::Seconds(20));
  EXPECT_EQ(Start(), 0);
  rig_.Reopen();
  Pass(absl::Seconds(20));
  EXPECT_EQ(Start(), 0);
  EXPECT_EQ(Status().lag_events(), 1u);
  lake_.SetFault(nullptr);
  ASSERT_THAT(Advance(), IsOk());
  EXPECT_EQ(Status().last_error(), "");
  Pass(absl::Seconds(2));
  EXPECT_EQ(Start(), 1);
  EXPECT_THAT(Ids(kTopicId), ElementsAre("a"));
}

TEST_F(ArchiveTest, ObjectsDoNotSpanHours) {
  Create(1'000'000, 2);
  const auto into_hour = [&] {
    return absl::Floor(rig_.clock.Now() - absl::UnixEpoch(), absl::Hours(1));
  };
  rig_.clock.Advance(into_hour() + absl::Hours(1) - (rig_.clock.Now() - absl::UnixEpoch()) -
                     absl::Microseconds(1));
  ASSERT_THAT(rig_.Publish("t", {"last"}, 0), IsOk());
  rig_.clock.Advance(absl::Microseconds(1));
  ASSERT_THAT(rig_.Publish("t", {"first"}, 0), IsOk());
  ASSERT_THAT(rig_.Publish("t", {"other"}, 1), IsOk());
  ASSERT_THAT(Advance(), IsOk());  // The fake lake checks the hour of each event.
  EXPECT_THAT(Ids(kTopicId), ElementsAre("last"));
  ASSERT_THAT(Advance(), IsOk());
  EXPECT_THAT(Ids(kTopicId), ElementsAre("last", "first", "other"));
}

TEST_F(ArchiveTest, ObjectsAreBounded) {
  rig_.archive->limits.bytes = 3000;
  rig_.Reopen();
  Create(1'000'000, 3);
  for (int i = 0; i < 30; ++i) {
    v1::PublishStreamRequest request = MakeRequest("t", {});
    *request.add_events() = MakeEvent(absl::StrCat(i), "", std::string(500, 'x'));
    request.set_partition(static_cast<uint32_t>(i % 3));
    ASSERT_THAT(rig_.Publish(request), IsOk());
  }
  ASSERT_THAT(AdvanceAll(), IsOk());
  const FakeLake::Topic topic = lake_.TopicOf(kTopicId);
  EXPECT_THAT(topic.ids, SizeIs(30));
  EXPECT_GE(topic.bytes.size(), 5u);
  for (const uint64_t bytes : topic.bytes) EXPECT_LE(bytes, 3000u + 600u);
}

TEST_F(ArchiveTest, IsDueAfterAnIntervalOrByItsSize) {
  rig_.archive->schedule = {.interval = absl::Seconds(60), .bytes = 10'000};
  rig_.Reopen();
  Create(1'000'000);
  EXPECT_FALSE(archives().Due(*Find("t")));
  ASSERT_THAT(rig_.Publish("t", {"a"}), IsOk());
  EXPECT_FALSE(archives().Due(*Find("t")));
  rig_.clock.Advance(absl::Seconds(59));
  EXPECT_FALSE(archives().Due(*Find("t")));
  EXPECT_EQ(Status().lag().seconds(), 59);
  rig_.clock.Advance(absl::Seconds(1));
  EXPECT_TRUE(archives().Due(*Find("t")));
  ASSERT_THAT(Advance(), IsOk());
  EXPECT_FALSE(archives().Due(*Find("t")));

  v1::PublishStreamRequest request = MakeRequest("t", {});
  *request.add_events() = MakeEvent("large", "", std::string(10'000, 'x'));
  ASSERT_THAT(rig_.Publish(request), IsOk());
  EXPECT_TRUE(archives().Due(*Find("t")));
}

TEST_F(ArchiveTest, AnIntentIsWrittenAgain) {
  Create(1'000'000);
  ASSERT_THAT(rig_.Publish("t", {"a"}), IsOk());
  lake_.SetFault([](absl::string_view step) {
    return step == "finished" ? absl::UnknownError("the answer is lost") : absl::OkStatus();
  });
  EXPECT_THAT(Advance(), StatusIs(StatusCode::kUnknown));
  lake_.SetFault(nullptr);
  EXPECT_EQ(lake_.orphans(), 1u);
  rig_.Reopen();
  ASSERT_THAT(rig_.Publish("t", {"b"}), IsOk());
  ASSERT_THAT(AdvanceAll(), IsOk());
  EXPECT_EQ(lake_.orphans(), 0u);
  EXPECT_THAT(Ids(kTopicId), ElementsAre("a", "b"));
  EXPECT_EQ(Status().objects(), 2u);
}

TEST_F(ArchiveTest, SwitchedOffItStopsAndRetentionGoesOn) {
  Create(10);
  ASSERT_THAT(rig_.Publish("t", {"a"}), IsOk());
  ASSERT_THAT(AdvanceAll(), IsOk());
  ASSERT_THAT(rig_.Publish("t", {"b"}), IsOk());
  SetArchive(false);
  EXPECT_EQ(Find("t"), nullptr);
  EXPECT_FALSE(rig_.Describe("t").has_archived_offset());
  EXPECT_FALSE(Status().enabled());
  Pass(absl::Seconds(20));
  EXPECT_EQ(Start(), 2);
  ASSERT_THAT(rig_.Publish("t", {"c"}), IsOk());
  rig_.Reopen();
  EXPECT_FALSE(Status().enabled());
  SetArchive(true);
  ASSERT_THAT(AdvanceAll(), IsOk());
  EXPECT_THAT(Ids(kTopicId), ElementsAre("a", "c"));
  EXPECT_EQ(lake_.TopicOf(kTopicId).missing.at(0), 1u);
  EXPECT_EQ(Status().missing_events(), 1u);
  EXPECT_FALSE(rig_.broker().topics().Get(kTester, "t")->topic().has_archive()) << "the default";
}

TEST_F(ArchiveTest, SwitchedOnAgainBeforeATrimNothingIsMissing) {
  Create(1'000'000);
  ASSERT_THAT(rig_.Publish("t", {"a"}), IsOk());
  ASSERT_THAT(AdvanceAll(), IsOk());
  SetArchive(false);
  ASSERT_THAT(rig_.Publish("t", {"b"}), IsOk());
  SetArchive(true);
  ASSERT_THAT(AdvanceAll(), IsOk());
  EXPECT_THAT(Ids(kTopicId), ElementsAre("a", "b"));
  EXPECT_EQ(Status().missing_events(), 0u);
}

// The events of an intent are gone: another object takes its sequence.
TEST_F(ArchiveTest, AnIntentWhoseEventsAreGoneIsGivenUp) {
  Create(10);
  ASSERT_THAT(rig_.Publish("t", {"a"}), IsOk());
  lake_.SetFault([](absl::string_view step) {
    return step == "finish" ? absl::UnavailableError("down") : absl::OkStatus();
  });
  EXPECT_THAT(Advance(), StatusIs(StatusCode::kUnavailable));
  lake_.SetFault(nullptr);
  SetArchive(false);
  Pass(absl::Seconds(20));
  EXPECT_EQ(Start(), 1);
  SetArchive(true);
  EXPECT_TRUE(archives().Due(*Find("t")));
  ASSERT_THAT(Advance(), IsOk());
  EXPECT_FALSE(archives().Due(*Find("t")));
  ASSERT_THAT(rig_.Publish("t", {"b"}), IsOk());
  ASSERT_THAT(AdvanceAll(), IsOk());
  EXPECT_THAT(Ids(kTopicId), ElementsAre("b"));
}

TEST_F(ArchiveTest, PublishingIsRefusedWhenTheLakeIsTooFarBehind) {
  Create(10);
  lake_.SetFault([](absl::string_view) { return absl::UnavailableError("no route to lake"); });
  const auto publish = [&] {
    v1::PublishStreamRequest request = MakeRequest("t", {});
    *request.add_events() = MakeEvent("e", "", std::string(3000, 'x'));
    return rig_.Publish(request).status();
  };
  ASSERT_THAT(publish(), IsOk());
  EXPECT_THAT(Advance(), StatusIs(StatusCode::kUnavailable));
  Pass(absl::Seconds(20));
  EXPECT_THAT(Findings(), ElementsAre(HasSubstr("no route to lake"))) << "before it is serious";
  ASSERT_THAT(publish(), IsOk());
  ASSERT_THAT(publish(), IsOk());
  Pass(absl::Seconds(20));
  ASSERT_THAT(publish(), IsOk());
  // Even before the next pass, the topic does not grow beyond the limit by more than a request.
  EXPECT_THAT(publish(),
              Refused(StatusCode::kResourceExhausted, v1::ErrorDetail::REASON_ARCHIVE_BEHIND));
  Pass(absl::Seconds(20));
  EXPECT_THAT(publish(),
              Refused(StatusCode::kResourceExhausted, v1::ErrorDetail::REASON_ARCHIVE_BEHIND));
  EXPECT_THAT(Findings(), ElementsAre(HasSubstr("publishing is refused")));
  const v1::GetStatsResponse stats = rig_.broker().GetStats(kTester);
  EXPECT_THAT(stats.lake().findings(), ElementsAre(HasSubstr("topic t: publishing is refused")));
  EXPECT_EQ(stats.lake().location(), "/lake");
  EXPECT_EQ(stats.lake().totals().lag_events(), 4u);

  lake_.SetFault(nullptr);
  ASSERT_THAT(AdvanceAll(), IsOk());
  ASSERT_TRUE(Eventually([&] { return publish().ok(); }));
  EXPECT_THAT(Findings(), IsEmpty());
  EXPECT_THAT(rig_.broker().GetStats(kTester).lake().findings(), IsEmpty());
}

TEST_F(ArchiveTest, AgeLimitsTheLagAsWell) {
  rig_.maintenance->retention.archive_lag.age = absl::Minutes(10);
  rig_.Reopen();
  Create(10);
  ASSERT_THAT(rig_.Publish("t", {"a"}), IsOk());
  Pass(absl::Minutes(5));
  ASSERT_THAT(rig_.Publish("t", {"b"}), IsOk());
  Pass(absl::Minutes(6));
  EXPECT_THAT(rig_.Publish("t", {"c"}),
              Refused(StatusCode::kResourceExhausted, v1::ErrorDetail::REASON_ARCHIVE_BEHIND));
  SetArchive(false);
  EXPECT_THAT(rig_.Publish("t", {"c"}), IsOk()) << "without a lake there is nothing to wait for";
}

TEST_F(ArchiveTest, TheOldestEventsAreDroppedInstead) {
  rig_.maintenance->retention.archive_lag.drop = true;
  rig_.Reopen();
  Create(10);
  for (int i = 0; i < 10; ++i) {
    v1::PublishStreamRequest request = MakeRequest("t", {});
    *request.add_events() = MakeEvent(absl::StrCat(i), "", std::string(1950, 'x'));
    ASSERT_THAT(rig_.Publish(request), IsOk());
    rig_.clock.Advance(absl::Microseconds(1));
  }
  Pass(absl::Seconds(20));
  EXPECT_EQ(Start(), 5);
  EXPECT_EQ(Status().missing_events(), 5u);
  ASSERT_THAT(AdvanceAll(), IsOk());
  EXPECT_THAT(Ids(kTopicId), ElementsAre("5", "6", "7", "8", "9"));
  EXPECT_EQ(Status().missing_events(), 5u);
}

TEST_F(ArchiveTest, CompactionWaitsForTheLake) {
  v1::Topic topic;
  topic.set_name("t");
  topic.mutable_retention()->mutable_latest_per_key();
  ASSERT_THAT(rig_.Create(topic), IsOk());
  const auto publish = [&](const std::string& id) {
    v1::PublishStreamRequest request = MakeRequest("t", {});
    *request.add_events() = MakeEvent(id, "key", "data");
    ASSERT_THAT(rig_.Publish(request), IsOk());
  };
  for (int i = 0; i < 5; ++i) publish(absl::StrCat(i));
  Pass(absl::Seconds(20));
  EXPECT_EQ(rig_.Describe("t").removed_events(), 0u);
  ASSERT_THAT(AdvanceAll(), IsOk());
  publish("5");
  ASSERT_TRUE(Eventually([&] {
    rig_.clock.Advance(kStep);  // Compaction runs by the clock.
    return rig_.Describe("t").removed_events() == 5;
  }));
  ASSERT_THAT(AdvanceAll(), IsOk());
  EXPECT_THAT(Ids(kTopicId), ElementsAre("0", "1", "2", "3", "4", "5"));
}

// Archives in the background, as an archiver does.
class ArchiveDeletionTest : public ArchiveTest {
 protected:
  void TearDown() override { StopArchiver(); }

  void StartArchiver() {
    archives().OnFlush([this] {
      MutexLock lock(mutex_);
      flushing_ = true;
      changed_.NotifyAll();
    });
    thread_ = std::thread([this] {
      for (;;) {
        {
          MutexLock lock(mutex_);
          while (!flushing_ && !stopping_) changed_.Wait(mutex_);
          if (stopping_) return;
          flushing_ = false;
        }
        for (const auto& archive : archives().List()) {
          while (
              archives().Due(*archive) &&
              archives().Advance(*archive, lake_, [](size_t) { return absl::OkStatus(); }).ok()) {
          }
        }
      }
    });
  }
  void StopArchiver() {
    {
      MutexLock lock(mutex_);
      stopping_ = true;
      changed_.NotifyAll();
    }
    if (thread_.joinable()) thread_.join();
  }

 private:
  Mutex mutex_;
  CondVar changed_;
  bool flushing_ ABSL_GUARDED_BY(mutex_) = false;
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;
  std::thread thread_;
};

TEST_F(ArchiveDeletionTest, TheHistoryIsCompletedFirst) {
  StartArchiver();
  Create(1'000'000);
  ASSERT_THAT(rig_.Publish("t", {"a", "b"}), IsOk());
  ASSERT_THAT(rig_.Delete("t"), IsOk());
  EXPECT_THAT(Ids(kTopicId), ElementsAre("a", "b"));
  // A topic of the same name is another one.
  Create(1'000'000);
  ASSERT_THAT(rig_.Publish("t", {"c"}), IsOk());
  ASSERT_THAT(AdvanceAll(), IsOk());
  EXPECT_THAT(Ids(kTopicId), ElementsAre("a", "b"));
  EXPECT_THAT(Ids(kTopicId + 1), ElementsAre("c"));
  EXPECT_EQ(Status().archived_events(), 1u);
}

TEST_F(ArchiveDeletionTest, IsRefusedIfTheLakeIsDown) {
  StartArchiver();
  lake_.SetFault([](absl::string_view) { return absl::UnavailableError("no route to lake"); });
  Create(1'000'000);
  ASSERT_THAT(rig_.Publish("t", {"a", "b"}), IsOk());
  const absl::Status refused = rig_.Delete("t");
  EXPECT_THAT(refused,
              Refused(StatusCode::kFailedPrecondition, v1::ErrorDetail::REASON_NOT_ARCHIVED));
  EXPECT_THAT(std::string(refused.message()), HasSubstr("lacks 2 events"));
  EXPECT_THAT(std::string(refused.message()), HasSubstr("no route to lake"));
  EXPECT_THAT(rig_.Read("t")->Ids(), ElementsAre("a", "b"));
  v1::DeleteTopicRequest request;
  request.set_name("t");
  request.set_drop_unarchived(true);
  EXPECT_THAT(rig_.Delete(request), IsOk());
  EXPECT_THAT(rig_.broker().topics().Get(kTester, "t"), StatusIs(StatusCode::kNotFound));
  // Nothing remains of its archive.
  EXPECT_THAT(archives().List(), IsEmpty());
}

TEST_F(ArchiveDeletionTest, EmptyingATopicIsLikeDeletingIt) {
  StartArchiver();
  Create(1'000'000);
  ASSERT_THAT(rig_.Publish("t", {"a"}), IsOk());
  v1::Topic none;
  none.set_name("t");
  none.mutable_retention()->set_none(true);
  lake_.SetFault([](absl::string_view) { return absl::UnavailableError("no route to lake"); });
  EXPECT_THAT(rig_.Update(none, {"retention"}),
              Refused(StatusCode::kFailedPrecondition, v1::ErrorDetail::REASON_NOT_ARCHIVED));
  lake_.SetFault(nullptr);
  ASSERT_THAT(rig_.Update(none, {"retention"}), IsOk());
  EXPECT_THAT(Ids(kTopicId), ElementsAre("a"));
  EXPECT_FALSE(Status().enabled());
}

TEST_F(ArchiveDeletionTest, EndsWithTheHub) {
  Create(1'000'000);
  ASSERT_THAT(rig_.Publish("t", {"a"}), IsOk());
  std::promise<absl::Status> outcome;
  v1::DeleteTopicRequest request;
  request.set_name("t");
  rig_.broker().topics().Delete(kTester, request,
                                [&](absl::Status status) { outcome.set_value(status); });
  rig_.Close();
  EXPECT_THAT(outcome.get_future().get(),
              Refused(StatusCode::kFailedPrecondition, v1::ErrorDetail::REASON_NOT_ARCHIVED));
}

// Without a lake, settings and requests about it have no effect.
TEST(NoArchiveTest, AHubWithoutALakeIgnoresTheSetting) {
  BrokerRig rig;
  ASSERT_THAT(rig.Open(), IsOk());
  EXPECT_EQ(rig.broker().archives(), nullptr);
  ASSERT_THAT(rig.Create("t"), IsOk());
  ASSERT_THAT(rig.Publish("t", {"a"}), IsOk());
  const auto topic = rig.broker().topics().Get(kTester, "t");
  EXPECT_FALSE(topic->has_archive());
  EXPECT_FALSE(rig.Describe("t").has_archived_offset());
  EXPECT_FALSE(rig.broker().GetStats(kTester).has_lake());
  EXPECT_THAT(rig.Delete("t"), IsOk());
}

}  // namespace
}  // namespace eventhub
