// Retries: which requests are sent again, with which sequence, in which order, and for how long.

#include <random>

#include "client/src/base/failure.h"
#include "eventhub/error.h"
#include "tests/client/publisher_fixture.h"

namespace eventhub::client {
namespace {

using ::testing::ElementsAre;

// One request per event, so that tests can count requests.
PublisherOptions OneEventEach() { return {.topic = "t", .max_batch_events = 1}; }

TEST_F(PublisherTest, ResendsUnansweredRequestsInOrder) {
  Start(OneEventEach());
  for (const char* id : {"a", "b", "c"}) ASSERT_TRUE(Publish(id).ok());
  hub_->Handle();
  hub_->HandleAndBreak();  // "b" is appended, but its reply is lost.
  EXPECT_FALSE(HasResult("b"));
  EXPECT_EQ(hub_->waiting(), 0u);
  hub_->Advance(absl::Milliseconds(20));
  ASSERT_EQ(hub_->waiting(), 2u);
  EXPECT_EQ(hub_->request(0).sequence(), 1u);
  EXPECT_EQ(hub_->request(1).sequence(), 2u);
  hub_->HandleAll();
  EXPECT_THAT(hub_->ids(), ElementsAre("a", "b", "c"));
  EXPECT_TRUE(PlaceOf("b").duplicate);
  EXPECT_EQ(PlaceOf("b").offset, 1);
  EXPECT_FALSE(PlaceOf("c").duplicate);
}

TEST_F(PublisherTest, BacksOffExponentiallyAndResetsAfterSuccess) {
  Start({.topic = "t",
         .retry = {.initial_delay = absl::Milliseconds(100), .max_delay = absl::Seconds(1)}});
  // Returns the time until the next stream is opened.
  const auto next_attempt = [this] {
    const size_t opened = hub_->streams_opened();
    absl::Duration waited;
    while (hub_->streams_opened() == opened) {
      hub_->Advance(absl::Milliseconds(1));
      waited += absl::Milliseconds(1);
    }
    return waited;
  };
  hub_->SetDown(true);
  ASSERT_TRUE(Publish("a").ok());
  for (const int delay : {100, 200, 400, 800, 1000, 1000}) {
    const absl::Duration waited = next_attempt();
    EXPECT_GE(waited, absl::Milliseconds(delay / 2));
    EXPECT_LE(waited, absl::Milliseconds(delay + 1));
  }

  hub_->SetDown(false);
  hub_->Advance(absl::Seconds(1));
  hub_->HandleAll();
  EXPECT_TRUE(StatusOf("a").ok());
  ASSERT_TRUE(Publish("b").ok());
  hub_->Break();
  EXPECT_LE(next_attempt(), absl::Milliseconds(101));
}

TEST_F(PublisherTest, RespectsRetryDelayOfHub) {
  Start();
  ASSERT_TRUE(Publish("a").ok());
  hub_->Refuse(HubError(absl::StatusCode::kResourceExhausted,
                        {.reason = ErrorReason::kDiskFull, .retry_delay = absl::Seconds(7)}));
  hub_->Advance(absl::Milliseconds(6999));
  EXPECT_EQ(hub_->waiting(), 0u);
  EXPECT_TRUE(absl::IsResourceExhausted(publisher_->last_failure()));
  hub_->Advance(absl::Milliseconds(1));
  ASSERT_EQ(hub_->waiting(), 1u);
  EXPECT_EQ(hub_->request(0).sequence(), 0u);
  hub_->Handle();
  EXPECT_TRUE(StatusOf("a").ok());
  EXPECT_TRUE(publisher_->last_failure().ok());
}

TEST_F(PublisherTest, PermanentRefusalFailsAloneAndOthersMoveUp) {
  Start(OneEventEach());
  for (const char* id : {"a", "b", "c", "d"}) ASSERT_TRUE(Publish(id).ok());
  hub_->Handle();
  hub_->Refuse(absl::InvalidArgumentError("bad"));
  EXPECT_EQ(StatusOf("b").code(), absl::StatusCode::kInvalidArgument);
  hub_->Handle();  // "c": a gap.
  EXPECT_FALSE(HasResult("c"));
  EXPECT_EQ(hub_->waiting(), 1u) << "sent again before all replies were in";
  hub_->Handle();  // "d": a gap.
  ASSERT_EQ(hub_->waiting(), 2u);
  EXPECT_EQ(hub_->request(0).sequence(), 1u);
  EXPECT_EQ(hub_->request(1).sequence(), 2u);
  hub_->HandleAll();
  EXPECT_THAT(hub_->ids(), ElementsAre("a", "c", "d"));
  ASSERT_TRUE(Publish("e").ok());
  EXPECT_EQ(hub_->request(0).sequence(), 3u);
}

TEST_F(PublisherTest, InvalidEventDoesNotFailItsBatch) {
  Start({.topic = "t", .linger = absl::Milliseconds(1)});
  for (const char* id : {"a", "b", "c", "d"}) ASSERT_TRUE(Publish(id).ok());
  hub_->SetInvalid({"b", "d"});
  hub_->Advance(absl::Milliseconds(1));
  hub_->HandleAll();
  EXPECT_THAT(hub_->ids(), ElementsAre("a", "c"));
  EXPECT_EQ(StatusOf("b").code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(StatusOf("d").code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(PlaceOf("a").offset, 0);
  EXPECT_EQ(PlaceOf("c").offset, 1);
  EXPECT_EQ(publisher_->Flush().code(), absl::StatusCode::kInvalidArgument);
}

TEST_F(PublisherTest, ResendsRefusedRequestBeforeLaterOnes) {
  Start(OneEventEach());
  for (const char* id : {"a", "b"}) ASSERT_TRUE(Publish(id).ok());
  hub_->Refuse(
      HubError(absl::StatusCode::kResourceExhausted, {.reason = ErrorReason::kTooMuchInFlight}));
  hub_->Handle();  // "b": a gap.
  ASSERT_TRUE(Publish("c").ok());
  EXPECT_EQ(hub_->waiting(), 0u);
  hub_->Advance(absl::Milliseconds(20));
  EXPECT_EQ(hub_->waiting(), 3u);
  hub_->HandleAll();
  EXPECT_THAT(hub_->ids(), ElementsAre("a", "b", "c"));
}

TEST_F(PublisherTest, StartsNewEpochWhenProducerIsUnknown) {
  Start(OneEventEach());
  ASSERT_TRUE(Publish("a").ok());
  const uint64_t epoch = hub_->request(0).producer_epoch();
  hub_->Handle();
  hub_->ForgetProducers();
  ASSERT_TRUE(Publish("b").ok());
  ASSERT_TRUE(Publish("c").ok());
  hub_->Handle();
  hub_->Handle();
  ASSERT_EQ(hub_->waiting(), 2u);
  EXPECT_GT(hub_->request(0).producer_epoch(), epoch);
  EXPECT_EQ(hub_->request(0).sequence(), 0u);
  EXPECT_EQ(hub_->request(1).sequence(), 1u);
  hub_->HandleAll();
  EXPECT_THAT(hub_->ids(), ElementsAre("a", "b", "c"));
}

TEST_F(PublisherTest, UnexplainedGapStartsNewEpoch) {
  Start(OneEventEach());
  ASSERT_TRUE(Publish("a").ok());
  const uint64_t epoch = hub_->request(0).producer_epoch();
  hub_->Refuse(HubError(absl::StatusCode::kAborted,
                        {.reason = ErrorReason::kSequenceGap, .expected_sequence = 0}));
  ASSERT_EQ(hub_->waiting(), 1u);
  EXPECT_GT(hub_->request(0).producer_epoch(), epoch);
  hub_->Handle();
  EXPECT_TRUE(StatusOf("a").ok());
}

// The previous publisher's clock was an hour ahead.
TEST_F(PublisherTest, TakesOverProducerIdDespiteClockSkew) {
  const PublisherOptions options = {.topic = "t", .max_batch_events = 1, .producer_id = "billing"};
  Start(options);
  std::unique_ptr<Publisher> former = std::move(publisher_);
  ASSERT_TRUE(former->Publish(MakeEvent("former")).ok());
  v1::PublishStreamRequest ahead = hub_->request(0);
  ahead.set_producer_epoch(ahead.producer_epoch() + 3'600'000'000);
  hub_->Process(ahead);
  hub_->Break();
  former.reset();

  Start(options);
  for (const char* id : {"a", "b"}) ASSERT_TRUE(Publish(id).ok());
  hub_->Handle();  // Both are refused
  hub_->Handle();
  ASSERT_EQ(hub_->waiting(), 2u);  // and sent again.
  EXPECT_EQ(hub_->request(0).producer_epoch(), ahead.producer_epoch() + 1);
  EXPECT_EQ(hub_->request(0).sequence(), 0u);
  hub_->HandleAll();
  EXPECT_THAT(hub_->ids(), ElementsAre("former", "a", "b"));
  // From now on it is fenced like any other.
  ASSERT_TRUE(Publish("c").ok());
  hub_->Refuse(HubError(absl::StatusCode::kAborted,
                        {.reason = ErrorReason::kStaleEpoch, .producer_epoch = UINT64_MAX - 1}));
  EXPECT_TRUE(absl::IsAborted(StatusOf("c")));
}

TEST_F(PublisherTest, TakesOverProducerIdOnlyOnce) {
  Start({.topic = "t", .max_batch_events = 1, .producer_id = "billing"});
  ASSERT_TRUE(Publish("a").ok());
  const uint64_t epoch = hub_->request(0).producer_epoch();
  const auto stale = [](uint64_t holds) {
    return HubError(absl::StatusCode::kAborted,
                    {.reason = ErrorReason::kStaleEpoch, .producer_epoch = holds});
  };
  hub_->Refuse(stale(epoch + 5));
  EXPECT_FALSE(HasResult("a"));
  ASSERT_EQ(hub_->waiting(), 1u);
  EXPECT_EQ(hub_->request(0).producer_epoch(), epoch + 6);
  hub_->Refuse(stale(epoch + 7));
  EXPECT_TRUE(absl::IsAborted(StatusOf("a")));
  EXPECT_FALSE(OutcomeIsUnknown(StatusOf("a")));
}

TEST_F(PublisherTest, IsFencedByANewerProducer) {
  Start({.topic = "t", .max_batch_events = 1, .producer_id = "billing"});
  ASSERT_TRUE(Publish("a").ok());
  ASSERT_TRUE(Publish("b").ok());
  EXPECT_EQ(hub_->request(0).producer_id(), "billing");
  hub_->Refuse(HubError(absl::StatusCode::kAborted, {.reason = ErrorReason::kStaleEpoch}));
  EXPECT_EQ(StatusOf("a").code(), absl::StatusCode::kAborted);
  EXPECT_EQ(StatusOf("b").code(), absl::StatusCode::kAborted);
  EXPECT_EQ(Publish("c").code(), absl::StatusCode::kAborted);
}

// Requests in flight when another producer fences this one are refused. Requests on a stream that
// broke before may have been appended.
TEST_F(PublisherTest, FencedPublisherReportsEventsInDoubt) {
  Start(OneEventEach());
  ASSERT_TRUE(Publish("a").ok());
  hub_->HandleAndBreak();
  ASSERT_TRUE(Publish("b").ok());
  hub_->Advance(absl::Milliseconds(20));
  ASSERT_EQ(hub_->waiting(), 2u);
  hub_->Refuse(HubError(absl::StatusCode::kAborted, {.reason = ErrorReason::kStaleEpoch}));
  EXPECT_TRUE(OutcomeIsUnknown(StatusOf("a")));
  EXPECT_TRUE(absl::IsAborted(StatusOf("b")));
  EXPECT_FALSE(OutcomeIsUnknown(StatusOf("b")));
  EXPECT_FALSE(OutcomeIsUnknown(Publish("c")));
}

// gRPC at the hub resets streams when memory is short, whether or not the hub has acted.
TEST_F(PublisherTest, ResetLeavesDoubtAndRetriesSequences) {
  Start(OneEventEach());
  for (const char* id : {"a", "b"}) ASSERT_TRUE(Publish(id).ok());
  hub_->Process();
  hub_->Break(absl::ResourceExhaustedError("Received RST_STREAM with error code 11"));
  EXPECT_FALSE(HasResult("a"));
  hub_->Advance(absl::Milliseconds(20));
  hub_->HandleAll();
  EXPECT_TRUE(PlaceOf("a").duplicate);
  EXPECT_FALSE(PlaceOf("b").duplicate);
  EXPECT_THAT(hub_->ids(), ElementsAre("a", "b"));
}

TEST_F(PublisherTest, AfterTheDeadlineOnlySentEventsAreInDoubt) {
  Start({.topic = "t",
         .max_batch_events = 1,
         .max_in_flight_requests = 1,
         .deadline = absl::Seconds(1)});
  for (const char* id : {"sent", "held"}) ASSERT_TRUE(Publish(id).ok());
  hub_->Advance(absl::Seconds(1));
  EXPECT_TRUE(absl::IsDeadlineExceeded(StatusOf("sent")));
  EXPECT_TRUE(OutcomeIsUnknown(StatusOf("sent")));
  EXPECT_TRUE(absl::IsDeadlineExceeded(StatusOf("held")));
  EXPECT_FALSE(OutcomeIsUnknown(StatusOf("held")));
}

TEST_F(PublisherTest, UnsentEventsAreNotInDoubt) {
  Start({.topic = "t", .max_batch_events = 1, .deadline = absl::Seconds(10)});
  ASSERT_TRUE(Publish("a").ok());
  hub_->Break(WithNothingDone(absl::UnavailableError("failed to connect to all addresses")));
  hub_->SetDown(true);
  hub_->Advance(absl::Seconds(10));
  EXPECT_TRUE(absl::IsDeadlineExceeded(StatusOf("a")));
  EXPECT_FALSE(OutcomeIsUnknown(StatusOf("a")));
}

// "a" may be appended, but is refused when it is retried, because the settings of its topic
// changed. The next request must not be taken for it.
TEST_F(PublisherTest, DoesNotReuseSequenceInDoubt) {
  for (const bool appended : {true, false}) {
    SCOPED_TRACE(appended);
    const std::string a = appended ? "a" : "lost-a";
    const std::string b = appended ? "b" : "b-behind-lost-a";
    Start(OneEventEach());
    ASSERT_TRUE(Publish(a).ok());
    ASSERT_TRUE(Publish(b).ok());
    if (appended) hub_->Process();
    hub_->Break();
    hub_->SetInvalid({a});
    hub_->Advance(absl::Milliseconds(20));
    hub_->HandleAll();
    EXPECT_TRUE(absl::IsInvalidArgument(StatusOf(a)));
    EXPECT_TRUE(OutcomeIsUnknown(StatusOf(a)));
    EXPECT_TRUE(StatusOf(b).ok());
    EXPECT_FALSE(PlaceOf(b).duplicate);
  }
  EXPECT_THAT(hub_->ids(), ElementsAre("a", "b", "b-behind-lost-a"));
}

TEST_F(PublisherTest, GivesUpAtTheDeadline) {
  Start({.topic = "t", .deadline = absl::Seconds(10)});
  hub_->SetDown(true);
  ASSERT_TRUE(Publish("a").ok());
  hub_->Advance(absl::Milliseconds(9999));
  EXPECT_FALSE(HasResult("a"));
  hub_->Advance(absl::Milliseconds(1));
  EXPECT_EQ(StatusOf("a").code(), absl::StatusCode::kDeadlineExceeded);
  hub_->SetDown(false);
  hub_->Advance(absl::Seconds(10));
  EXPECT_EQ(hub_->waiting(), 0u);  // It was never sent, and is no longer queued.
}

TEST_F(PublisherTest, ExpiredRequestInDoubtKeepsSequence) {
  Start({.topic = "t", .max_batch_events = 1, .deadline = absl::Seconds(10)});
  ASSERT_TRUE(Publish("a").ok());
  hub_->HandleAndBreak();
  hub_->SetDown(true);
  hub_->Advance(absl::Seconds(10));
  EXPECT_EQ(StatusOf("a").code(), absl::StatusCode::kDeadlineExceeded);
  hub_->SetDown(false);
  ASSERT_TRUE(Publish("b").ok());
  hub_->Advance(absl::Seconds(5));
  hub_->HandleAll();
  EXPECT_THAT(hub_->ids(), ElementsAre("a", "b"));  // "b" is not a duplicate.
  EXPECT_FALSE(PlaceOf("b").duplicate);
}

TEST_F(PublisherTest, DropsAStreamWithoutReplies) {
  Start({.topic = "t", .reply_timeout = absl::Seconds(3)});
  ASSERT_TRUE(Publish("a").ok());
  hub_->Advance(absl::Milliseconds(2999));
  EXPECT_EQ(hub_->streams_opened(), 1u);
  hub_->Advance(absl::Milliseconds(100));
  EXPECT_EQ(hub_->streams_opened(), 2u);
  hub_->HandleAll();
  EXPECT_TRUE(StatusOf("a").ok());
}

TEST_F(PublisherTest, PermanentStreamErrorFailsWaitingEvents) {
  Start();
  ASSERT_TRUE(Publish("a").ok());
  hub_->Break(absl::UnimplementedError("no such method"));
  EXPECT_EQ(StatusOf("a").code(), absl::StatusCode::kUnimplemented);
}

TEST_F(PublisherTest, OversizedRequestFailsAlone) {
  Start(OneEventEach());
  ASSERT_TRUE(Publish("a").ok());
  ASSERT_TRUE(Publish("large-large-large").ok());
  ASSERT_TRUE(Publish("b").ok());
  hub_->Handle();
  absl::Status too_large = absl::ResourceExhaustedError("9 bytes are more than 8");
  SetErrorInfo({.reason = ErrorReason::kRequestTooLarge}, too_large);
  hub_->Break(too_large);
  EXPECT_TRUE(absl::IsResourceExhausted(StatusOf("large-large-large")));
  hub_->Advance(absl::Seconds(1));
  hub_->HandleAll();
  EXPECT_TRUE(StatusOf("b").ok());
  EXPECT_THAT(hub_->ids(), ElementsAre("a", "b"));
}

TEST_F(PublisherTest, UnexpectedReplyBreaksStream) {
  Start();
  ASSERT_TRUE(Publish("a").ok());
  hub_->ReplyTo(4711);
  EXPECT_FALSE(HasResult("a"));
  hub_->Advance(absl::Milliseconds(20));
  EXPECT_EQ(hub_->streams_opened(), 2u);
  hub_->HandleAll();
  EXPECT_TRUE(StatusOf("a").ok());
}

TEST_F(PublisherTest, WithoutIdempotenceRequestsHaveNoSequence) {
  Start({.topic = "t", .max_batch_events = 1, .idempotent = false});
  ASSERT_TRUE(Publish("a").ok());
  EXPECT_TRUE(hub_->request(0).producer_id().empty());
  hub_->HandleAndBreak();
  hub_->Advance(absl::Milliseconds(20));
  hub_->HandleAll();
  EXPECT_THAT(hub_->ids(), ElementsAre("a", "a"));  // Appended at least once.
  EXPECT_TRUE(StatusOf("a").ok());
}

// After any failures, every event reported as published is stored exactly once, all others are not
// stored, and the order is kept.
class PublisherChaosTest : public PublisherTest, public testing::WithParamInterface<unsigned> {};

TEST_P(PublisherChaosTest, ExactlyOnceAndInOrder) {
  std::mt19937 random(GetParam());
  SCOPED_TRACE(testing::Message() << "seed " << GetParam());
  Start({.topic = "t",
         .max_batch_events = 1 + random() % 4,
         .max_in_flight_requests = 1 + random() % 8,
         .deadline = absl::InfiniteDuration(),
         .reply_timeout = absl::InfiniteDuration()});
  constexpr int kEvents = 400;
  std::vector<std::string> invalid;
  for (int i = 0; i < kEvents; i += 1 + random() % 50) invalid.push_back(std::to_string(i));
  hub_->SetInvalid(invalid);
  int published = 0;
  while (published < kEvents || order_.size() < kEvents) {
    switch (random() % 12) {
      case 0:
        hub_->Break();
        break;
      case 1:
        if (hub_->waiting() > 0) hub_->HandleAndBreak();
        break;
      case 2:
        if (hub_->waiting() > 0) {
          hub_->Refuse(HubError(absl::StatusCode::kResourceExhausted,
                                {.reason = ErrorReason::kTooMuchInFlight}));
        }
        break;
      case 3:
        if (hub_->waiting() > 0) hub_->Refuse(absl::UnavailableError("in doubt"));
        break;
      case 4:
      case 5:
        hub_->Advance(absl::Milliseconds(random() % 100));
        break;
      case 6:
      case 7:
      case 8:
        if (hub_->waiting() > 0) hub_->Handle();
        break;
      default:
        if (published < kEvents) {
          ASSERT_TRUE(Publish(std::to_string(published++)).ok());
        }
        break;
    }
  }
  std::vector<std::string> expected;
  for (int i = 0; i < kEvents; ++i) {
    const std::string id = std::to_string(i);
    const bool bad = std::count(invalid.begin(), invalid.end(), id) != 0;
    EXPECT_EQ(StatusOf(id).ok(), !bad) << id;
    if (bad) continue;
    EXPECT_EQ(PlaceOf(id).offset, static_cast<int64_t>(expected.size()));
    expected.push_back(id);
  }
  EXPECT_EQ(hub_->ids(), expected);
}

INSTANTIATE_TEST_SUITE_P(Seeds, PublisherChaosTest, testing::Range(1u, 101u));

}  // namespace
}  // namespace eventhub::client
