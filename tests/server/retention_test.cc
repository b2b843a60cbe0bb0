// Automatic maintenance: trims, expiry, reclaiming space, watching the disk.
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "server/core/maintenance/age_marks.h"
#include "storage/key_codec.h"
#include "storage/partition_log.h"
#include "tests/server/broker_rig.h"
#include "tests/server/retention_probe.h"
#include "tests/support/caller.h"
#include "tests/support/eventually.h"

namespace eventhub {
namespace {

using absl::StatusCode;
using testing::ElementsAre;
using testing::IsEmpty;
using testing::SizeIs;

constexpr absl::Duration kStep = absl::Milliseconds(1);

class RetentionTest : public testing::Test {
 protected:
  void SetUp() override {
    rig_.maintenance = MaintenanceOptions();
    rig_.maintenance->retention_interval = kStep;
    rig_.maintenance->producer_expiry_interval = kStep;
    rig_.maintenance->disk_check_interval = kStep;
    rig_.maintenance->clock_check_interval = kStep;
    rig_.maintenance->retention.producer_expiry = absl::Hours(1);
    rig_.maintenance->retention.reclaim_bytes = 1 << 20;
    ASSERT_THAT(rig_.Open(), IsOk());
    probe_.Create();
  }

  v1::Topic Create(uint32_t partitions, int64_t max_age_seconds, uint64_t max_bytes) {
    v1::Topic topic;
    topic.set_name("t");
    topic.set_partitions(partitions);
    if (max_age_seconds > 0) {
      topic.mutable_retention()->mutable_max_age()->set_seconds(max_age_seconds);
    }
    topic.mutable_retention()->set_max_bytes(max_bytes);
    EXPECT_THAT(rig_.Create(topic), IsOk());
    return topic;
  }

  // Advances time, by at least 2 s, and waits until all limits have been applied.
  void Pass(absl::Duration time) { probe_.Pass(time); }

  int64_t Start(uint32_t partition = 0) { return rig_.Describe("t", partition).start_offset(); }

