// EventHubService.Read: starts, stops, following, and how a read can end.
#include <gmock/gmock.h>
#include <google/protobuf/util/time_util.h>
#include <gtest/gtest.h>

#include <thread>

#include "tests/support/eventually.h"
#include "tests/support/hub_calls.h"

namespace eventhub {
namespace {

using google::protobuf::Timestamp;
using google::protobuf::util::TimeUtil;
using grpc::StatusCode;
using testing::ElementsAre;
using testing::IsEmpty;
using testing::SizeIs;
using v1::ErrorDetail;

// A read in progress.
class Follower {
 public:
  Follower(HubClient& client, v1::ReadRequest request)
      : stream_((request.set_follow(true), client.hub().Read(&context_, request))) {}
  ~Follower() {
    context_.TryCancel();
    v1::ReadResponse response;
    while (!ended_ && stream_->Read(&response)) {
    }
    if (!ended_) stream_->Finish();
  }

  // Returns the next response; fails the test at the end of the call.
  v1::ReadResponse Next() {
    v1::ReadResponse response;
    EXPECT_TRUE(stream_->Read(&response));
    return response;
  }
  // Skips responses up to one that reports the end of the log; returns the ids of events.
  std::vector<std::string> UntilCaughtUp() {
    ReadOutcome outcome;
    do {
      outcome.responses.push_back(Next());
    } while (!outcome.responses.back().caught_up() && !testing::Test::HasFailure());
    return outcome.ids();
  }
  // Skips to the end of the call.
  grpc::Status End() {
    v1::ReadResponse response;
    while (stream_->Read(&response)) {
    }
    ended_ = true;
    return stream_->Finish();
  }

 private:
  grpc::ClientContext context_;
  std::unique_ptr<grpc::ClientReader<v1::ReadResponse>> stream_;
  bool ended_ = false;
};

void DeleteTopic(HubClient& client, const std::string& name) {
  grpc::ClientContext context;
  v1::DeleteTopicRequest request;
  v1::DeleteTopicResponse response;
  request.set_name(name);
  ASSERT_THAT(client.admin().DeleteTopic(&context, request, &response), IsOk());
}

void SetPartitions(HubClient& client, const std::string& name, uint32_t partitions) {
  grpc::ClientContext context;
  v1::UpdateTopicRequest request;
  v1::UpdateTopicResponse response;
  request.mutable_topic()->set_name(name);
  request.mutable_topic()->set_partitions(partitions);
  request.mutable_update_mask()->add_paths("partitions");
  ASSERT_THAT(client.admin().UpdateTopic(&context, request, &response), IsOk());
}

void PublishTo(HubClient& client, const std::string& topic, uint32_t partition,
               const std::vector<v1::Event>& events) {
  v1::PublishRequest request;
  request.set_topic(topic);
  request.set_partition(partition);
  for (const v1::Event& event : events) *request.add_events() = event;
  Publish(client, request);
}

// Runs every test twice: from memory and, with almost no memory, from disk.
class ReadTest : public testing::TestWithParam<size_t> {
 protected:
  ReadTest() : hub_(Options(GetParam())) { CreateTopic(hub_.client(), "t"); }

  static ServerOptions Options(size_t tail_cache_bytes) {
    ServerOptions options = TestServerOptions();
    options.broker.tail_cache_bytes = tail_cache_bytes;
    return options;
  }
  std::vector<std::string> Ids(const v1::ReadRequest& request) {
    const ReadOutcome outcome = ReadAll(hub_.client(), request);
    EXPECT_THAT(outcome.status, IsOk());
    return outcome.ids();
  }
  grpc::Status Refusal(const v1::ReadRequest& request) {
    return ReadAll(hub_.client(), request).status;
  }

