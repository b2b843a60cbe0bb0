// A subscription's cursor in a partition, case by case. Random operations, and a comparison with a
// model, are in cursor_model_test.cc.
#include "server/core/subscription/cursor/partition_cursor.h"

#include <limits>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/server/cursor_rig.h"
#include "tests/support/sanitizers.h"

namespace eventhub {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using Ranges = std::vector<std::pair<int64_t, int64_t>>;

constexpr int64_t kNever = std::numeric_limits<int64_t>::max();
constexpr ConsumerId kOne{1};
constexpr ConsumerId kTwo{2};
constexpr uint64_t kKey = 77;

class PartitionCursorTest : public testing::Test {
 protected:
  PartitionCursor& cursor() { return *rig_.cursor; }

  void Deliver(ConsumerId consumer, uint32_t count, int64_t due = kNever) {
    rig_.Deliver(rules_, consumer, count, due);
  }
  // The events to be delivered next.
  std::pair<int64_t, int64_t> Next(bool extra = false) {
    const std::optional<Candidate> next = cursor().Next(rules_, extra ? Flow::kExtra : Flow::kLive);
    if (!next.has_value()) return {-1, -1};
    return {next->start.value(), next->end.value()};
  }

  // Settling operations return the refused events.
  Ranges Ack(ConsumerId consumer, int64_t from, int64_t to) {
    Ranges refused;
    const auto note = [&](Offset a, Offset b) { refused.emplace_back(a.value(), b.value()); };
    cursor().Ack(rules_.queue, consumer, Offset(from), Offset(to), note, &effects_);
    rig_.Complete(&effects_);
    return refused;
  }
  Ranges Retry(ConsumerId consumer, int64_t from, int64_t to, int64_t at = 0,
               const std::string& reason = "") {
    Ranges refused;
    const auto note = [&](Offset a, Offset b) { refused.emplace_back(a.value(), b.value()); };
    cursor().Retry(
        rules_, consumer, cursor().epoch(), Offset(from), Offset(to), [at](uint32_t) { return at; },
        0, reason, note, &effects_);
    return refused;
  }
  Ranges Park(ConsumerId consumer, int64_t from, int64_t to, const std::string& reason) {
    Ranges refused;
    const auto note = [&](Offset a, Offset b) { refused.emplace_back(a.value(), b.value()); };
    cursor().Park(consumer, Offset(from), Offset(to), reason, note, &effects_);
    return refused;
  }
  int64_t Replay(Offset from, Offset to) {
    const int64_t events = cursor().AddReplay(from, to, &effects_);
    rig_.Complete(&effects_);
    return events;
  }
  void Redrive(Offset event, const DeadLetterPlace& place) {
    cursor().AddRedriven(event, place, &effects_);
    rig_.Complete(&effects_);
  }
  // A seek in pieces of at most `ranges`; returns their number.
  int Seek(int64_t next, std::vector<UnsettledRange> unsettled, size_t ranges = SIZE_MAX) {
    cursor().BeginSeek(Offset(next), std::move(unsettled));
    for (int pieces = 1;; ++pieces) {
      size_t left = ranges;
      if (cursor().ContinueSeek(rules_, &left, &effects_)) return pieces;
    }
  }
  uint32_t AttemptsOf(int64_t event) {
    return cursor().pending().At(Offset(event))->second.attempts;
  }
  // Delivers a single event if its key allows it.
  bool DeliverKeyed(ConsumerId consumer, uint64_t key) {
    const std::optional<Candidate> next = cursor().Next(rules_, Flow::kLive);
    if (!next.has_value()) return false;
    if (cursor().AdmitKey(next->start, key)) {
      cursor().Lease(*next, next->start, 1, CursorRig::kEventBytes, consumer, kNever);
      return true;
    }
    cursor().Block(*next, next->start);
    return false;
  }