  BrokerRig rig_;
  RetentionProbe probe_{rig_};
};

TEST_F(RetentionTest, TrimsByAge) {
  Create(1, /*max_age_seconds=*/20, 0);
  for (int i = 0; i < 10; ++i) {
    ASSERT_THAT(rig_.Publish("t", {"a", "b", "c"}), IsOk());
    Pass(absl::Seconds(2));
  }
  EXPECT_EQ(Start(), 0);  // The first batch is 20 s old, not older.
  Pass(absl::Seconds(2));
  EXPECT_EQ(Start(), 3);
  Pass(absl::Seconds(9));
  EXPECT_EQ(Start(), 18);
  rig_.Reopen();
  EXPECT_EQ(Start(), 18);
  EXPECT_EQ(rig_.Read("t")->Ids().size(), 12u);
  Pass(absl::Hours(1));
  EXPECT_EQ(Start(), 30);
  EXPECT_EQ(rig_.Describe("t").bytes(), 0u);
  EXPECT_TRUE(rig_.Read("t")->events.empty());
  EXPECT_EQ(rig_.Publish("t", {"d"}).value(), 30);
}

TEST_F(RetentionTest, TrimsOldestEventsOfAllPartitionsBySize) {
  const uint64_t each = EncodeEvent(MakeEvent("a", "", std::string(1000, 'x'))).size();
  Create(3, 0, 5 * each);
  const auto publish = [&](uint32_t partition) {
    v1::PublishStreamRequest request = MakeRequest("t", {});
    *request.add_events() = MakeEvent("a", "", std::string(1000, 'x'));
    request.set_partition(partition);
    ASSERT_THAT(rig_.Publish(request), IsOk());
    rig_.clock.Advance(absl::Microseconds(1));
  };
  const auto starts = [&] { return std::vector<int64_t>{Start(0), Start(1), Start(2)}; };
  for (const uint32_t partition : {0, 1, 0, 2, 2}) publish(partition);
  Pass(absl::Seconds(2));
  EXPECT_EQ(starts(), (std::vector<int64_t>{0, 0, 0}));
  publish(2);
  Pass(absl::Seconds(2));
  EXPECT_EQ(starts(), (std::vector<int64_t>{1, 0, 0}));
  publish(2);
  publish(1);
  Pass(absl::Seconds(2));
  EXPECT_EQ(starts(), (std::vector<int64_t>{2, 1, 0}));
  EXPECT_EQ(rig_.broker().topics().Get(kTester, "t")->stats().bytes(), 5 * each);
}

// A clock that was set back makes append times in the log stand still.
TEST_F(RetentionTest, TrimsEqualAppendTimesProportionally) {
  const uint64_t each = EncodeEvent(MakeEvent("a")).size();
  Create(2, 0, 6 * each);
  for (int i = 0; i < 8; ++i) ASSERT_THAT(rig_.Publish("t", {"a"}, i < 6 ? 0 : 1), IsOk());
  Pass(absl::Seconds(2));
  EXPECT_EQ(Start(0), 2);  // Each partition has its share of the room: one and a half, and a half.
  EXPECT_EQ(Start(1), 1);
}

TEST_F(RetentionTest, LimitsCombineAndApplyToStoredEvents) {
  v1::Topic topic = Create(1, 0, 0);
  for (int i = 0; i < 10; ++i) {
    ASSERT_THAT(rig_.Publish("t", {"a"}), IsOk());
    rig_.clock.Advance(absl::Seconds(1));
  }
  Pass(absl::Hours(1000));
  EXPECT_EQ(Start(), 0);
  topic.mutable_retention()->set_max_bytes(4 * EncodeEvent(MakeEvent("a")).size());
  ASSERT_THAT(rig_.Update(topic, {"retention.max_bytes"}), IsOk());
  Pass(absl::Seconds(2));
  EXPECT_EQ(Start(), 6);
  topic.mutable_retention()->mutable_max_age()->set_seconds(1000 * 3600 + 5);
  ASSERT_THAT(rig_.Update(topic, {"retention.max_age"}), IsOk());
  Pass(absl::Seconds(2));
  EXPECT_EQ(Start(), 9);
}

TEST_F(RetentionTest, ReaderOfTrimmedEventsLearnsEarliestOffset) {
  for (const size_t cache : {size_t{0}, size_t{1} << 20}) {
    rig_.Close();
    rig_.tail_cache_bytes = cache;
    ASSERT_THAT(rig_.Open(), IsOk());
    Create(1, /*max_age_seconds=*/10, 0);
    ASSERT_THAT(rig_.Publish("t", {"a", "b"}), IsOk());
    ASSERT_OK_AND_ASSIGN(const auto reader, rig_.broker().readers().Open(kTester, ReadOf("t")));
    Pass(absl::Seconds(20));
    ASSERT_THAT(rig_.Publish("t", {"c"}), IsOk());
    const auto refused = BrokerRig::Drain(*reader);
    EXPECT_THAT(refused,
                Refused(StatusCode::kOutOfRange, v1::ErrorDetail::REASON_OFFSET_OUT_OF_RANGE));
    EXPECT_EQ(DetailOf(refused.status())->earliest_offset(), 2);
    EXPECT_EQ(DetailOf(refused.status())->end_offset(), 3);
    v1::ReadRequest request = ReadOf("t");
    request.mutable_start()->set_offset(1);
    EXPECT_THAT(rig_.Read(request), StatusIs(StatusCode::kOutOfRange));
    request.mutable_start()->set_offset(2);
    EXPECT_THAT(rig_.Read(request)->Ids(), testing::ElementsAre("c"));
    ASSERT_THAT(rig_.Delete("t"), IsOk());
  }
}

TEST_F(RetentionTest, ReclaimsSpaceOfTrimmedAndDeletedTopics) {
  const auto fill = [&] {
    for (int i = 0; i < 40; ++i) {
      v1::PublishStreamRequest request = MakeRequest("t", {});
      *request.add_events() = MakeEvent("a", "", std::string(200'000, static_cast<char>(i)));
      request.set_durability(v1::DURABILITY_WRITTEN);
      ASSERT_THAT(rig_.Publish(request), IsOk());
    }
    ASSERT_GT(rig_.broker().GetStats(kTester).disk_bytes(), 8'000'000u);
  };
  const auto is_back = [&] { return rig_.broker().GetStats(kTester).disk_bytes() < 2'000'000; };
  Create(1, /*max_age_seconds=*/10, 0);
  fill();
  Pass(absl::Seconds(20));
  EXPECT_TRUE(Eventually(is_back));
  fill();
  ASSERT_THAT(rig_.Delete("t"), IsOk());
  EXPECT_TRUE(Eventually(is_back));
}

TEST_F(RetentionTest, ForgetsIdleProducers) {
  Create(1, 0, 0);
  const auto publish = [&](const std::string& producer, uint64_t sequence) {
    v1::PublishStreamRequest request = MakeRequest("t", {producer});
    request.set_producer_id(producer);
    request.set_sequence(sequence);
    return rig_.Publish(request);
  };
  ASSERT_THAT(publish("idle", 0), IsOk());
  ASSERT_THAT(publish("idle", 1), IsOk());
  ASSERT_THAT(publish("busy", 0), IsOk());
  rig_.clock.Advance(absl::Minutes(40));
  ASSERT_THAT(publish("busy", 1), IsOk());
  EXPECT_TRUE(publish("idle", 0)->duplicate());  // A retry does not count as activity.
  rig_.clock.Advance(absl::Minutes(40));
  ASSERT_TRUE(Eventually([&] { return !publish("idle", 0)->duplicate(); }));
  EXPECT_TRUE(publish("busy", 0)->duplicate());
  EXPECT_TRUE(publish("busy", 1)->duplicate());
  // The removed producer starts anew, and none of its former state is left.
  EXPECT_FALSE(publish("idle", 1)->duplicate());
  rig_.Reopen();
  EXPECT_TRUE(publish("idle", 1)->duplicate());
  EXPECT_EQ(publish("idle", 1)->placements(0).base_offset(), 5);
  EXPECT_TRUE(publish("busy", 0)->duplicate());
}

TEST_F(RetentionTest, ForgetsIdleProducersInBatches) {
  Create(1, 0, 0);
  constexpr int kProducers = 2000;
  const auto publish = [&](int producer) {
    v1::PublishStreamRequest request = MakeRequest("t", {"a"});
    request.set_producer_id(absl::StrCat("p", producer));
    request.set_durability(v1::DURABILITY_WRITTEN);
    return rig_.Publish(request);
  };
  for (int i = 0; i < kProducers; ++i) ASSERT_THAT(publish(i), IsOk());
  const uint64_t commits = rig_.broker().GetStats(kTester).commits();
  rig_.clock.Advance(absl::Hours(2));
  // The longest names come last.
  ASSERT_TRUE(Eventually([&] { return !publish(1999)->duplicate(); }));
  EXPECT_GE(rig_.broker().GetStats(kTester).commits() - commits, uint64_t{kProducers / 64});
  EXPECT_FALSE(publish(0)->duplicate());
}

TEST_F(RetentionTest, TrimsManyPartitionsInBatches) {
  constexpr uint32_t kPartitions = 600;
  Create(kPartitions, /*max_age_seconds=*/10, 0);
  for (uint32_t i = 0; i < kPartitions; ++i) {
    v1::PublishStreamRequest request = MakeRequest("t", {"a"});
    request.set_partition(i);
    request.set_durability(v1::DURABILITY_WRITTEN);
    ASSERT_THAT(rig_.Publish(request), IsOk());
  }
  Pass(absl::Seconds(20));
  for (uint32_t i = 0; i < kPartitions; i += 7) ASSERT_EQ(Start(i), 1) << i;
  rig_.Reopen();
  for (uint32_t i = 0; i < kPartitions; i += 7) ASSERT_EQ(Start(i), 1) << i;
}

class ClockJumpTest : public RetentionTest {
 protected:
  static constexpr absl::Duration kDecade = absl::Hours(24 * 3653);

  int64_t LastAppendSeconds() { return rig_.Describe("t").last_append_time().seconds(); }
  bool doubted() { return !rig_.broker().GetStats(kTester).clock_doubt().empty(); }
};

TEST_F(ClockJumpTest, JumpDeletesNothing) {
  Create(1, /*max_age_seconds=*/7 * 24 * 3600, 0);
  ASSERT_THAT(rig_.Publish("t", {"a", "b"}), IsOk());
  const int64_t before = LastAppendSeconds();
  rig_.clock.Jump(kDecade);
  EXPECT_TRUE(doubted());
  ASSERT_THAT(rig_.Publish("t", {"c"}), IsOk());
  EXPECT_EQ(LastAppendSeconds(), before);  // Nor do append times of the partition run ahead.
  // Several passes of retention run.
  for (int i = 0; i < 20; ++i) {
    rig_.clock.Advance(absl::Minutes(1));
    probe_.Publish();
  }
  EXPECT_EQ(Start(), 0);
  rig_.clock.Jump(-kDecade);
  EXPECT_FALSE(doubted());
  Pass(absl::Seconds(2));
  EXPECT_EQ(Start(), 0);
  EXPECT_THAT(rig_.Read("t")->Ids(), testing::ElementsAre("a", "b", "c"));
}

TEST_F(ClockJumpTest, OperatorConfirmsClock) {
  Create(1, /*max_age_seconds=*/7 * 24 * 3600, 0);
  ASSERT_THAT(rig_.Publish("t", {"a"}), IsOk());
  rig_.clock.Jump(kDecade);
  EXPECT_TRUE(doubted());
  EXPECT_EQ(rig_.broker().ConfirmClock(kTester), rig_.clock.Now());
  EXPECT_FALSE(doubted());
  rig_.clock.Advance(kStep);
  EXPECT_TRUE(Eventually([&] { return Start() == 1; }));
}

// After a clock was set back, append times stay in the future. Events age nevertheless, also across
// a restart.
TEST_F(ClockJumpTest, EventsAgeAfterClockWasSetBack) {
  Create(1, /*max_age_seconds=*/7 * 24 * 3600, 0);
  rig_.clock.Jump(kDecade);
  EXPECT_EQ(rig_.broker().ConfirmClock(kTester), rig_.clock.Now());
  ASSERT_THAT(rig_.Publish("t", {"a"}), IsOk());
  probe_.Publish();
  rig_.clock.Jump(-kDecade);
  EXPECT_EQ(rig_.broker().ConfirmClock(kTester), rig_.clock.Now());
  ASSERT_THAT(rig_.Publish("t", {"b"}), IsOk());
  EXPECT_GT(rig_.Describe("t").last_append_time().seconds(),
            absl::ToUnixSeconds(rig_.clock.Now() + absl::Hours(1)));
  // The probe has a maximum age of one second and is trimmed last, so it is trimmed in the second
  // pass at the earliest.
  const auto await_passes = [&] {
    probe_.Publish();
    ASSERT_TRUE(Eventually([&] {
      rig_.clock.Advance(absl::Seconds(2));
      return probe_.IsTrimmed();
    }));
  };
  await_passes();
  rig_.clock.Advance(absl::Hours(6 * 24));
  await_passes();
  EXPECT_EQ(Start(), 0);
  ASSERT_THAT(rig_.Publish("t", {"c"}), IsOk());
  await_passes();
  rig_.Reopen();
  rig_.clock.Advance(absl::Hours(2 * 24));
  await_passes();
  EXPECT_EQ(Start(), 2);
  rig_.clock.Advance(absl::Hours(7 * 24));
  await_passes();
  EXPECT_EQ(Start(), 3);
}

// A partition whose last event is from the future.
class AgeMarksTest : public testing::Test {
 protected:
  AgeMarksTest() {
    auto settings = std::make_shared<v1::Topic>();
    settings->mutable_retention()->mutable_max_age()->set_seconds(8 * 3600);
    view_.settings = std::move(settings);
    view_.partitions = {&log_};
    Append();
  }

  void Append() {
    RecordBatch batch;
    batch.base = log_.end();
    batch.header.count = 10;
    batch.header.append_micros = absl::ToUnixMicros(begin_ + absl::Hours(10'000));
    log_.Stage(batch, 0);
    log_.MakeVisible(batch);
  }
  // The marks after a pass at this time; empty if nothing changed.
  std::vector<AgeMark> Pass(absl::Duration time) {
    const std::vector<AgeMarks::Change> changes = marks_.Due(view_, begin_ + time);
    if (changes.empty()) return {};
    marks_.Apply(changes[0]);
    return changes[0].marks;
  }

  const absl::Time begin_ = absl::FromUnixSeconds(1'800'000'000);
  Watermark mark_;
  VisibleCommits commits_;
  PartitionLog log_{TopicId(1), PartitionId(0), LogBounds(), mark_, commits_};
  TopicView view_;
  AgeMarks marks_;
};

TEST_F(AgeMarksTest, AreAnEighthOfTheAgeApart) {
  EXPECT_THAT(Pass(absl::ZeroDuration()), SizeIs(1));
  Append();
  EXPECT_THAT(Pass(absl::Minutes(59)), IsEmpty());
  EXPECT_THAT(Pass(absl::Minutes(60)), SizeIs(2));
  EXPECT_THAT(Pass(absl::Hours(5)), IsEmpty()) << "there are no new events";
  EXPECT_FALSE(marks_.AppendedUntil(log_, begin_ - absl::Seconds(1)).has_value());
  EXPECT_EQ(marks_.AppendedUntil(log_, begin_ + absl::Minutes(59)), Offset(10));
  EXPECT_EQ(marks_.AppendedUntil(log_, begin_ + absl::Minutes(60)), Offset(20));
}

TEST_F(AgeMarksTest, GoWithTheirEventsAndWhenTheClockIsSetBackAgain) {
  EXPECT_THAT(Pass(absl::ZeroDuration()), SizeIs(1));
  Append();
  EXPECT_THAT(Pass(absl::Hours(2)), SizeIs(2));
  log_.SetStart({Offset(10), 0});
  EXPECT_THAT(Pass(absl::Hours(3)), ElementsAre(AgeMark{Offset(20), begin_ + absl::Hours(2)}));
  EXPECT_THAT(Pass(absl::Hours(1)), ElementsAre(AgeMark{Offset(20), begin_ + absl::Hours(1)}))
      << "the mark of a time that is to come says nothing";
}

TEST(AgeMarks, EncodingIsStable) {
  const std::vector<AgeMark> marks = {{Offset(0x0102), absl::FromUnixMicros(0x0304)},
                                      {Offset(0x05), absl::FromUnixMicros(0x06)}};
  EXPECT_EQ(absl::BytesToHexString(AgeMarksKey(TopicId(1), PartitionId(2))), "610000000100000002");
  EXPECT_EQ(absl::BytesToHexString(EncodeAgeMarks(marks)),
            "01000000"
            "02010000000000000403000000000000"
            "05000000000000000600000000000000");
  ASSERT_OK_AND_ASSIGN(const std::vector<AgeMark> decoded, DecodeAgeMarks(EncodeAgeMarks(marks)));
  EXPECT_EQ(decoded, marks);
  EXPECT_THAT(DecodeAgeMarks(EncodeAgeMarks(marks) + "x"), StatusIs(absl::StatusCode::kDataLoss));
  EXPECT_THAT(DecodeAgeMarks(absl::string_view("\2\0\0\0", 4)),
              StatusIs(absl::StatusCode::kDataLoss));
}

TEST_F(ClockJumpTest, StartWithWrongClockDeletesNothing) {
  Create(1, /*max_age_seconds=*/7 * 24 * 3600, 0);
  ASSERT_THAT(rig_.Publish("t", {"a"}), IsOk());
  rig_.Close();
  rig_.clock.Jump(kDecade);
  ASSERT_THAT(rig_.Open(), IsOk());
  EXPECT_TRUE(doubted());
  rig_.Reopen();  // Again: the time of a doubted clock is not recorded.
  EXPECT_TRUE(doubted());
  EXPECT_EQ(Start(), 0);
  rig_.clock.Jump(-kDecade);
  rig_.Reopen();
  EXPECT_FALSE(doubted());
  EXPECT_EQ(Start(), 0);
}

TEST_F(ClockJumpTest, RestartWithinDoubtedFirstMinuteDeletesNothing) {
  Create(1, /*max_age_seconds=*/7 * 24 * 3600, 0);
  ASSERT_THAT(rig_.Publish("t", {"a"}), IsOk());
  // The disk is checked after the clock: both are checked by one thread.
  rig_.disk.SetFreeSpace(0);
  rig_.clock.Advance(absl::Seconds(2));
  ASSERT_TRUE(Eventually([&] { return !rig_.broker().writable().ok(); }));
  rig_.disk.SetFreeSpace(uint64_t{10} << 30);
  rig_.clock.Jump(kDecade);
  EXPECT_TRUE(doubted());
  rig_.Reopen();
  EXPECT_TRUE(doubted());
  EXPECT_EQ(Start(), 0);
}

// Compaction may take long on the very disk that is running full.
TEST_F(RetentionTest, ChecksDiskDuringReclaim) {
  Create(1, 0, 0);
  ASSERT_THAT(rig_.Publish("t", {"a"}), IsOk());
  rig_.disk.HoldSyncs(".sst");
  ASSERT_THAT(rig_.Delete("t"), IsOk());
  ASSERT_TRUE(Eventually([&] { return rig_.disk.held_syncs() > 0; }));
  rig_.disk.SetFreeSpace(0);
  rig_.clock.Advance(kStep);
  EXPECT_TRUE(Eventually([&] { return !rig_.broker().writable().ok(); }));
  rig_.disk.SetFreeSpace(uint64_t{10} << 30);
  rig_.clock.Advance(kStep);
  EXPECT_TRUE(Eventually([&] { return rig_.broker().writable().ok(); }));
  EXPECT_GT(rig_.disk.held_syncs(), 0);
  rig_.disk.ReleaseSyncs();
}

// Accepted bytes count between two checks of the disk.
TEST_F(RetentionTest, AcceptedBytesCountAgainstFreeSpace) {
  Create(1, 0, 0);
  const auto publish = [&] {
    v1::PublishStreamRequest request = MakeRequest("t", {});
    *request.add_events() = MakeEvent("a", "", std::string(1'000'000, 'x'));
    request.set_durability(v1::DURABILITY_WRITTEN);
    return rig_.Publish(request);
  };
  // The clock stands still, so only publishers check the disk.
  rig_.disk.SetFreeSpace((uint64_t{256} << 20) + 40'000'000);
  rig_.clock.Advance(kStep);
  ASSERT_TRUE(Eventually([&] { return publish().ok(); }));
  int accepted = 1;
  while (accepted < 100 && publish().ok()) ++accepted;
  // The test's disk does not shrink, but data in memory will be written once more.
  EXPECT_LE(accepted, 40);
  EXPECT_GE(accepted, 10);
  EXPECT_THAT(publish(),
              Refused(StatusCode::kResourceExhausted, v1::ErrorDetail::REASON_DISK_FULL));
}

TEST_F(RetentionTest, RejectsWritesOnFullDisk) {
  Create(1, 0, 0);
  ASSERT_THAT(rig_.Publish("t", {"a"}), IsOk());
  // A disk without a single free byte is full, too.
  for (const uint64_t free : {uint64_t{100} << 20, uint64_t{0}}) {
    rig_.disk.SetFreeSpace(free);
    rig_.clock.Advance(kStep);
    ASSERT_TRUE(Eventually([&] { return !rig_.broker().writable().ok(); }));
    const auto refused = rig_.Publish("t", {"b"});
    EXPECT_THAT(refused,
                Refused(StatusCode::kResourceExhausted, v1::ErrorDetail::REASON_DISK_FULL));
    EXPECT_GT(DetailOf(refused.status())->retry_delay().seconds(), 0);
    EXPECT_TRUE(Eventually([&] { return !rig_.said_writable().ok(); }));
    EXPECT_FALSE(rig_.broker().GetStats(kTester).writable());
    EXPECT_EQ(rig_.broker().GetStats(kTester).disk_free_bytes(), free);
    EXPECT_THAT(rig_.Read("t")->Ids(), testing::ElementsAre("a"));

    rig_.disk.SetFreeSpace(uint64_t{10} << 30);
    rig_.clock.Advance(kStep);
    ASSERT_TRUE(Eventually([&] { return rig_.said_writable().ok(); }));
    EXPECT_THAT(rig_.broker().writable(), IsOk());
  }
  EXPECT_EQ(rig_.Publish("t", {"b"}).value(), 1);
}

// Work in progress is finished when the broker is destroyed.
TEST_F(RetentionTest, DestructorFinishesWorkInProgress) {
  for (int i = 0; i < 20; ++i) {
    Create(3, 1, 1000);
    ASSERT_THAT(rig_.Publish("t", {"a", "b"}), IsOk());
    rig_.clock.Advance(absl::Hours(2));
    absl::Status deleted = absl::UnknownError("not called");
    v1::DeleteTopicRequest request;
    request.set_name("t");
    rig_.broker().topics().Delete(kTester, request,
                                  [&](const absl::Status& status) { deleted = status; });
    rig_.Reopen();
    EXPECT_THAT(deleted, IsOk());
    EXPECT_THAT(rig_.Read("t"), StatusIs(StatusCode::kNotFound));
  }
  // Jumps of the clock may make a job seem too long.
  EXPECT_THAT(rig_.background_errors(),
              testing::Each(StatusIs(StatusCode::kDeadlineExceeded, "took longer than")));
}

}  // namespace
}  // namespace eventhub