  TestHub hub_;
};

INSTANTIATE_TEST_SUITE_P(MemoryAndDisk, ReadTest, testing::Values(size_t{64} << 20, size_t{1}));

TEST_P(ReadTest, EmptyTopicIsCaughtUpAndEnds) {
  const ReadOutcome outcome = ReadAll(hub_.client(), ReadOf("t"));
  EXPECT_THAT(outcome.status, IsOk());
  ASSERT_THAT(outcome.responses, SizeIs(2));
  ASSERT_EQ(outcome.responses[0].start_size(), 1);
  EXPECT_EQ(outcome.responses[0].start(0).offset(), 0);
  EXPECT_EQ(outcome.responses[0].batches_size(), 0);
  EXPECT_FALSE(outcome.responses[0].caught_up());
  EXPECT_TRUE(outcome.responses[1].caught_up());
}

TEST_P(ReadTest, DeliversEventsByteForByte) {
  v1::Event event = MakeEvent("full", std::string("\0\xff binary", 9), "key");
  event.set_subject("subject");
  event.mutable_time()->set_seconds(1'700'000'000);
  event.set_data_content_type("text/plain");
  event.set_data_schema("http://example.com/schema");
  (*event.mutable_attributes())["traceparent"].set_string("00-1-2-03");
  event.GetReflection()->MutableUnknownFields(&event)->AddVarint(200, 77);
  PublishTo(hub_.client(), "t", 0, {event, MakeEvent("second")});
  const ReadOutcome outcome = ReadAll(hub_.client(), ReadOf("t"));
  ASSERT_THAT(outcome.ids(), ElementsAre("full", "second"));
  const v1::EventBatch& batch = outcome.responses[1].batches(0);
  EXPECT_EQ(batch.base_offset(), 0);
  EXPECT_EQ(batch.partition(), 0u);
  EXPECT_EQ(batch.events(0).SerializeAsString(), event.SerializeAsString());
  EXPECT_GT(batch.append_time().seconds(), 1'700'000'000);
}

TEST_P(ReadTest, StartsAtRequestedPosition) {
  for (const char* id : {"0", "1", "2", "3"}) PublishTo(hub_.client(), "t", 0, {MakeEvent(id)});
  v1::ReadRequest request = ReadOf("t");
  request.mutable_start()->set_earliest(true);
  EXPECT_THAT(Ids(request), ElementsAre("0", "1", "2", "3"));
  request.mutable_start()->set_latest(true);
  EXPECT_THAT(Ids(request), IsEmpty());
  request.mutable_start()->set_offset(2);
  EXPECT_THAT(Ids(request), ElementsAre("2", "3"));
  request.mutable_start()->set_offset(4);
  EXPECT_THAT(Ids(request), IsEmpty());
  v1::PartitionOffset& exact = *request.add_offsets();
  exact.set_offset(3);
  EXPECT_THAT(Ids(request), ElementsAre("3"));
}

TEST_P(ReadTest, StartsWithinBatch) {
  std::vector<v1::Event> events;
  for (int i = 0; i < 10; ++i) events.push_back(MakeEvent(std::to_string(i)));
  PublishTo(hub_.client(), "t", 0, events);
  v1::ReadRequest request = ReadOf("t");
  request.mutable_start()->set_offset(4);
  request.set_stop_offset(7);
  const ReadOutcome outcome = ReadAll(hub_.client(), request);
  EXPECT_THAT(outcome.ids(), ElementsAre("4", "5", "6"));
  EXPECT_EQ(outcome.responses[1].batches(0).base_offset(), 4);
}

TEST_P(ReadTest, StartsAndStopsAtTimestamps) {
  Publish(hub_.client(), MakePublish("t"));
  const Timestamp first = GetPartition(hub_.client(), "t").last_append_time();
  // Append times are in microseconds: the next event is later once the clock says so.
  ASSERT_TRUE(Eventually(
      [&] { return TimeUtil::GetCurrentTime() > first + TimeUtil::MillisecondsToDuration(1); }));
  PublishTo(hub_.client(), "t", 0, {MakeEvent("late")});
  const Timestamp second = GetPartition(hub_.client(), "t").last_append_time();

  v1::ReadRequest request = ReadOf("t");
  *request.mutable_start()->mutable_timestamp() = first;
  EXPECT_THAT(Ids(request), ElementsAre("0", "late"));
  *request.mutable_start()->mutable_timestamp() = second;
  EXPECT_THAT(Ids(request), ElementsAre("late"));
  *request.mutable_start()->mutable_timestamp() = second + TimeUtil::SecondsToDuration(1);
  EXPECT_THAT(Ids(request), IsEmpty());

  request = ReadOf("t");
  *request.mutable_stop_time() = second;
  EXPECT_THAT(Ids(request), ElementsAre("0"));
  request.set_follow(true);
  EXPECT_THAT(Ids(request), ElementsAre("0"));
}

TEST_P(ReadTest, StopsBeforeOffset) {
  Publish(hub_.client(), MakePublish("t", 3));
  v1::ReadRequest request = ReadOf("t");
  request.set_stop_offset(2);
  EXPECT_THAT(Ids(request), ElementsAre("0", "1"));
  request.set_stop_offset(0);
  EXPECT_THAT(Ids(request), IsEmpty());
  request.set_stop_offset(100);  // Reduced to the end.
  EXPECT_THAT(Ids(request), ElementsAre("0", "1", "2"));
}

TEST_P(ReadTest, FollowsUntilStopOffset) {
  Publish(hub_.client(), MakePublish("t", 2));
  v1::ReadRequest request = ReadOf("t");
  request.set_stop_offset(3);
  Follower follower(hub_.client(), request);
  EXPECT_THAT(follower.UntilCaughtUp(), ElementsAre("0", "1"));
  PublishTo(hub_.client(), "t", 0, {MakeEvent("last")});
  EXPECT_THAT(follower.UntilCaughtUp(), ElementsAre("last"));
  EXPECT_THAT(follower.End(), IsOk());
}

TEST_P(ReadTest, ReportsCaughtUpAfterEachEvent) {
  Follower follower(hub_.client(), ReadOf("t"));
  EXPECT_THAT(follower.UntilCaughtUp(), IsEmpty());
  for (int i = 0; i < 20; ++i) {
    const std::string id = std::to_string(i);
    PublishTo(hub_.client(), "t", 0, {MakeEvent(id, std::string(10'000, 'x'))});
    EXPECT_THAT(follower.UntilCaughtUp(), ElementsAre(id));
  }
}

TEST_P(ReadTest, RespectsMaxResponseBytes) {
  std::vector<v1::Event> events;
  for (int i = 0; i < 100; ++i)
    events.push_back(MakeEvent(std::to_string(i), std::string(1000, 'x')));
  PublishTo(hub_.client(), "t", 0, events);
  PublishTo(hub_.client(), "t", 0, {MakeEvent("big", std::string(100'000, 'x'))});
  v1::ReadRequest request = ReadOf("t");
  request.set_max_response_bytes(8192);
  const ReadOutcome outcome = ReadAll(hub_.client(), request);
  ASSERT_THAT(outcome.ids(), SizeIs(101));
  int64_t next = 0;
  for (const v1::ReadResponse& response : outcome.responses) {
    for (const v1::EventBatch& batch : response.batches()) {
      EXPECT_EQ(batch.base_offset(), next);
      next += batch.events_size();
    }
    const bool is_big = response.batches_size() == 1 && response.batches(0).events(0).id() == "big";
    EXPECT_LE(response.ByteSizeLong(), is_big ? 101'000u : 8192u + 200);
  }
}

TEST_P(ReadTest, FramesFitTheDefaultReceiveLimit) {
  for (int i = 0; i < 12; ++i) {
    PublishTo(hub_.client(), "t", 0, {MakeEvent(std::to_string(i), std::string(900'000, 'x'))});
  }
  v1::ReadRequest request = ReadOf("t");
  request.set_max_response_bytes(4'000'000);
  const ReadOutcome outcome = ReadAll(hub_.client(), request);
  EXPECT_THAT(outcome.ids(), SizeIs(12));
  for (const v1::ReadResponse& response : outcome.responses) {
    EXPECT_LE(response.ByteSizeLong(), 4u << 20);
  }
}

TEST_P(ReadTest, ReadsRequestedPartitions) {
  CreateTopic(hub_.client(), "three", 3);
  for (uint32_t p = 0; p < 3; ++p) {
    PublishTo(hub_.client(), "three", p, {MakeEvent(std::to_string(p))});
  }
  EXPECT_THAT(Ids(ReadOf("three")), testing::UnorderedElementsAre("0", "1", "2"));
  v1::ReadRequest request = ReadOf("three");
  request.add_partitions(2);
  request.add_partitions(0);
  EXPECT_THAT(Ids(request), testing::UnorderedElementsAre("0", "2"));
}

TEST_P(ReadTest, FollowsAddedPartitions) {
  Follower follower(hub_.client(), ReadOf("t"));
  EXPECT_THAT(follower.UntilCaughtUp(), IsEmpty());
  SetPartitions(hub_.client(), "t", 3);
  const v1::ReadResponse response = follower.Next();
  ASSERT_EQ(response.start_size(), 2);
  EXPECT_EQ(response.start(0).partition(), 1u);
  PublishTo(hub_.client(), "t", 2, {MakeEvent("new")});
  EXPECT_THAT(follower.UntilCaughtUp(), ElementsAre("new"));
}

TEST_P(ReadTest, StopOffsetAppliesToAddedPartitions) {
  PublishTo(hub_.client(), "t", 0, {MakeEvent("a")});
  v1::ReadRequest request = ReadOf("t");
  request.set_stop_offset(1);
  // The first partition is done; only the second keeps the read open.
  SetPartitions(hub_.client(), "t", 2);
  Follower follower(hub_.client(), request);
  EXPECT_THAT(follower.UntilCaughtUp(), ElementsAre("a"));
  SetPartitions(hub_.client(), "t", 3);
  PublishTo(hub_.client(), "t", 2, {MakeEvent("b"), MakeEvent("beyond")});
  PublishTo(hub_.client(), "t", 1, {MakeEvent("c"), MakeEvent("beyond")});
  EXPECT_THAT(follower.End(), IsOk());
}

TEST_P(ReadTest, RejectsInvalidRequests) {
  const auto invalid = FailsWith(StatusCode::INVALID_ARGUMENT, ErrorDetail::REASON_INVALID_FIELD);
  EXPECT_THAT(Refusal(ReadOf("none")),
              FailsWith(StatusCode::NOT_FOUND, ErrorDetail::REASON_TOPIC_NOT_FOUND));
  const struct {
    const char* field;
    void (*spoil)(v1::ReadRequest&);
  } cases[] = {
      {"topic", [](v1::ReadRequest& r) { r.clear_topic(); }},
      {"partitions",
       [](v1::ReadRequest& r) {
         r.add_partitions(0);
         r.add_partitions(0);
       }},
      {"stop_offset", [](v1::ReadRequest& r) { r.set_stop_offset(-1); }},
      {"max_response_bytes", [](v1::ReadRequest& r) { r.set_max_response_bytes(4095); }},
      {"max_response_bytes", [](v1::ReadRequest& r) { r.set_max_response_bytes(4'000'001); }},
  };
  for (const auto& c : cases) {
    v1::ReadRequest request = ReadOf("t");
    c.spoil(request);
    const grpc::Status status = Refusal(request);
    EXPECT_THAT(status, invalid);
    EXPECT_EQ(DetailOf(status).field(), c.field);
  }
  v1::ReadRequest request = ReadOf("t");
  request.add_partitions(1);
  EXPECT_THAT(Refusal(request),
              FailsWith(StatusCode::NOT_FOUND, ErrorDetail::REASON_PARTITION_NOT_FOUND));
}

TEST_P(ReadTest, OffsetsBeyondTheEndAreOutOfRange) {
  Publish(hub_.client(), MakePublish("t", 2));
  for (const int64_t offset : {int64_t{3}, int64_t{-1}, INT64_MAX, INT64_MIN}) {
    v1::ReadRequest request = ReadOf("t");
    request.mutable_start()->set_offset(offset);
    const grpc::Status status = Refusal(request);
    EXPECT_THAT(status,
                FailsWith(StatusCode::OUT_OF_RANGE, ErrorDetail::REASON_OFFSET_OUT_OF_RANGE));
    EXPECT_EQ(DetailOf(status).earliest_offset(), 0);
    EXPECT_EQ(DetailOf(status).end_offset(), 2);
    EXPECT_EQ(DetailOf(status).partition(), 0u);
  }
}

TEST_P(ReadTest, DeletedTopicEndsReaders) {
  CreateTopic(hub_.client(), "two", 2);
  v1::ReadRequest single = ReadOf("two");
  single.add_partitions(1);
  Follower all(hub_.client(), ReadOf("two"));
  Follower one(hub_.client(), single);
  EXPECT_THAT(all.UntilCaughtUp(), IsEmpty());
  EXPECT_THAT(one.UntilCaughtUp(), IsEmpty());
  DeleteTopic(hub_.client(), "two");
  const auto not_found = FailsWith(StatusCode::NOT_FOUND, ErrorDetail::REASON_TOPIC_NOT_FOUND);
  EXPECT_THAT(all.End(), not_found);
  EXPECT_THAT(one.End(), not_found);
}

class TrimTest : public testing::Test {
 protected:
  TrimTest() : hub_(Options()) {
    v1::Topic topic;
    topic.set_name("t");
    topic.mutable_retention()->set_max_bytes(50'000);
    CreateTopic(hub_.client(), topic);
  }
  static ServerOptions Options() {
    ServerOptions options = TestServerOptions();
    options.broker.maintenance->retention_interval = absl::Milliseconds(10);
    return options;
  }
  void PublishMany(int events, size_t bytes) {
    v1::PublishRequest request = MakePublish("t", 1, std::string(bytes, 'x'));
    request.set_durability(v1::DURABILITY_WRITTEN);
    for (int i = 0; i < events; ++i) Publish(hub_.client(), request);
  }

  TestHub hub_;
};

TEST_F(TrimTest, TrimmedOffsetsAreOutOfRangeAndNotReused) {
  PublishMany(20, 10'000);
  ASSERT_TRUE(Eventually([&] { return GetPartition(hub_.client(), "t").bytes() <= 50'000; }));
  const v1::PartitionInfo partition = GetPartition(hub_.client(), "t");
  EXPECT_GT(partition.start_offset(), 10);
  EXPECT_EQ(partition.end_offset(), 20);
  v1::ReadRequest request = ReadOf("t");
  request.mutable_start()->set_offset(0);
  const grpc::Status status = ReadAll(hub_.client(), request).status;
  EXPECT_THAT(status, FailsWith(StatusCode::OUT_OF_RANGE, ErrorDetail::REASON_OFFSET_OUT_OF_RANGE));
  EXPECT_EQ(DetailOf(status).earliest_offset(), partition.start_offset());
  request.mutable_start()->set_earliest(true);
  EXPECT_THAT(ReadAll(hub_.client(), request).ids(),
              SizeIs(static_cast<size_t>(20 - partition.start_offset())));
}

TEST_F(TrimTest, ReaderOfTrimmedEventFails) {
  v1::ReadRequest request = ReadOf("t");
  request.set_max_response_bytes(4096);
  Follower follower(hub_.client(), request);
  EXPECT_THAT(follower.UntilCaughtUp(), IsEmpty());
  // More than flow control lets through to a reader that does not read.
  PublishMany(80, 1'000'000);
  ASSERT_TRUE(Eventually([&] { return GetPartition(hub_.client(), "t").start_offset() == 80; }));
  EXPECT_THAT(follower.End(),
              FailsWith(StatusCode::OUT_OF_RANGE, ErrorDetail::REASON_OFFSET_OUT_OF_RANGE));
}

}  // namespace
}  // namespace eventhub
