// Tests of small parts: errors, partitions, batches, places, lists, timers, streams.

#include <future>

#include "absl/strings/str_cat.h"
#include "client/src/admin/topic_proto.h"
#include "client/src/base/failure.h"
#include "client/src/base/proto_time.h"
#include "client/src/base/stream_slot.h"
#include "client/src/base/timer_thread.h"
#include "client/src/connection/grpc_status.h"
#include "client/src/publish/batch.h"
#include "client/src/publish/event_check.h"
#include "client/src/publish/locate.h"
#include "client/src/subscribe/offset_set.h"
#include "eventhub/admin_client.h"
#include "eventhub/error.h"
#include "eventhub/event_batch.h"
#include "eventhub/mocks/mock_connection.h"
#include "eventhub/partition.h"
#include "eventhub/publisher.h"
#include "eventhub/reader.h"
#include "eventhub/subscriber.h"
#include "gtest/gtest.h"

namespace eventhub::client {
namespace {

using ::testing::_;
using ::testing::Return;

TEST(ErrorTest, InfoSurvivesTheStatus) {
  absl::Status status = absl::OutOfRangeError("trimmed");
  EXPECT_FALSE(GetErrorInfo(status).has_value());
  EXPECT_EQ(GetErrorReason(status), ErrorReason::kUnspecified);
  SetErrorInfo({.reason = ErrorReason::kOffsetOutOfRange,
                .field = "offsets[0]",
                .event_index = 1,
                .partition = 2,
                .earliest_offset = 3,
                .end_offset = 4,
                .producer_epoch = 5,
                .expected_sequence = 6,
                .retry_delay = absl::Milliseconds(1500)},
               status);
  const auto info = GetErrorInfo(status);
  ASSERT_TRUE(info.has_value());
  EXPECT_EQ(info->reason, ErrorReason::kOffsetOutOfRange);
  EXPECT_EQ(info->field, "offsets[0]");
  EXPECT_EQ(info->event_index, 1u);
  EXPECT_EQ(info->partition, 2u);
  EXPECT_EQ(info->earliest_offset, 3);
  EXPECT_EQ(info->end_offset, 4);
  EXPECT_EQ(info->producer_epoch, 5u);
  EXPECT_EQ(info->expected_sequence, 6u);
  EXPECT_EQ(info->retry_delay, absl::Milliseconds(1500));
  EXPECT_EQ(ErrorReasonName(info->reason), "OFFSET_OUT_OF_RANGE");
}

// Each reason of the contract has an enumerator with the same number.
TEST(ErrorTest, ReasonsMatchTheContract) {
  EXPECT_EQ(static_cast<int>(ErrorReason::kNoMasterKey), v1::ErrorDetail::Reason_MAX);
  EXPECT_EQ(static_cast<int>(ErrorReason::kLakeUnavailable),
            v1::ErrorDetail::REASON_LAKE_UNAVAILABLE);
  EXPECT_EQ(static_cast<int>(ErrorReason::kLakeDamaged), v1::ErrorDetail::REASON_LAKE_DAMAGED);
  EXPECT_EQ(static_cast<int>(ErrorReason::kReplayInProgress),
            v1::ErrorDetail::REASON_REPLAY_IN_PROGRESS);
  EXPECT_EQ(ErrorReasonName(ErrorReason::kSequenceTooOld), "SEQUENCE_TOO_OLD");
  EXPECT_EQ(ErrorReasonName(static_cast<ErrorReason>(99)), "UNSPECIFIED");
}

// gRPC's error, raised before the hub sees the request.
TEST(ErrorTest, OversizedRequestHasReason) {
  const absl::Status status =
      FromGrpc(grpc::Status(grpc::StatusCode::RESOURCE_EXHAUSTED,
                            "Received message larger than max (6000136 vs. 4194304)"));
  EXPECT_TRUE(absl::IsResourceExhausted(status));
  EXPECT_EQ(GetErrorReason(status), ErrorReason::kRequestTooLarge);
  EXPECT_EQ(status.message(),
            "the request of 6000136 bytes exceeds the hub's limit of 4194304 bytes (its "
            "--max_request)");
  EXPECT_FALSE(OutcomeIsUnknown(status));
  EXPECT_FALSE(MayPass(status));
  const absl::Status other =
      FromGrpc(grpc::Status(grpc::StatusCode::RESOURCE_EXHAUSTED, "out of memory"));
  EXPECT_EQ(GetErrorReason(other), ErrorReason::kUnspecified);
  EXPECT_TRUE(OutcomeIsUnknown(other));
  EXPECT_TRUE(MayPass(other));
}

TEST(ErrorTest, IsParsedFromTrailersAndReplies) {
  v1::ErrorStatus proto;
  proto.set_code(5);
  proto.set_message("no topic x");
  v1::ErrorDetail detail;
  detail.set_reason(v1::ErrorDetail::REASON_TOPIC_NOT_FOUND);
  proto.add_details()->PackFrom(detail);
  for (const absl::Status& status :
       {FromProto(proto), FromGrpc(grpc::Status(grpc::StatusCode::NOT_FOUND, "no topic x",
                                                proto.SerializeAsString()))}) {
    EXPECT_EQ(status.code(), absl::StatusCode::kNotFound);
    EXPECT_EQ(status.message(), "no topic x");
    EXPECT_EQ(GetErrorReason(status), ErrorReason::kTopicNotFound);
  }
}

// Errors from the hub and from gRPC.
absl::Status OfHub(absl::StatusCode code, ErrorReason reason = ErrorReason::kUnspecified) {
  absl::Status status(code, "refused");
  SetErrorInfo({.reason = reason}, status);
  return status;
}
absl::Status OfTransport(int code) {
  return absl::Status(static_cast<absl::StatusCode>(code), "reset");
}

TEST(FailureTest, OnlyUnavailableOfHubLeavesDoubt) {
  for (int code = 1; code <= 16; ++code) {
    EXPECT_EQ(OutcomeIsUnknown(OfHub(static_cast<absl::StatusCode>(code))), code == 14) << code;
  }
  EXPECT_TRUE(
      OutcomeIsUnknown(OfHub(absl::StatusCode::kFailedPrecondition, ErrorReason::kSequenceTooOld)));
  EXPECT_FALSE(OutcomeIsUnknown(absl::OkStatus()));
}

// Covers all codes. gRPC documents which codes its libraries generate; the others come from this
// side.
TEST(FailureTest, TransportErrorsLeaveDoubt) {
  for (const int code : {1, 2, 4, 7, 8, 12, 13, 14, 16}) {
    EXPECT_TRUE(OutcomeIsUnknown(OfTransport(code))) << code;
    EXPECT_FALSE(OutcomeIsUnknown(WithNothingDone(OfTransport(code)))) << code;
  }
  for (const int code : {3, 5, 6, 9, 10, 11, 15}) {
    EXPECT_FALSE(OutcomeIsUnknown(OfTransport(code))) << code;
    EXPECT_TRUE(OutcomeIsUnknown(WithUnknownOutcome(OfTransport(code)))) << code;
  }
}

TEST(FailureTest, MarksAreReadable) {
  EXPECT_NE(WithUnknownOutcome(OfTransport(8)).ToString().find("'unknown'"), std::string::npos);
  EXPECT_TRUE(SaysNothingDone(WithNothingDone(OfTransport(8))));
  EXPECT_FALSE(SaysNothingDone(OfHub(absl::StatusCode::kNotFound)));
}

TEST(FailureTest, ClassifiesTransientErrors) {
  for (int code = 1; code <= 16; ++code) {
    const bool may = code == 1 || code == 2 || code == 4 || code == 8 || code == 13 || code == 14;
    EXPECT_EQ(MayPass(OfTransport(code)), may) << code;
    EXPECT_EQ(MayPass(OfHub(static_cast<absl::StatusCode>(code))), may) << code;
  }
}

TEST(ConnectionTest, DefaultsAreUnimplemented) {
  const auto nothing = std::make_shared<Connection>();
  auto publisher = Publisher::Create(nothing, {.topic = "t"});
  ASSERT_TRUE(publisher.ok());
  v1::Event event;
  event.set_id("1");
  event.set_source("/test");
  event.set_type("test");
  ASSERT_TRUE((*publisher)->Publish(event).ok());
  const absl::Status published = (*publisher)->Flush();
  EXPECT_TRUE(absl::IsUnimplemented(published));
  EXPECT_FALSE(OutcomeIsUnknown(published));
  auto reader = Reader::Create(nothing, {.topic = "t"});
  ASSERT_TRUE(reader.ok());
  EXPECT_TRUE(absl::IsUnimplemented((*reader)->Next().status()));
  const auto handle = [](const ReceivedEvent&) { return client::Outcome::Ack(); };
  EXPECT_TRUE(
      absl::IsUnimplemented(Subscriber::Run(nothing, {.subscription = "s", .on_event = handle})));
}

TEST(PartitionTest, IsXxh64) {
  EXPECT_EQ(KeyHash(""), 0xEF46DB3751D8E999u);  // The published XXH64 of the empty string.
  EXPECT_EQ(KeyHash("abc"), 0x44BC2CF5AD770999u);
  EXPECT_EQ(PartitionFor("abc", 10), 0x44BC2CF5AD770999u % 10);
  EXPECT_EQ(PartitionFor("abc", 1), 0u);
}

v1::Event KeyedEvent(const std::string& id, const std::string& key) {
  v1::Event event;
  event.set_id(id);
  event.set_partition_key(key);
  return event;
}

void Append(Batch& batch, const v1::Event& event, Publisher::Callback done = nullptr) {
  batch.Append(event, event.ByteSizeLong(), std::move(done));
}

TEST(BatchTest, RemovesAnEventAndItsCallback) {
  Batch batch(1, std::nullopt, 0);
  std::string called;
  for (const char* id : {"a", "b", "c"}) {
    Append(batch, KeyedEvent(id, ""),
           [&called, id](absl::StatusOr<PublishedEvent>) { called += id; });
  }
  const Bytes before = batch.body();
  const std::string copy(before.view);
  batch.Remove(1)(PublishedEvent{});
  EXPECT_EQ(called, "b");
  EXPECT_EQ(batch.events(), 2u);
  EXPECT_EQ(before.view, copy) << "a buffer that the transport may hold was changed";
  v1::PublishRequest request;
  ASSERT_TRUE(request.ParseFromString(std::string(batch.body().view)));
  EXPECT_EQ(request.events(0).id(), "a");
  EXPECT_EQ(request.events(1).id(), "c");
  ASSERT_EQ(batch.results.size(), 2u);
  EXPECT_EQ(batch.results[1].index, 1u);
}

TEST(LocateTest, FollowsKeysAndDetectsContradictions) {
  Batch batch(1, std::nullopt, 0);
  const uint32_t x = PartitionFor("x", 8);
  const uint32_t y = PartitionFor("y", 8);
  ASSERT_NE(x, y);
  for (const char* key : {"x", "y", "", "x"}) Append(batch, KeyedEvent("e", key));
  PublishReply reply{.placements = {{x, 100, 2}, {y, 200, 2}},
                     .keyless_partition = y,
                     .partition_count = 8,
                     .duplicate = true};
  const auto places = LocateEvents(batch.body().view, 4, reply);
  ASSERT_TRUE(places.has_value());
  EXPECT_EQ((*places)[0].offset, 100);
  EXPECT_EQ((*places)[1].offset, 200);
  EXPECT_EQ((*places)[2].offset, 201);
  EXPECT_EQ((*places)[3].offset, 101);
  EXPECT_TRUE((*places)[3].duplicate);
  for (const uint32_t wrong : {0u, 7u}) {
    reply.partition_count = wrong;
    EXPECT_FALSE(LocateEvents(batch.body().view, 4, reply).has_value());
  }
  reply.partition_count = 8;
  reply.keyless_partition.reset();
  EXPECT_FALSE(LocateEvents(batch.body().view, 4, reply).has_value());
}

TEST(LocateTest, SinglePlacementCoversAllEvents) {
  Batch batch(1, 3, 0);
  for (int i = 0; i < 2; ++i) Append(batch, KeyedEvent("e", ""));
  const auto places = LocateEvents(batch.body().view, 2, {.placements = {{3, 100, 2}}});
  ASSERT_TRUE(places.has_value());
  EXPECT_EQ((*places)[1].partition, 3u);
  EXPECT_EQ((*places)[1].offset, 101);
  EXPECT_FALSE(LocateEvents(batch.body().view, 2, {.placements = {{3, 100, 1}}}).has_value());
  EXPECT_FALSE(LocateEvents(batch.body().view, 2, {}).has_value());
}

TEST(EventCheckTest, RejectsTwoDelays) {
  v1::Event event = KeyedEvent("e", "");
  event.set_source("/s");
  event.set_type("t");
  event.mutable_deliver_after()->set_seconds(5);
  EXPECT_TRUE(CheckEvent(event).ok());
  event.mutable_deliver_at()->set_seconds(5);
  EXPECT_EQ(CheckEvent(event).message(),
            "event.deliver_after cannot be set together with deliver_at");
  event.clear_deliver_at();
  event.mutable_deliver_after()->set_seconds(-5);
  EXPECT_EQ(CheckEvent(event).message(), "event.deliver_after is negative");
  EXPECT_EQ(GetErrorInfo(CheckEvent(event))->field, "deliver_after");
}

TEST(EventBatchTest, FindsEventsAmongOtherFields) {
  v1::EventBatch proto;
  proto.set_partition(3);
  proto.set_base_offset(8);
  proto.add_events()->set_id("a");
  proto.add_events()->set_id("b");
  // Fields may come in any order; an unknown field (100) is skipped.
  std::string bytes = proto.SerializeAsString() + std::string("\xA0\x06\x01", 3);
  v1::EventBatch more;
  more.add_events()->set_id("c");
  bytes += more.SerializeAsString();
  const Bytes frame = Bytes::Of(bytes);
  const auto batch = EventBatch::Parse(frame, frame.view);
  ASSERT_TRUE(batch.ok()) << batch.status();
  EXPECT_EQ(batch->size(), 3u);
  EXPECT_EQ(batch->last_offset(), 10);
  std::string ids;
  v1::Event event;
  for (const ReceivedEvent& received : *batch) {
    ASSERT_TRUE(received.ParseTo(event).ok());
    ids += event.id();
  }
  EXPECT_EQ(ids, "abc");
}

TEST(ProtoTimeTest, RoundTrips) {
  const absl::Time last = absl::FromUnixSeconds(253'402'300'800) - absl::Nanoseconds(1);
  for (const absl::Time time :
       {absl::FromUnixMillis(-1500), absl::UnixEpoch(), last,
        absl::FromUnixSeconds(-62'135'596'800), absl::FromUnixNanos(1'700'000'000'123'456'789)}) {
    google::protobuf::Timestamp proto;
    ToProto(time, proto);
    EXPECT_GE(proto.nanos(), 0);
    EXPECT_EQ(FromProto(proto), time);
  }
  google::protobuf::Duration proto;
  ToProto(absl::Milliseconds(-1500), proto);
  EXPECT_EQ(proto.seconds(), -1);
  EXPECT_EQ(proto.nanos(), -500'000'000);
  ToProto(absl::InfiniteDuration(), proto);
  EXPECT_EQ(proto.seconds(), 315'576'000'000);
}

TEST(TopicProtoTest, UpdateMaskNamesSetFields) {
  const v1::UpdateTopicRequest request =
      ToProto("t", {.max_age = absl::InfiniteDuration(), .description = "d"});
  EXPECT_EQ(request.topic().name(), "t");
  EXPECT_FALSE(request.topic().retention().has_max_age());
  ASSERT_EQ(request.update_mask().paths_size(), 2);
  EXPECT_EQ(request.update_mask().paths(0), "retention.max_age");
  EXPECT_EQ(request.update_mask().paths(1), "description");

  Topic topic{.name = "t", .partitions = 3, .max_age = absl::Hours(1), .max_bytes = 7};
  topic.default_durability = Durability::kWritten;
  const Topic back = FromProto(ToProto(topic));
  EXPECT_EQ(back.partitions, 3u);
  EXPECT_EQ(back.max_age, absl::Hours(1));
  EXPECT_EQ(back.max_bytes, 7u);
  EXPECT_EQ(back.default_durability, Durability::kWritten);
}

TEST(AdminClientTest, ListsAllPages) {
  auto hub = std::make_shared<testing::StrictMock<MockConnection>>();
  EXPECT_CALL(*hub, ListTopics(_, "", absl::Seconds(3)))
      .WillOnce(Return(Page<Topic>{{{.name = "a"}, {.name = "b"}}, "next"}));
  EXPECT_CALL(*hub, ListTopics(_, "next", _)).WillOnce(Return(Page<Topic>{{{.name = "c"}}, ""}));
  AdminClient admin(hub, {.timeout = absl::Seconds(3)});
  const auto topics = admin.ListTopics();
  ASSERT_TRUE(topics.ok());
  ASSERT_EQ(topics->size(), 3u);
  EXPECT_EQ((*topics)[2].name, "c");

  EXPECT_CALL(*hub, ListPartitions("a", _, "", _))
      .WillOnce(Return(absl::NotFoundError("no topic a")));
  EXPECT_EQ(admin.ListPartitions("a").status().code(), absl::StatusCode::kNotFound);
}

std::string Missing(const OffsetSet& set, OffsetRange range) {
  std::string text;
  set.ForEachMissing(range, [&](OffsetRange missing) {
    absl::StrAppend(&text, "[", missing.start, ",", missing.end, ")");
  });
  return text;
}

TEST(OffsetSetTest, CountsNewOffsets) {
  OffsetSet set;
  EXPECT_EQ(set.Add({10, 20}), 10u);
  EXPECT_EQ(set.Add({10, 20}), 0u);
  EXPECT_EQ(set.Add({12, 15}), 0u);
  EXPECT_EQ(set.Add({15, 22}), 2u);
  EXPECT_EQ(set.Add({30, 40}), 10u);
  EXPECT_EQ(set.Add({5, 11}), 5u);
  EXPECT_EQ(set.size(), 2u);
  EXPECT_EQ(set.Add({2, 3}), 1u);
  EXPECT_EQ(set.Add({0, 50}), 50u - 17 - 10 - 1);
  EXPECT_EQ(set.size(), 1u);
  EXPECT_EQ(set.first().end, 50);
  EXPECT_EQ(set.Add({50, 51}), 1u);
  EXPECT_EQ(set.size(), 1u);
}

TEST(OffsetSetTest, FindsMissingRanges) {
  OffsetSet set;
  EXPECT_EQ(Missing(set, {3, 5}), "[3,5)");
  set.Add({10, 20});
  set.Add({30, 40});
  EXPECT_EQ(Missing(set, {5, 50}), "[5,10)[20,30)[40,50)");
  EXPECT_EQ(Missing(set, {12, 18}), "");
  EXPECT_EQ(Missing(set, {15, 35}), "[20,30)");
  EXPECT_EQ(Missing(set, {20, 30}), "[20,30)");
}

TEST(TimerThreadTest, RunsInOrderOfTime) {
  std::promise<void> done;
  std::string order;
  TimerThread timer;
  timer.RunAfter(absl::Milliseconds(30), [&] {
    order += "b";
    done.set_value();
  });
  timer.RunAfter(absl::Milliseconds(1), [&] { order += "a"; });
  timer.RunAfter(absl::InfiniteDuration(), [&] { order += "never"; });
  done.get_future().wait();
  EXPECT_EQ(order, "ab");
}

TEST(TimerThreadTest, MayBeDestroyedByItsOwnCallback) {
  auto timer = std::make_shared<TimerThread>();
  TimerThread* const raw = timer.get();
  std::promise<void> done;
  raw->RunAfter(absl::ZeroDuration(), [timer = std::move(timer), &done]() mutable {
    timer.reset();
    done.set_value();
  });
  done.get_future().wait();
}

std::string DelayedBody(int count, const std::string& key) {
  v1::EventBatch batch;
  for (int i = 0; i < count; ++i) batch.add_events()->set_partition_key(key);
  return batch.SerializeAsString();
}

TEST(LocateDelayed, LocatesDelayedAndDuplicateEvents) {
  const absl::Time due = absl::FromUnixSeconds(7);
  PublishReply reply{.placements = {{0, 100, 2}},
                     .keyless_partition = 0,
                     .partition_count = 1,
                     .delayed = {{1, "id-1", due}, {4, "id-4", due}},
                     .duplicates = {{2, 3, 77}, {5, std::nullopt, std::nullopt}}};
  const auto events = LocateEvents(DelayedBody(6, ""), 6, reply);
  ASSERT_TRUE(events.has_value());
  ASSERT_EQ(events->size(), 6u);
  EXPECT_EQ((*events)[0].offset, 100);
  EXPECT_FALSE((*events)[0].delayed.has_value());
  EXPECT_EQ(sizeof(PublishedEvent), 24u);  // There are many, and few are delayed.
  ASSERT_TRUE((*events)[1].delayed.has_value());
  EXPECT_EQ((*events)[1].delayed->id, "id-1");
  EXPECT_EQ((*events)[1].delayed->due_time, due);
  EXPECT_TRUE((*events)[2].deduplicated);
  EXPECT_EQ((*events)[2].partition, 3u);
  EXPECT_EQ((*events)[2].offset, 77);
  EXPECT_EQ((*events)[3].offset, 101);
  EXPECT_FALSE((*events)[3].deduplicated);
  EXPECT_EQ((*events)[4].delayed->id, "id-4");
  EXPECT_TRUE((*events)[5].deduplicated);
  EXPECT_EQ((*events)[5].offset, -1);
}

TEST(LocateDelayed, NothingAppended) {
  const PublishReply reply{.partition_count = 4, .delayed = {{0, "a", {}}, {1, "b", {}}}};
  const auto events = LocateEvents(DelayedBody(2, "key"), 2, reply);
  ASSERT_TRUE(events.has_value());
  EXPECT_EQ((*events)[1].delayed->id, "b");
}

TEST(LocateDelayed, RejectsContradictoryReplies) {
  PublishReply reply{.placements = {{0, 100, 1}}, .delayed = {{7, "a", {}}}};
  EXPECT_FALSE(LocateEvents(DelayedBody(2, ""), 2, reply).has_value());
  reply.delayed = {{1, "a", {}}, {0, "b", {}}};
  EXPECT_FALSE(LocateEvents(DelayedBody(2, ""), 2, reply).has_value());
}

class StreamSlotTest : public testing::Test {
 protected:
  struct Stream {};

  // Opens a stream; returns its number.
  uint64_t Open() {
    const uint64_t number = slot_.BeginOpen();
    std::shared_ptr<Stream> stream = std::make_shared<Stream>();
    EXPECT_TRUE(slot_.Opened(number, stream));
    return number;
  }

  StreamSlot<Stream> slot_{RetryOptions{.initial_delay = absl::Seconds(1)}, absl::Seconds(100)};
};

TEST_F(StreamSlotTest, OneOperationIsInProgress) {
  const uint64_t number = slot_.BeginOpen();
  EXPECT_TRUE(slot_.busy());
  EXPECT_FALSE(slot_.is_open());
  std::shared_ptr<Stream> stream = std::make_shared<Stream>();
  EXPECT_TRUE(slot_.Opened(number, stream));
  EXPECT_FALSE(slot_.busy());
  EXPECT_NE(slot_.BeginWrite(), nullptr);
  EXPECT_TRUE(slot_.busy());
  EXPECT_TRUE(slot_.Written(number));
  EXPECT_FALSE(slot_.busy());
}

TEST_F(StreamSlotTest, LostStreamsAreNotTheCurrentOne) {
  const uint64_t first = Open();
  EXPECT_TRUE(slot_.Is(first));
  EXPECT_NE(slot_.Lose(), nullptr);
  EXPECT_FALSE(slot_.Is(first));
  EXPECT_FALSE(slot_.is_open());
  Open();
  slot_.BeginWrite();
  EXPECT_FALSE(slot_.Written(first));
  EXPECT_TRUE(slot_.busy());
}

TEST_F(StreamSlotTest, StreamLostWhileItOpensIsNotTaken) {
  const uint64_t number = slot_.BeginOpen();
  EXPECT_EQ(slot_.Lose(), nullptr);
  EXPECT_FALSE(slot_.busy());
  std::shared_ptr<Stream> stream = std::make_shared<Stream>();
  EXPECT_FALSE(slot_.Opened(number, stream));
  EXPECT_NE(stream, nullptr);  // Left to the caller.
  EXPECT_FALSE(slot_.is_open());
}

TEST_F(StreamSlotTest, FailuresDelayTheNextAttemptUntilOneSucceeds) {
  EXPECT_EQ(slot_.not_before(), absl::Seconds(100));
  slot_.BackOff(absl::UnavailableError("no hub"), absl::Seconds(200));
  EXPECT_GT(slot_.not_before(), absl::Seconds(200));
  EXPECT_EQ(slot_.last_failure().message(), "no hub");
  slot_.NoteSuccess();
  EXPECT_TRUE(slot_.last_failure().ok());
}

}  // namespace
}  // namespace eventhub::client