  CursorRig rig_;
  DeliveryRules rules_;
  Effects effects_;
};

class StreamCursorTest : public PartitionCursorTest {};

class QueueCursorTest : public PartitionCursorTest {
 protected:
  QueueCursorTest() { rules_.queue = true; }
};

TEST_F(StreamCursorTest, AckIsCumulative) {
  rig_.Grow(10);
  Deliver(kOne, 8);
  EXPECT_THAT(Ack(kOne, 4, 5), IsEmpty());
  EXPECT_EQ(cursor().acked(), Offset(5));
  EXPECT_EQ(effects_.acked, 5);
  EXPECT_THAT(Ack(kOne, 0, 5), IsEmpty());
  EXPECT_EQ(effects_.acked, 5);
  // Undelivered events cannot be acked.
  EXPECT_THAT(Ack(kOne, 0, 100), ElementsAre(std::pair(8, 100)));
  EXPECT_EQ(cursor().acked(), Offset(8));
  EXPECT_EQ(cursor().LagUpTo(rig_.log.end()), 2);
}

TEST_F(StreamCursorTest, RejectsAckWithoutLease) {
  rig_.Grow(3);
  Deliver(kOne, 3);
  EXPECT_THAT(Ack(kTwo, 0, 3), ElementsAre(std::pair(0, 3)));
  EXPECT_EQ(cursor().acked(), Offset(0));
  EXPECT_EQ(effects_.acked, 0);
}

TEST_F(StreamCursorTest, RetryRewindsPartition) {
  rig_.Grow(10);
  Deliver(kOne, 6);
  EXPECT_THAT(Retry(kOne, 2, 4, /*at=*/50, "busy"), IsEmpty());
  EXPECT_EQ(effects_.nacked, 1);
  // Nothing overtakes it, although more events are available.
  EXPECT_EQ(Next(), std::pair(int64_t{-1}, int64_t{-1}));
  // A late ack does not cover later events, but covers earlier ones.
  EXPECT_THAT(Ack(kOne, 0, 6), ElementsAre(std::pair(2, 3), std::pair(3, 6)));
  EXPECT_EQ(cursor().acked(), Offset(2));
  cursor().Expire(rules_, 50, &effects_);
  EXPECT_EQ(Next(), std::pair(int64_t{2}, int64_t{3}));
  Deliver(kOne, 100);
  EXPECT_EQ(cursor().next(), Offset(10));
  EXPECT_EQ(AttemptsOf(2), 2u);
  EXPECT_EQ(AttemptsOf(5), 1u);
  EXPECT_EQ(cursor().pending().At(Offset(9))->second.attempts, 1);
}

TEST_F(StreamCursorTest, TrimmedParkedEventIsLostOnceVisible) {
  rig_.Grow(2);
  Deliver(kOne, 2);
  EXPECT_THAT(Park(kOne, 0, 1, "poison"), IsEmpty());
  effects_ = {};
  cursor().LoseParked(Offset(0), &effects_);
  EXPECT_EQ(cursor().lost(), 0u);
  EXPECT_EQ(effects_.lost, 0);
  EXPECT_THAT(effects_.trimmed, IsEmpty());
  rig_.Complete(&effects_);
  EXPECT_EQ(cursor().lost(), 1u);
  EXPECT_EQ(effects_.lost, 1);
  EXPECT_THAT(effects_.trimmed, ElementsAre(std::pair(Offset(0), Offset(1))));
}

TEST_F(StreamCursorTest, ParkedEventDoesNotBlockOthers) {
  rig_.Grow(5);
  Deliver(kOne, 4);
  EXPECT_THAT(Park(kOne, 1, 2, "poison"), IsEmpty());
  EXPECT_EQ(Next(), std::pair(int64_t{4}, int64_t{5}));
  EXPECT_THAT(Ack(kOne, 0, 4), IsEmpty());
  EXPECT_EQ(effects_.acked, 3);
  EXPECT_EQ(cursor().acked(), Offset(1));
  ASSERT_EQ(effects_.parked.size(), 1u);
  EXPECT_EQ(*effects_.parked[0].reason, "poison");
  cursor().FinishParking(Offset(1), 1, &effects_);
  rig_.Complete(&effects_);
  EXPECT_EQ(cursor().acked(), Offset(4));
}

// Later events were never started.
TEST_F(StreamCursorTest, NackCountsAttemptOfItsEventOnly) {
  rules_.max_attempts = 3;
  rig_.Grow(10);
  for (uint32_t attempt = 1; attempt <= 3; ++attempt) {
    Deliver(kOne, 10);
    EXPECT_EQ(AttemptsOf(0), attempt);
    Retry(kOne, 0, 1);
  }
  ASSERT_EQ(effects_.parked.size(), 1u);
  EXPECT_EQ(effects_.parked[0].count, 1u);
  EXPECT_EQ(effects_.parked[0].attempts, 3u);
  const std::optional<Candidate> next = cursor().Next(rules_, Flow::kLive);
  EXPECT_EQ(next->start, Offset(1));
  EXPECT_EQ(next->end, Offset(10));
  EXPECT_EQ(next->attempts, 0u);
  EXPECT_TRUE(next->redelivered);
}

TEST_F(StreamCursorTest, ConsumerEndCountsAttemptOfFirstEventOnly) {
  rules_.max_attempts = 5;
  rig_.Grow(10);
  Deliver(kOne, 10);
  Ack(kOne, 0, 4);
  cursor().Fail(rules_, kOne, "gone", &effects_);
  EXPECT_EQ(AttemptsOf(4), 1u);
  EXPECT_EQ(AttemptsOf(5), 0u);
  EXPECT_EQ(AttemptsOf(9), 0u);
}

// Either by a crash of the hub, or by a stop.
TEST_F(StreamCursorTest, HubStopCountsNoAttempt) {
  rules_.max_attempts = 1;
  rig_.Grow(2);
  Deliver(kOne, 2);
  cursor().Recall(rules_, kOne, &effects_);
  EXPECT_EQ(AttemptsOf(0), 0u);
  Deliver(kOne, 2);
  rig_.Reopen(1000, 1000, 10);
  cursor().ParkExhausted(rules_, false, "", &effects_);
  EXPECT_THAT(effects_.parked, IsEmpty());
  EXPECT_EQ(AttemptsOf(0), 0u);
  EXPECT_TRUE(cursor().Next(rules_, Flow::kLive)->redelivered);
}

// Whichever event crashes the consumers, after a few crashes it is the first in flight.
TEST_F(StreamCursorTest, BisectsEventsAfterConsumerCrashes) {
  constexpr int64_t kPoison = 50;
  constexpr int64_t kEvents = 100;
  rules_.max_attempts = 3;
  rig_.Grow(kEvents);
  int ends = 0;
  while (effects_.parked.empty()) {
    ASSERT_LE(ends, 10);
    const bool alone = cursor().pending().counts().alone > 0;
    const std::optional<Candidate> next =
        cursor().Next(rules_, alone ? Flow::kIsolated : Flow::kLive);
    ASSERT_TRUE(next.has_value());
    cursor().Lease(*next, next->start, static_cast<uint32_t>(next->end - next->start),
                   CursorRig::kEventBytes, kOne, kNever);
    if (next->start <= Offset(kPoison) && Offset(kPoison) < next->end) {
      cursor().Fail(rules_, kOne, "gone", &effects_);
      ++ends;
    } else {
      Ack(kOne, next->start.value(), next->end.value());
    }
  }
  EXPECT_LE(ends, 10);  // log2(kEvents), and its attempts.
  ASSERT_EQ(effects_.parked.size(), 1u);
  EXPECT_EQ(effects_.parked[0].start, Offset(kPoison));
  EXPECT_EQ(effects_.parked[0].count, 1u);
  // Soon they are in flight together again.
  cursor().FinishParking(Offset(kPoison), 1, &effects_);
  rig_.Complete(&effects_);
  int deliveries = 0;
  for (; cursor().acked() < Offset(kEvents); ++deliveries) {
    Deliver(kOne, kEvents);
    Ack(kOne, 0, cursor().next().value());
    ASSERT_LT(deliveries, 100);
  }
  EXPECT_LE(deliveries, 8);
}

// It may crash its consumer: then no other event is parked with it.
TEST_F(StreamCursorTest, LastAttemptIsIsolated) {
  rules_.max_attempts = 2;
  rig_.Grow(6);
  Deliver(kOne, 3);
  cursor().Fail(rules_, kOne, "gone", &effects_);
  EXPECT_EQ(Next().first, -1);
  const std::optional<Candidate> alone = cursor().Next(rules_, Flow::kIsolated);
  ASSERT_TRUE(alone.has_value());
  EXPECT_EQ(alone->start, Offset(0));
  EXPECT_EQ(alone->end, Offset(1));
  cursor().Lease(*alone, alone->start, 1, CursorRig::kEventBytes, kOne, kNever);
  EXPECT_EQ(Next().first, -1);
  cursor().Fail(rules_, kOne, "gone", &effects_);
  ASSERT_EQ(effects_.parked.size(), 1u);
  EXPECT_EQ(effects_.parked[0].count, 1u);
  EXPECT_EQ(effects_.parked[0].attempts, 2u);
  EXPECT_EQ(Next().first, 1);
  EXPECT_EQ(AttemptsOf(1), 0u);
}

// Other events were in flight with it and may be to blame.
TEST_F(StreamCursorTest, RepeatsLastAttemptThatWasNotIsolated) {
  rules_.max_attempts = 2;
  rig_.Grow(1);
  Deliver(kOne, 1);
  Retry(kOne, 0, 1);
  Deliver(kOne, 1);
  cursor().Fail(rules_, kOne, "gone", &effects_);
  EXPECT_THAT(effects_.parked, IsEmpty());
  const std::optional<Candidate> alone = cursor().Next(rules_, Flow::kIsolated);
  ASSERT_TRUE(alone.has_value());
  EXPECT_EQ(alone->attempts, 1u);
  cursor().Lease(*alone, alone->start, 1, CursorRig::kEventBytes, kOne, kNever);
  cursor().Fail(rules_, kOne, "gone", &effects_);
  EXPECT_EQ(effects_.parked.size(), 1u);
}

TEST_F(StreamCursorTest, LoweredLimitCountsOnlyOwnFailures) {
  rig_.Grow(10);
  for (int i = 0; i < 5; ++i) {
    Deliver(kOne, 10);
    Retry(kOne, 0, 1);
  }
  rules_.max_attempts = 3;
  cursor().ParkExhausted(rules_, true, "lowered", &effects_);
  ASSERT_EQ(effects_.parked.size(), 1u);
  EXPECT_EQ(effects_.parked[0].start, Offset(0));
  EXPECT_EQ(effects_.parked[0].count, 1u);
  EXPECT_EQ(Next(), std::pair(int64_t{1}, int64_t{10}));
}

// Hubs that did not write `delivered` counted deliveries, including one that was in progress when
// they stopped.
TEST_F(QueueCursorTest, LoadsRangesWrittenByOlderHubs) {
  rules_.max_attempts = 3;
  rig_.Grow(3);
  stored::Cursor place;
  place.set_version(1);
  place.set_next_offset(3);
  cursor().Load(place);
  stored::Range range;
  range.set_version(1);
  range.set_count(2);
  range.set_attempts(3);
  ASSERT_TRUE(cursor().Load(Offset(0), range, /*wall_offset=*/0, /*now=*/0));
  range.set_count(1);
  range.set_attempts(0);
  ASSERT_TRUE(cursor().Load(Offset(2), range, 0, 0));
  cursor().ParkExhausted(rules_, false, "", &effects_);
  EXPECT_THAT(effects_.parked, IsEmpty());
  const std::optional<Candidate> next = cursor().Next(rules_, Flow::kLive);
  ASSERT_TRUE(next.has_value());
  EXPECT_EQ(next->end, Offset(2));
  EXPECT_EQ(next->attempts, 2u);
  EXPECT_TRUE(next->redelivered);
  EXPECT_EQ(AttemptsOf(2), 0u);
}

TEST_F(QueueCursorTest, LoweredLimitGrantsIsolatedAttemptAfterCrashes) {
  rig_.Grow(2);
  for (int i = 0; i < 5; ++i) {
    Deliver(kOne, 2);
    cursor().Fail(rules_, kOne, "gone", &effects_);
  }
  rules_.max_attempts = 3;
  cursor().ParkExhausted(rules_, true, "lowered", &effects_);
  EXPECT_THAT(effects_.parked, IsEmpty());
  const std::optional<Candidate> alone = cursor().Next(rules_, Flow::kIsolated);
  ASSERT_TRUE(alone.has_value());
  EXPECT_EQ(alone->end - alone->start, 1);
  EXPECT_EQ(alone->attempts, 2u);
  // The store records that it must be isolated.
  rig_.Reopen(1000, 1000, 10);
  cursor().ParkExhausted(rules_, false, "", &effects_);
  EXPECT_THAT(effects_.parked, IsEmpty());
  EXPECT_EQ(cursor().pending().counts().alone, 2);
}

// One failing event must not make all events of a replay dead letters.
TEST_F(StreamCursorTest, LastAttemptOfReplayIsIsolated) {
  rules_.max_attempts = 2;
  rig_.Grow(6);
  Deliver(kOne, 6);
  Ack(kOne, 0, 6);
  rig_.Complete(&effects_);
  ASSERT_EQ(Replay(Offset(0), Offset(6)), 6);
  rig_.Deliver(rules_, kOne, 6, kNever, /*extra=*/true);
  cursor().Fail(rules_, kOne, "gone", &effects_);
  EXPECT_THAT(effects_.parked, IsEmpty());
  const std::optional<Candidate> alone = cursor().Next(rules_, Flow::kIsolated);
  ASSERT_TRUE(alone.has_value());
  cursor().Lease(*alone, alone->start, 1, CursorRig::kEventBytes, kOne, kNever);
  cursor().Fail(rules_, kOne, "gone", &effects_);
  ASSERT_EQ(effects_.parked.size(), 1u);
  EXPECT_EQ(effects_.parked[0].count, 1u);
}

TEST_F(StreamCursorTest, ReplayedEventsAreAckedIndividually) {
  rig_.Grow(10);
  Deliver(kOne, 10);
  Ack(kOne, 0, 8);
  Replay(Offset(0), Offset(8));
  rig_.Deliver(rules_, kOne, 8, kNever, /*extra=*/true);
  EXPECT_THAT(Ack(kOne, 9, 10), IsEmpty());
  EXPECT_EQ(cursor().pending().counts().live, 0);
  EXPECT_EQ(cursor().pending().counts().extra, 8);
  // Part of the events that were delivered together.
  EXPECT_THAT(Ack(kOne, 5, 8), IsEmpty());
  EXPECT_EQ(cursor().pending().counts().extra, 5);
  EXPECT_EQ(cursor().LagUpTo(rig_.log.end()), 0);
}

TEST_F(QueueCursorTest, AcksOnlyNamedLeasedEvents) {
  rig_.Grow(10);
  Deliver(kOne, 5);
  Deliver(kTwo, 5);
  EXPECT_THAT(Ack(kOne, 3, 7), ElementsAre(std::pair(5, 7)));
  EXPECT_THAT(Ack(kOne, 3, 5), ElementsAre(std::pair(3, 5)));
  EXPECT_EQ(effects_.acked, 2);
  EXPECT_THAT(Ack(kTwo, 5, 10), IsEmpty());
  EXPECT_EQ(cursor().LagUpTo(rig_.log.end()), 3);
  EXPECT_EQ(cursor().acked(), Offset(0));
}

TEST_F(QueueCursorTest, LeaseEndsUnlessExtended) {
  rig_.Grow(4);
  Deliver(kOne, 4, /*due=*/100);
  cursor().Extend(
      kOne, Offset(2), Offset(4), 200, [](Offset, Offset) { FAIL(); }, &effects_);
  EXPECT_EQ(cursor().pending().next_due(), 100);
  cursor().Expire(rules_, 150, &effects_);
  EXPECT_EQ(effects_.expired, 2);
  EXPECT_EQ(Next(), std::pair(int64_t{0}, int64_t{2}));
  EXPECT_EQ(cursor().pending().next_due(), 200);
  EXPECT_THAT(Ack(kOne, 0, 4), ElementsAre(std::pair(0, 2)));
}

TEST_F(QueueCursorTest, CountsTrimmedEventsOnce) {
  rig_.Grow(20);
  Deliver(kOne, 6);
  Retry(kOne, 0, 4);
  rig_.Trim(8);
  Effects of_another;
  of_another.lost = 1000;  // Effects add up over partitions.
  cursor().DropTrimmed(&of_another);
  // 0 to 3 were to be redelivered, 6 and 7 were never delivered; 4 and 5 are in flight.
  EXPECT_EQ(of_another.lost, 1006);
  EXPECT_EQ(cursor().lost(), 6u);
  EXPECT_THAT(Ack(kOne, 4, 6), IsEmpty());
  cursor().DropTrimmed(&of_another);
  EXPECT_EQ(cursor().lost(), 6u);
  EXPECT_EQ(cursor().next(), Offset(8));
}

TEST_F(QueueCursorTest, RedrivenEventsSurviveTrimCancelAndRestart) {
  rig_.Grow(10);
  Deliver(kOne, 10);
  Ack(kOne, 0, 10);
  ASSERT_EQ(Replay(Offset(0), Offset(5)), 5);
  Redrive(Offset(5), {TopicId(9), PartitionId(1), Offset(33)});
  Redrive(Offset(6), {TopicId(9), PartitionId(1), Offset(34)});
  // An event that a replay would have delivered anyway.
  Redrive(Offset(2), {TopicId(9), PartitionId(1), Offset(35)});
  EXPECT_EQ(cursor().CancelReplays(Offset(0), cursor().next(), &effects_), 4);
  rig_.Trim(6);
  cursor().DropTrimmed(&effects_);
  EXPECT_EQ(effects_.lost, 0);
  rig_.Reopen(0, 0, 0);
  std::vector<std::pair<int64_t, int64_t>> copies;
  while (const auto next = cursor().Next(rules_, Flow::kExtra)) {
    ASSERT_TRUE(next->redriven_from.has_value());
    EXPECT_EQ(next->redriven_from->topic, TopicId(9));
    EXPECT_EQ(next->redriven_from->partition, PartitionId(1));
    EXPECT_EQ(next->end - next->start, 1);
    copies.emplace_back(next->start.value(), next->redriven_from->offset.value());
    cursor().Lease(*next, next->start, 1, CursorRig::kEventBytes, kOne, kNever);
  }
  EXPECT_THAT(copies, ElementsAre(std::pair(2, 35), std::pair(5, 33), std::pair(6, 34)));
  EXPECT_EQ(cursor().LagUpTo(rig_.log.end()), 0);
}

TEST_F(QueueCursorTest, RedrivenEventThatIsGoneIsLost) {
  rig_.Grow(10);
  Deliver(kOne, 10);
  Ack(kOne, 0, 10);
  Redrive(Offset(3), {TopicId(9), PartitionId(1), Offset(33)});
  Redrive(Offset(7), {TopicId(9), PartitionId(1), Offset(34)});
  rig_.Trim(5);
  cursor().DropTrimmed(&effects_);
  cursor().DropRedriven(Offset(3), &effects_);
  EXPECT_EQ(effects_.lost, 1);
  EXPECT_THAT(effects_.trimmed, ElementsAre(std::pair(Offset(3), Offset(4))));
  // It was delivered meanwhile.
  const auto next = cursor().Next(rules_, Flow::kExtra);
  ASSERT_TRUE(next.has_value());
  cursor().Lease(*next, next->start, 1, CursorRig::kEventBytes, kOne, kNever);
  cursor().DropRedriven(Offset(7), &effects_);
  EXPECT_EQ(effects_.lost, 1);
  rig_.Reopen(0, 0, 0);
  EXPECT_EQ(cursor().lost(), 1u);
  EXPECT_EQ(cursor().pending().counts().extra, 1);
}

TEST_F(QueueCursorTest, ReplaysOnlySettledEvents) {
  rig_.Grow(10);
  Deliver(kOne, 6);
  Ack(kOne, 1, 3);
  EXPECT_EQ(cursor().CountReplay(Offset(0), Offset(100)), 2);
  EXPECT_EQ(Next(/*extra=*/true).first, -1);
  EXPECT_EQ(Replay(Offset(0), Offset(100)), 2);
  EXPECT_EQ(Next(/*extra=*/true), std::pair(int64_t{1}, int64_t{3}));
  EXPECT_EQ(Replay(Offset(0), Offset(100)), 0);
}

TEST_F(QueueCursorTest, SeekReleasesLeases) {
  rig_.Grow(10);
  Deliver(kOne, 6);
  Retry(kOne, 1, 2, 100);
  effects_ = Effects();
  cursor().Seek(rules_, Offset(3), &effects_);
  ASSERT_EQ(effects_.released.size(), 1u);
  EXPECT_EQ(effects_.released[0].second.events, 5);
  EXPECT_THAT(Ack(kOne, 0, 6), ElementsAre(std::pair(0, 6)));
  EXPECT_EQ(Next(), std::pair(int64_t{3}, int64_t{10}));
  Seek(3, {{Offset(0), Offset(2), 4}});
  EXPECT_EQ(cursor().acked(), Offset(0));
  EXPECT_EQ(cursor().LagUpTo(rig_.log.end()), 9);
  EXPECT_EQ(cursor().Next(rules_, Flow::kLive)->attempts, 4u);
  cursor().CutTo(Offset(1));
  EXPECT_EQ(Next(), std::pair(int64_t{0}, int64_t{1}));
  EXPECT_EQ(cursor().next(), Offset(1));
}

// However many ranges are pending, a piece of a seek changes a bounded number of records.
TEST_F(QueueCursorTest, SeekOverManyRangesIsDoneInPieces) {
  constexpr int64_t kEvents = 6000;
  constexpr size_t kAtOnce = 1000;
  MemoryMeter meter(size_t{1} << 30);
  rig_.cursor = std::make_unique<PartitionCursor>(rig_.log, Offset(0), &meter);
  rig_.Grow(kEvents + 10);
  Deliver(kOne, kEvents);
  for (int64_t event = 0; event < kEvents; event += 2) Ack(kOne, event, event + 1);
  Redrive(Offset(0), {TopicId(9), PartitionId(1), Offset(33)});
  Redrive(Offset(2), {TopicId(9), PartitionId(1), Offset(34)});
  rig_.Deliver(rules_, kTwo, 1, kNever, /*extra=*/true);
  Redrive(Offset(kEvents - 2), {TopicId(9), PartitionId(1), Offset(35)});
  rig_.Write(0);
  effects_ = Effects();
  cursor().BeginSeek(Offset(kEvents - 2), {});
  int pieces = 1;
  for (size_t left = kAtOnce; !cursor().ContinueSeek(rules_, &left, &effects_); left = kAtOnce) {
    ++pieces;
    EXPECT_TRUE(cursor().seeking());
    EXPECT_LE(rig_.WriteAndCount(), kAtOnce + 1);
  }
  EXPECT_EQ(pieces, 4);
  EXPECT_FALSE(cursor().seeking());
  EXPECT_EQ(cursor().pending().map().size(), 2u) << "what lies behind comes with the live events";
  const std::optional<Candidate> extra = cursor().Next(rules_, Flow::kExtra);
  ASSERT_TRUE(extra.has_value());
  EXPECT_EQ(extra->start, Offset(0)) << "it was taken back";
  EXPECT_EQ(extra->attempts, 0u);
  EXPECT_EQ(extra->redriven_from->offset, Offset(33));
  int64_t released = 0;
  for (const auto& [consumer, usage] : effects_.released) released += usage.events;
  EXPECT_EQ(released, kEvents / 2 + 1);
  EXPECT_EQ(meter.used(), 2 * PendingRanges::kRangeBytes);
  rig_.Reopen(0, 0, 0);
  EXPECT_EQ(cursor().pending().counts().extra, 2);
  EXPECT_EQ(cursor().pending().counts().live, 0);
  EXPECT_EQ(Next(), std::pair(kEvents - 2, kEvents + 10));
}

// Those that stay and those that are added count, too, whichever way the position moves. A piece
// may replace as many ranges as it adds.
TEST_F(QueueCursorTest, SeekToManyRangesIsDoneInPieces) {
  constexpr int64_t kEvents = 6000;
  std::vector<UnsettledRange> odd;
  for (int64_t event = 1; event < kEvents; event += 2) {
    odd.push_back({Offset(event), Offset(event + 1)});
  }
  rig_.Grow(kEvents + 10);
  for (const int64_t before : {int64_t{0}, kEvents, kEvents + 10}) {
    Seek(before, {});
    EXPECT_EQ(Seek(kEvents, odd, 1000), 3) << before;
    EXPECT_EQ(cursor().pending().map().size(), odd.size());
    EXPECT_EQ(cursor().acked(), Offset(1));
    EXPECT_EQ(cursor().LagUpTo(rig_.log.end()), kEvents / 2 + 10);
    EXPECT_EQ(Seek(kEvents, odd, 1000), 3);
  }
  Seek(kEvents, {});
  for (int64_t event = 0; event < kEvents; event += 2) {
    Redrive(Offset(event), {TopicId(9), PartitionId(1), Offset(event)});
  }
  EXPECT_EQ(Seek(kEvents, {}, 1000), 3);
  EXPECT_EQ(cursor().pending().counts().extra, kEvents / 2);
}

// Until a seek is done, retention keeps what is unsettled at either position.
TEST_F(QueueCursorTest, SeekInProgressNeedsItsTarget) {
  rig_.Grow(10);
  Deliver(kOne, 10);
  for (const int64_t event : {0, 1, 2, 3, 4, 6, 8}) Ack(kOne, event, event + 1);
  EXPECT_EQ(cursor().needed(), Offset(5));
  cursor().BeginSeek(Offset(9), {{Offset(2), Offset(3)}, {Offset(7), Offset(9)}});
  EXPECT_EQ(cursor().needed(), Offset(2));
  size_t left = 1;
  EXPECT_FALSE(cursor().ContinueSeek(rules_, &left, &effects_));
  EXPECT_EQ(cursor().needed(), Offset(2));
  left = 100;
  EXPECT_TRUE(cursor().ContinueSeek(rules_, &left, &effects_));
  EXPECT_EQ(cursor().needed(), Offset(2));
  EXPECT_EQ(cursor().LagUpTo(rig_.log.end()), 4);
}

// Whatever is settled while it is copied was unsettled at that moment.
TEST_F(QueueCursorTest, CopyIsOfTheMomentAtWhichItBegan) {
  rig_.Grow(10);
  Deliver(kOne, 8);
  Ack(kOne, 1, 2);
  Retry(kOne, 4, 5);
  cursor().BeginCopy();
  std::map<int64_t, uint32_t> copied;  // By event, the attempts.
  const auto copy = [&](size_t ranges) {
    const bool done = cursor().copy()->Continue(cursor().pending(), &ranges);
    const stored::SnapshotPartition part = cursor().copy()->Take(cursor().id());
    EXPECT_EQ(part.next_offset(), 8);
    for (int i = 0; i < part.starts_size(); ++i) {
      for (int64_t event = 0; event < part.counts(i); ++event) {
        EXPECT_TRUE(copied.emplace(part.starts(i) + event, part.attempts(i)).second);
      }
    }
    return done;
  };
  EXPECT_FALSE(copy(1));
  EXPECT_THAT(copied, ElementsAre(std::pair(0, 0)));
  Deliver(kTwo, 1);  // The retried one.
  Ack(kTwo, 4, 5);
  Ack(kOne, 0, 1);  // Already copied.
  Deliver(kOne, 2);
  Ack(kOne, 7, 10);  // One of them was not delivered then.
  Replay(Offset(4), Offset(5));
  EXPECT_TRUE(copy(100));
  EXPECT_THAT(copied,
              ElementsAre(std::pair(0, 0), std::pair(2, 0), std::pair(3, 0), std::pair(4, 1),
                          std::pair(5, 0), std::pair(6, 0), std::pair(7, 0)));
  EXPECT_EQ(cursor().copy()->events(), 7);
}

TEST_F(StreamCursorTest, ConsumerEndIsProcessedInBatches) {
  rules_.max_attempts = 3;
  rig_.Grow(3000);
  Deliver(kOne, 2999);
  Effects acks;
  for (int64_t event = 1; event < 2999; event += 2) {
    cursor().Ack(
        true, kOne, Offset(event), Offset(event + 1), [](Offset, Offset) { FAIL(); }, &acks);
  }
  rig_.Complete(&acks);
  size_t left = 100;
  cursor().Fail(rules_, kOne, "gone", &effects_, &left);
  EXPECT_EQ(left, 0u);
  EXPECT_TRUE(cursor().blocked_by_sweep());
  EXPECT_GE(rig_.Sweep(rules_, 100, &effects_), 10);
  EXPECT_EQ(AttemptsOf(0), 1u);
  EXPECT_EQ(AttemptsOf(2), 0u);
  EXPECT_EQ(AttemptsOf(2998), 0u);
  // Next time half as many of the suspects are in flight.
  Deliver(kTwo, 3000);
  EXPECT_EQ(cursor().pending().counts().leased_live, 750);
}

TEST_F(QueueCursorTest, ExaminesTrimmedRedrivenEventsOnce) {
  constexpr int64_t kEvents = 100;
  rig_.Grow(kEvents + 2);
  Deliver(kOne, kEvents + 2);
  Ack(kOne, 0, kEvents);
  for (int64_t event = 0; event < kEvents; ++event) {
    Redrive(Offset(event), {TopicId(9), PartitionId(1), Offset(event)});
  }
  rig_.Trim(kEvents + 1);
  const auto look = [&] {
    Effects effects;
    cursor().DropTrimmed(&effects);
    EXPECT_TRUE(effects.trimmed.empty());
    return effects.looked_at;
  };
  EXPECT_EQ(look(), kEvents + 1);
  EXPECT_EQ(look(), 0u);
  // A retried event is dropped if it was trimmed; only its range is examined.
  Retry(kOne, kEvents, kEvents + 1);
  Effects effects;
  cursor().DropTrimmed(&effects);
  EXPECT_EQ(effects.looked_at, 1u);
  EXPECT_THAT(effects.trimmed, ElementsAre(std::pair(Offset(kEvents), Offset(kEvents + 1))));
  EXPECT_EQ(look(), 0u);
}

TEST_F(QueueCursorTest, DropsTrimmedEventsInPieces) {
  constexpr int64_t kEvents = 100;
  constexpr size_t kPiece = 30;
  rig_.Grow(2 * kEvents + 1);
  Deliver(kOne, 2 * kEvents);
  Ack(kOne, 0, kEvents);
  // Every other event is redriven, the others are replayed.
  for (int64_t event = 0; event < kEvents; event += 2) {
    Redrive(Offset(event), {TopicId(9), PartitionId(1), Offset(event)});
  }
  ASSERT_EQ(Replay(Offset(0), Offset(kEvents)), kEvents / 2);
  rig_.Trim(2 * kEvents + 1);
  Effects dropped;
  int pieces = 1;
  for (bool done = false; !done; ++pieces) {
    ASSERT_LT(pieces, 10);
    const size_t before = dropped.looked_at;
    size_t left = kPiece;
    done = cursor().DropTrimmed(&dropped, &left);
    EXPECT_LE(dropped.looked_at - before, kPiece);
  }
  EXPECT_EQ(dropped.trimmed.size(), static_cast<size_t>(kEvents / 2 + 1)) << "and one undelivered";
  EXPECT_EQ(cursor().pending().counts().extra, kEvents / 2);
  EXPECT_EQ(cursor().pending().counts().leased, kEvents);
  // The redriven events, and those in flight, are not examined again, unless they are taken back.
  Effects later;
  cursor().DropTrimmed(&later);
  EXPECT_EQ(later.looked_at, 0u);
  Retry(kOne, kEvents, kEvents + 1);
  Retry(kOne, kEvents + 5, kEvents + 6);
  cursor().DropTrimmed(&later);
  EXPECT_EQ(later.looked_at, 2u);
  EXPECT_EQ(later.lost, 2);
  // Many are taken back at once.
  cursor().Recall(rules_, kOne, &effects_);
  size_t left = 1;
  EXPECT_FALSE(cursor().DropTrimmed(&later, &left));
  EXPECT_TRUE(cursor().DropTrimmed(&later));
  EXPECT_EQ(later.lost, kEvents);
  EXPECT_EQ(cursor().pending().counts().live, 0);
}

TEST_F(QueueCursorTest, VisibleCommitDoesNotOverrideLaterChanges) {
  rig_.Grow(3);
  Deliver(kOne, 3);
  const auto complete = [&](Effects& effects) {
    rig_.Complete(&effects);
    return cursor().pending().counts();
  };
  Effects settled(5);
  cursor().Ack(
      true, kOne, Offset(0), Offset(2), [](Offset, Offset) { FAIL(); }, &settled);
  EXPECT_EQ(cursor().acked(), Offset(0));
  EXPECT_EQ(cursor().AckedAsOf(4), Offset(0));
  EXPECT_EQ(cursor().AckedAsOf(5), Offset(2));
  EXPECT_EQ(cursor().SettledBy(settled.in_commit.at(0)), 2);
  Effects replayed(6);
  EXPECT_EQ(cursor().AddReplay(Offset(0), Offset(2), &replayed), 2);
  Effects cancelled(7);
  EXPECT_EQ(cursor().CancelReplays(Offset(0), Offset(2), &cancelled), 2);
  Effects again(8);
  EXPECT_EQ(cursor().AddReplay(Offset(0), Offset(1), &again), 1);
  Effects redriven(9);
  EXPECT_TRUE(cursor().AddRedriven(Offset(0), {TopicId(9), PartitionId(1), Offset(3)}, &redriven));
  EXPECT_EQ(complete(settled).settling, 1);
  EXPECT_EQ(complete(replayed).coming, 1);
  EXPECT_EQ(complete(cancelled).settling, 0);
  EXPECT_EQ(complete(again).coming, 1) << "it comes with the commit that closes the dead letter";
  EXPECT_EQ(complete(redriven).coming, 0);
  EXPECT_EQ(Next(/*extra=*/true), std::pair(int64_t{0}, int64_t{1}));
}

TEST_F(QueueCursorTest, HolesBlockNewEventsOnlyBeyondLimit) {
  // It takes a minute, in code that others run as well.
  if (kAddressSanitizer) GTEST_SKIP() << "the limit is a constant";
  const auto holes = static_cast<uint32_t>(PartitionCursor::kMaxRanges);
  rig_.Grow(2 * holes + 10);
  Deliver(kOne, 2 * holes);
  for (int64_t event = 0; event < 2 * int64_t{holes}; event += 2) Ack(kOne, event, event + 1);
  EXPECT_TRUE(cursor().Exhausted(rules_));
  EXPECT_EQ(Next().first, -1);
  Retry(kOne, 1, 2);
  EXPECT_EQ(Next().first, 1);
  Deliver(kOne, 1);
  Ack(kOne, 1, 2);
  EXPECT_EQ(Next().first, 2 * int64_t{holes});
}

TEST_F(QueueCursorTest, SharedMemoryLimitsHoles) {
  MemoryMeter meter(size_t{1} << 20);
  rig_.cursor = std::make_unique<PartitionCursor>(rig_.log, Offset(0), &meter);
  rig_.Grow(2000);
  Deliver(kOne, 1000);
  for (int64_t event = 0; event < 1000; event += 2) Ack(kOne, event, event + 1);
  EXPECT_EQ(meter.used(), 500 * PendingRanges::kRangeBytes);
  EXPECT_FALSE(cursor().Exhausted(rules_));
  meter.Add(meter.limit());
  EXPECT_TRUE(cursor().Exhausted(rules_));
  // A small amount is allowed whatever the others hold.
  Ack(kOne, 0, 700);
  EXPECT_FALSE(cursor().Exhausted(rules_));
  meter.Release(meter.limit());
  rig_.cursor = std::make_unique<PartitionCursor>(rig_.log, Offset(0));
  EXPECT_EQ(meter.used(), 0u);
}

// A reason may be several times as large as its range.
TEST_F(QueueCursorTest, ReasonsAreKeptWhileMemoryIsAmple) {
  constexpr int64_t kEvents = 2000;
  constexpr size_t kReason = 500;
  MemoryMeter meter(size_t{1} << 20);
  const auto reason = [](int64_t event) { return absl::StrCat(event, std::string(kReason, 'x')); };
  rig_.cursor = std::make_unique<PartitionCursor>(rig_.log, Offset(0), &meter);
  rig_.Grow(kEvents);
  Deliver(kOne, kEvents);
  EXPECT_THAT(Retry(kOne, 0, 400, 50, reason(0)), IsEmpty());
  EXPECT_LT(meter.used(), 2 * kReason) << "events share it";
  for (int64_t event = 400; event < kEvents; ++event) {
    ASSERT_THAT(Retry(kOne, event, event + 1, 50, reason(event)), IsEmpty()) << event;
    ASSERT_LE(meter.used(), meter.limit() * 5 / 8);
  }
  const auto& ranges = cursor().pending().map();
  EXPECT_EQ(ranges.at(0).reason.view(), reason(0));
  EXPECT_EQ(ranges.at(500).reason.view(), reason(500));
  EXPECT_TRUE(ranges.rbegin()->second.reason.empty()) << "it is a retry like the others";
  EXPECT_GT(meter.used(), meter.limit() / 4);
  // Memory that is freed is used again.
  cursor().Expire(rules_, 50, &effects_);
  Deliver(kOne, kEvents);
  Ack(kOne, 0, 1500);
  EXPECT_THAT(Retry(kOne, kEvents - 1, kEvents, 50, reason(1)), IsEmpty());
  EXPECT_EQ(ranges.rbegin()->second.reason.view(), reason(1));
  rig_.cursor = std::make_unique<PartitionCursor>(rig_.log, Offset(0));
  EXPECT_EQ(meter.used(), 0u);
}

// Ranges that wait to be parked share the reason of their nack.
TEST_F(QueueCursorTest, ParkedRangesShareReason) {
  rig_.Grow(10);
  Deliver(kOne, 10);
  effects_ = Effects();
  for (int64_t event = 0; event < 10; event += 2) {
    EXPECT_THAT(Park(kOne, event, event + 1, "bad"), IsEmpty());
  }
  ASSERT_EQ(effects_.parked.size(), 5u);
  EXPECT_EQ(*effects_.parked[0].reason, "bad");
  EXPECT_EQ(effects_.parked[4].reason, effects_.parked[0].reason);
}

// What observers are told of a redriven event follows the commits that they can see: one that is
// settled because it failed again must not appear as done.
TEST_F(QueueCursorTest, RedrivenEventIsUnsettledUntilVisible) {
  rig_.Grow(2);
  Deliver(kOne, 2);
  Ack(kOne, 0, 2);
  EXPECT_FALSE(cursor().IsUnsettledFor(Offset(0), "a"));
  EXPECT_TRUE(cursor().IsUnsettledFor(Offset(2), "a"));  // Never delivered.
  const auto of = [](std::vector<std::string> pipelines) {
    return std::make_shared<const std::vector<std::string>>(std::move(pipelines));
  };
  const auto redrive = [&](int64_t event, const PipelineList& pipelines) {
    cursor().AddRedriven(Offset(event), {TopicId(9), PartitionId(1), Offset(event)}, &effects_,
                         pipelines);
    rig_.Complete(&effects_);
  };
  redrive(0, of({"a"}));
  EXPECT_TRUE(cursor().IsUnsettledFor(Offset(0), "a"));
  EXPECT_FALSE(cursor().IsUnsettledFor(Offset(0), "b"));
  redrive(0, of({"b"}));
  EXPECT_TRUE(cursor().IsUnsettledFor(Offset(0), "a"));
  EXPECT_TRUE(cursor().IsUnsettledFor(Offset(0), "b"));
  EXPECT_FALSE(cursor().IsOutToOthers(Offset(0), of({"c"})));
  rig_.Deliver(rules_, kOne, 1, kNever, /*extra=*/true);
  EXPECT_FALSE(cursor().IsOutToOthers(Offset(0), of({"b"})));
  EXPECT_TRUE(cursor().IsOutToOthers(Offset(0), of({"c"})));
  EXPECT_TRUE(cursor().IsOutToOthers(Offset(0), nullptr));
  Park(kOne, 0, 1, "again");
  EXPECT_TRUE(cursor().IsUnsettledFor(Offset(0), "a"));
  cursor().FinishParking(Offset(0), 1, &effects_);
  EXPECT_TRUE(cursor().IsUnsettledFor(Offset(0), "a"));
  rig_.Complete(&effects_);
  EXPECT_FALSE(cursor().IsUnsettledFor(Offset(0), "a"));
  // Events for the same pipelines share one list.
  redrive(0, of({"a"}));
  redrive(1, of({"a"}));
  EXPECT_EQ(cursor().PipelinesOf(Offset(0)), cursor().PipelinesOf(Offset(1)));
  rig_.Reopen(0, 0, 0);
  EXPECT_EQ(*cursor().PipelinesOf(Offset(0)), std::vector<std::string>{"a"});
  EXPECT_EQ(cursor().PipelinesOf(Offset(0)), cursor().PipelinesOf(Offset(1)));
}

class OrderedCursorTest : public QueueCursorTest {
 protected:
  OrderedCursorTest() { rules_.ordered_by_key = true; }
};

TEST_F(OrderedCursorTest, DeliversOneEventPerKeyAtATime) {
  rig_.Grow(3);
  EXPECT_TRUE(DeliverKeyed(kOne, kKey));
  EXPECT_FALSE(DeliverKeyed(kTwo, kKey));
  EXPECT_TRUE(DeliverKeyed(kTwo, kKey + 1));
  EXPECT_EQ(cursor().pending().counts().blocked, 1);
  Ack(kOne, 0, 1);
  EXPECT_TRUE(effects_.more_to_deliver);
  EXPECT_TRUE(DeliverKeyed(kTwo, kKey));
}

// The rest of the commit must be visible first.
TEST_F(OrderedCursorTest, SettledEventBlocksItsKeyUntilVisible) {
  rig_.Grow(2);
  ASSERT_TRUE(DeliverKeyed(kOne, kKey));
  ASSERT_FALSE(DeliverKeyed(kOne, kKey));
  cursor().Ack(
      true, kOne, Offset(0), Offset(1), [](Offset, Offset) { FAIL(); }, &effects_);
  rig_.Write(0);
  EXPECT_EQ(effects_.released.size(), 1u);
  EXPECT_EQ(cursor().acked(), Offset(0));
  EXPECT_EQ(Next().first, -1);
  // It belongs to no consumer: neither the end of its lease nor that of its consumer redelivers it.
  cursor().Fail(rules_, kOne, "gone", &effects_);
  cursor().Expire(rules_, kNever - 1, &effects_);
  EXPECT_EQ(Next().first, -1);
  rig_.Complete(&effects_);
  EXPECT_EQ(cursor().acked(), Offset(1));
  EXPECT_EQ(Next().first, 1);
  EXPECT_FALSE(cursor().dirty());
  // As in the store.
  rig_.Reopen(0, 0, 0);
  EXPECT_EQ(cursor().acked(), Offset(1));
}

// Seek, replay and redrive follow the settling commit, visible or not.
TEST_F(QueueCursorTest, ReplaysAndRedrivesEventsBeingSettled) {
  rig_.Grow(6);
  Deliver(kOne, 6);
  Effects first;
  cursor().Ack(
      true, kOne, Offset(0), Offset(4), [](Offset, Offset) { FAIL(); }, &first);
  rig_.Write(0);
  EXPECT_EQ(cursor().CountReplay(Offset(0), Offset(3)), 3);
  Effects second;
  EXPECT_EQ(cursor().AddReplay(Offset(0), Offset(2), &second), 2);
  EXPECT_TRUE(cursor().AddRedriven(Offset(3), {TopicId(9), PartitionId(1), Offset(33)}, &second));
  rig_.Write(0);
  rig_.Complete(&first);
  EXPECT_EQ(Next(/*extra=*/true).first, -1);  // The second commit is not visible yet.
  EXPECT_EQ(cursor().acked(), Offset(4));
  rig_.Complete(&second);
  EXPECT_EQ(Next(/*extra=*/true), std::pair(int64_t{0}, int64_t{2}));
  EXPECT_EQ(cursor().pending().counts().extra, 3);
  rig_.Reopen(0, 0, 0);
  EXPECT_EQ(cursor().pending().counts().extra, 3);
  EXPECT_EQ(cursor().pending().counts().live, 2);
}

// A trim that removed a coming replay would hide from a new owner that a commit which settles the
// same events is not visible yet.
TEST_F(QueueCursorTest, ComingReplayIsTrimmedOnceVisible) {
  rig_.Grow(4);
  Deliver(kOne, 4);
  Effects settled(5);
  cursor().Ack(
      true, kOne, Offset(0), Offset(4), [](Offset, Offset) { FAIL(); }, &settled);
  Effects replayed(6);
  EXPECT_EQ(cursor().AddReplay(Offset(0), Offset(4), &replayed), 4);
  rig_.Trim(3);
  EXPECT_TRUE(cursor().DropTrimmed(&replayed));
  EXPECT_EQ(cursor().pending().counts().coming, 4);
  EXPECT_TRUE(replayed.trimmed.empty());
  rig_.Complete(&settled);
  EXPECT_EQ(cursor().pending().counts().coming, 4);
  rig_.Complete(&replayed);
  Effects trimmed(7);
  EXPECT_TRUE(cursor().DropTrimmed(&trimmed));
  EXPECT_EQ(trimmed.lost, 0);  // They had been settled.
  EXPECT_EQ(cursor().pending().counts().extra, 1);
  EXPECT_EQ(Next(/*extra=*/true), std::pair(int64_t{3}, int64_t{4}));
}

TEST_F(OrderedCursorTest, ParkedEventBlocksItsKeyUntilDeadLettered) {
  rig_.Grow(2);
  ASSERT_TRUE(DeliverKeyed(kOne, kKey));
  ASSERT_FALSE(DeliverKeyed(kOne, kKey));
  Park(kOne, 0, 1, "poison");
  EXPECT_EQ(Next().first, -1);
  cursor().FinishParking(Offset(0), 1, &effects_);
  rig_.Complete(&effects_);
  EXPECT_TRUE(effects_.more_to_deliver);
  EXPECT_EQ(Next().first, 1);
}

// The store records neither keys nor which event waits for which.
TEST_F(OrderedCursorTest, RetryIsNotOvertakenAfterRestart) {
  rig_.Grow(2);
  ASSERT_TRUE(DeliverKeyed(kOne, kKey));
  ASSERT_FALSE(DeliverKeyed(kOne, kKey));
  Retry(kOne, 0, 1, /*at=*/500);
  rig_.Reopen(/*wall_offset_before=*/1000, /*wall_offset_after=*/1200, /*now=*/10);
  cursor().ParkExhausted(rules_, false, "", &effects_);
  EXPECT_FALSE(DeliverKeyed(kOne, kKey));
  EXPECT_FALSE(DeliverKeyed(kOne, kKey));
  EXPECT_EQ(Next().first, -1);
  EXPECT_EQ(cursor().pending().next_due(), 300);
  rig_.Reopen(1200, 1200, 20);
  cursor().ParkExhausted(rules_, false, "", &effects_);
  EXPECT_FALSE(DeliverKeyed(kOne, kKey));
  cursor().Expire(rules_, 300, &effects_);
  EXPECT_TRUE(DeliverKeyed(kOne, kKey));
  EXPECT_EQ(cursor().pending().At(Offset(0))->second.attempts, 2);
  EXPECT_FALSE(DeliverKeyed(kOne, kKey));
}

TEST_F(OrderedCursorTest, CancellingLargeReplayCostsOnlyDeliveredEvents) {
  constexpr int64_t kEvents = 4'000'000'000;
  rig_.Grow(4'000'000'000);
  cursor().Seek(rules_, Offset(kEvents), &effects_);
  ASSERT_EQ(Replay(Offset(0), Offset(kEvents)), kEvents);
  const std::optional<Candidate> next = cursor().Next(rules_, Flow::kExtra);
  ASSERT_TRUE(cursor().AdmitKey(next->start, kKey));
  cursor().Lease(*next, next->start, 1, CursorRig::kEventBytes, kOne, kNever);
  EXPECT_EQ(cursor().CancelReplays(Offset(0), cursor().next(), &effects_), kEvents - 1);
  EXPECT_THAT(Ack(kOne, 0, 1), IsEmpty());
  EXPECT_TRUE(cursor().pending().map().empty());
}

}  // namespace
}  // namespace eventhub
