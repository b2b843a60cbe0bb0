// Idempotent publishing: each request of a producer is appended once, whatever is retried.
#include <string>

#include "gtest/gtest.h"
#include "tests/server/broker_rig.h"
#include "tests/support/caller.h"

namespace eventhub {
namespace {

using absl::StatusCode;

class ProducerTest : public BrokerTest {
 protected:
  void SetUp() override {
    BrokerTest::SetUp();
    ASSERT_THAT(rig_.Create("t", 4), IsOk());
  }

  absl::StatusOr<v1::PublishResult> Publish(const std::string& producer, uint64_t epoch,
                                            uint64_t sequence, const std::string& topic = "t") {
    // Two partitions, so that the result has more than one placement.
    v1::PublishStreamRequest request = MakeRequest(topic, {});
    const std::string id = producer + "/" + std::to_string(epoch) + "/" + std::to_string(sequence);
    *request.add_events() = MakeEvent(id, "a");
    *request.add_events() = MakeEvent(id, "d");
    request.set_producer_id(producer);
    request.set_producer_epoch(epoch);
    request.set_sequence(sequence);
    return rig_.Publish(request);
  }

  uint64_t Count() { return rig_.broker().topics().Get(kTester, "t").value().stats().events(); }

  static std::string Where(v1::PublishResult result) {
    result.clear_duplicate();
    return result.ShortDebugString();
  }
};

TEST_F(ProducerTest, DuplicateReturnsOriginalOffsets) {
  ASSERT_OK_AND_ASSIGN(const v1::PublishResult first, Publish("p", 0, 0));
  EXPECT_FALSE(first.duplicate());
  ASSERT_OK_AND_ASSIGN(const v1::PublishResult second, Publish("p", 0, 1));
  for (int i = 0; i < 2; ++i) {
    ASSERT_OK_AND_ASSIGN(const v1::PublishResult again, Publish("p", 0, 0));
    EXPECT_TRUE(again.duplicate());
    EXPECT_EQ(Where(again), Where(first));
    ASSERT_OK_AND_ASSIGN(const v1::PublishResult other, Publish("p", 0, 1));
    EXPECT_TRUE(other.duplicate());
    EXPECT_EQ(Where(other), Where(second));
    rig_.Reopen();
  }
  EXPECT_NE(Where(first), Where(second));
  EXPECT_EQ(Count(), 4u);
}

TEST_F(ProducerTest, RejectsSequenceGap) {
  ASSERT_THAT(Publish("p", 0, 0), IsOk());
  const auto gap = Publish("p", 0, 2);
  EXPECT_THAT(gap, Refused(StatusCode::kAborted, v1::ErrorDetail::REASON_SEQUENCE_GAP));
  EXPECT_EQ(DetailOf(gap.status())->expected_sequence(), 1u);
  EXPECT_THAT(Publish("p", 0, 1), IsOk());
  EXPECT_THAT(Publish("p", 0, 2), IsOk());
  EXPECT_EQ(Count(), 6u);
}

TEST_F(ProducerTest, UnknownProducerMustStartAtZero) {
  EXPECT_THAT(Publish("p", 3, 5),
              Refused(StatusCode::kFailedPrecondition, v1::ErrorDetail::REASON_UNKNOWN_PRODUCER));
  EXPECT_THAT(Publish("p", 3, 0), IsOk());
  EXPECT_EQ(Count(), 2u);
}

TEST_F(ProducerTest, HigherEpochFencesLowerOne) {
  ASSERT_THAT(Publish("p", 1, 0), IsOk());
  ASSERT_THAT(Publish("p", 1, 1), IsOk());
  const auto gap = Publish("p", 2, 2);
  EXPECT_THAT(gap, Refused(StatusCode::kAborted, v1::ErrorDetail::REASON_SEQUENCE_GAP));
  EXPECT_EQ(DetailOf(gap.status())->expected_sequence(), 0u);
  ASSERT_THAT(Publish("p", 1, 2), IsOk());  // A refused request fences nothing.
  ASSERT_THAT(Publish("p", 2, 0), IsOk());
  for (int i = 0; i < 2; ++i) {
    for (const uint64_t sequence : {0, 3}) {
      const auto stale = Publish("p", 1, sequence);
      EXPECT_THAT(stale, Refused(StatusCode::kAborted, v1::ErrorDetail::REASON_STALE_EPOCH));
      EXPECT_EQ(DetailOf(stale.status())->producer_epoch(), 2u);
    }
    rig_.Reopen();  // The slots of epoch 1 are still there.
  }
  ASSERT_OK_AND_ASSIGN(const v1::PublishResult duplicate, Publish("p", 2, 0));
  EXPECT_TRUE(duplicate.duplicate());
  EXPECT_THAT(Publish("p", 2, 1), IsOk());
  EXPECT_EQ(Count(), 10u);
}

TEST_F(ProducerTest, RemembersLast64Requests) {
  for (uint64_t i = 0; i < 100; ++i) ASSERT_THAT(Publish("p", 0, i), IsOk());
  for (int i = 0; i < 2; ++i) {
    EXPECT_THAT(Publish("p", 0, 35),
                Refused(StatusCode::kFailedPrecondition, v1::ErrorDetail::REASON_SEQUENCE_TOO_OLD));
    for (const uint64_t sequence : {36, 50, 99}) {
      ASSERT_OK_AND_ASSIGN(const v1::PublishResult result, Publish("p", 0, sequence));
      EXPECT_TRUE(result.duplicate());
      EXPECT_EQ(result.placements(0).base_offset(), static_cast<int64_t>(sequence));
    }
    rig_.Reopen();
  }
  EXPECT_THAT(Publish("p", 0, 100), IsOk());
  EXPECT_EQ(Count(), 202u);
}

TEST_F(ProducerTest, ProducersAndTopicsAreIndependent) {
  ASSERT_THAT(rig_.Create("u", 4), IsOk());
  ASSERT_THAT(Publish("p", 0, 0), IsOk());
  ASSERT_THAT(Publish("p", 0, 1), IsOk());
  for (const char* name : {"pp", "q", "P"}) {
    EXPECT_THAT(Publish(name, 0, 1),
                Refused(StatusCode::kFailedPrecondition, v1::ErrorDetail::REASON_UNKNOWN_PRODUCER));
  }
  EXPECT_THAT(Publish("p", 0, 2, "u"),
              Refused(StatusCode::kFailedPrecondition, v1::ErrorDetail::REASON_UNKNOWN_PRODUCER));
  ASSERT_OK_AND_ASSIGN(const v1::PublishResult other, Publish("p", 0, 0, "u"));
  EXPECT_FALSE(other.duplicate());
}

TEST_F(ProducerTest, RejectedRequestConsumesNoSequence) {
  v1::PublishStreamRequest request = MakeRequest("t", {"a"});
  request.set_partition(0);
  request.set_expected_offset(7);
  request.set_producer_id("p");
  EXPECT_THAT(rig_.Publish(request),
              Refused(StatusCode::kAborted, v1::ErrorDetail::REASON_OFFSET_MISMATCH));
  request.set_expected_offset(0);
  ASSERT_OK_AND_ASSIGN(const v1::PublishResult result, rig_.Publish(request));
  EXPECT_FALSE(result.duplicate());
  // A duplicate is recognized although the expected offset no longer holds.
  ASSERT_OK_AND_ASSIGN(const v1::PublishResult again, rig_.Publish(request));
  EXPECT_TRUE(again.duplicate());
}

TEST_F(ProducerTest, DuplicateReturnsOriginalKeylessPartition) {
  v1::PublishStreamRequest request = MakeRequest("t", {});
  *request.add_events() = MakeEvent("a", "", std::string(100'000, 'x'));
  request.set_producer_id("p");
  ASSERT_OK_AND_ASSIGN(const v1::PublishResult first, rig_.Publish(request));
  for (int i = 0; i < 4; ++i) {
    ASSERT_OK_AND_ASSIGN(const v1::PublishResult again, rig_.Publish(request));
    EXPECT_TRUE(again.duplicate());
    EXPECT_EQ(Where(again), Where(first));
  }
}

TEST_F(ProducerTest, DuplicateReturnsOriginalPartitionCount) {
  ASSERT_OK_AND_ASSIGN(const v1::PublishResult first, Publish("p", 0, 0));
  EXPECT_EQ(first.partition_count(), 4u);
  v1::Topic grown;
  grown.set_name("t");
  grown.set_partitions(5);
  ASSERT_THAT(rig_.Update(grown, {"partitions"}), IsOk());
  ASSERT_OK_AND_ASSIGN(const v1::PublishResult again, Publish("p", 0, 0));
  EXPECT_TRUE(again.duplicate());
  EXPECT_EQ(Where(again), Where(first));
  ASSERT_OK_AND_ASSIGN(const v1::PublishResult next, Publish("p", 0, 1));
  EXPECT_EQ(next.partition_count(), 5u);
}

// More producers than fit in memory, each with remembered requests.
TEST_F(ProducerTest, RemembersMoreProducersThanFitInMemory) {
  constexpr int kProducers = 1200;
  const auto name = [](int i) { return "producer " + std::to_string(i); };
  for (uint64_t sequence = 0; sequence < 3; ++sequence) {
    for (int i = 0; i < kProducers; ++i) {
      ASSERT_THAT(Publish(name(i), 0, sequence), IsOk());
      rig_.clock.Advance(absl::Milliseconds(1));
    }
  }
  for (int i = 0; i < kProducers; i += 7) {
    for (const uint64_t sequence : {0, 2, 1}) {
      ASSERT_OK_AND_ASSIGN(const v1::PublishResult result, Publish(name(i), 0, sequence));
      EXPECT_TRUE(result.duplicate());
      EXPECT_EQ(result.placements(0).base_offset(),
                static_cast<int64_t>(sequence) * kProducers + i);
    }
    // And right after a new producer, which evicts another.
    ASSERT_THAT(Publish(name(i), 0, 3), IsOk());
    ASSERT_OK_AND_ASSIGN(const v1::PublishResult result, Publish(name(i), 0, 2));
    EXPECT_TRUE(result.duplicate());
    rig_.clock.Advance(absl::Milliseconds(1));
  }
}

}  // namespace
}  // namespace eventhub
