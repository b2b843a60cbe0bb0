// EventHubService.Publish: every option and every refusal.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <future>
#include <set>

#include "tests/support/eventually.h"
#include "tests/support/hub_calls.h"
#include "tests/support/temp_directory.h"

namespace eventhub {
namespace {

using grpc::StatusCode;
using v1::ErrorDetail;

class PublishTest : public testing::Test {
 protected:
  void SetUp() override { CreateTopic(hub_.client(), "t", 4); }

  grpc::Status Refusal(const v1::PublishRequest& request) {
    return TryPublish(hub_.client(), request).status;
  }

  TestHub hub_;
};

v1::PublishRequest Sequenced(uint64_t epoch, uint64_t sequence) {
  v1::PublishRequest request = MakePublish("t");
  request.set_partition(0);
  request.set_producer_id("p");
  request.set_producer_epoch(epoch);
  request.set_sequence(sequence);
  return request;
}

TEST_F(PublishTest, AppendsDenselyToNamedPartition) {
  v1::PublishRequest request = MakePublish("t", 3);
  request.set_partition(2);
  for (int i = 0; i < 3; ++i) {
    const v1::PublishResult result = Publish(hub_.client(), request);
    ASSERT_EQ(result.placements_size(), 1);
    EXPECT_EQ(result.placements(0).partition(), 2u);
    EXPECT_EQ(result.placements(0).base_offset(), 3 * i);
    EXPECT_EQ(result.placements(0).count(), 3u);
    EXPECT_FALSE(result.has_keyless_partition());
    EXPECT_FALSE(result.duplicate());
  }
}

TEST_F(PublishTest, KeysDeterminePartition) {
  // XXH64 with seed 0: "a" is d24ec4f1a98c6e5b, "c" is a3dad144c40657ed.
  v1::PublishRequest request;
  request.set_topic("t");
  *request.add_events() = MakeEvent("0", "", "a");
  *request.add_events() = MakeEvent("1", "", "c");
  *request.add_events() = MakeEvent("2", "", "a");
  const v1::PublishResult result = Publish(hub_.client(), request);
  ASSERT_EQ(result.placements_size(), 2);
  EXPECT_EQ(result.placements(0).partition(), 0xa3dad144c40657edull % 4);
  EXPECT_EQ(result.placements(0).count(), 1u);
  EXPECT_EQ(result.placements(1).partition(), 0xd24ec4f1a98c6e5bull % 4);
  EXPECT_EQ(result.placements(1).count(), 2u);
  EXPECT_FALSE(result.has_keyless_partition());
}

TEST_F(PublishTest, KeylessEventsOfRequestStayTogether) {
  v1::PublishRequest request = MakePublish("t", 10);
  *request.add_events() = MakeEvent("keyed", "", "a");
  const v1::PublishResult result = Publish(hub_.client(), request);
  ASSERT_TRUE(result.has_keyless_partition());
  uint32_t in_keyless = 0;
  uint32_t total = 0;
  for (const v1::Placement& placement : result.placements()) {
    total += placement.count();
    if (placement.partition() == result.keyless_partition()) in_keyless = placement.count();
  }
  EXPECT_GE(in_keyless, 10u);
  EXPECT_EQ(total, 11u);
}

TEST_F(PublishTest, KeylessRequestsRotateOverPartitions) {
  std::set<uint32_t> used;
  for (int i = 0; i < 16; ++i) {
    const v1::PublishResult result =
        Publish(hub_.client(), MakePublish("t", 1, std::string(40'000, 'x')));
    used.insert(result.keyless_partition());
  }
  EXPECT_EQ(used.size(), 4u);
}

TEST_F(PublishTest, AcceptsEveryDurability) {
  for (const auto durability :
       {v1::DURABILITY_UNSPECIFIED, v1::DURABILITY_WRITTEN, v1::DURABILITY_SYNCED}) {
    v1::PublishRequest request = MakePublish("t");
    request.set_durability(durability);
    EXPECT_EQ(Publish(hub_.client(), request).placements_size(), 1);
  }
}

TEST_F(PublishTest, WrittenDoesNotWaitForSync) {
  hub_.gate().Close();
  v1::PublishRequest request = MakePublish("t");
  request.set_durability(v1::DURABILITY_WRITTEN);
  EXPECT_THAT(Refusal(request), IsOk());
  request.set_durability(v1::DURABILITY_SYNCED);
  auto synced = std::async(std::launch::async, [&] { return Refusal(request); });
  ASSERT_TRUE(Eventually([&] { return hub_.gate().waiting() > 0; }));
  EXPECT_EQ(synced.wait_for(std::chrono::seconds(0)), std::future_status::timeout);
  hub_.gate().Open();
  EXPECT_THAT(synced.get(), IsOk());
}

TEST_F(PublishTest, EnforcesExpectedOffset) {
  v1::PublishRequest request = MakePublish("t", 2);
  request.set_partition(1);
  request.set_expected_offset(0);
  Publish(hub_.client(), request);
  const grpc::Status status = Refusal(request);
  EXPECT_THAT(status, FailsWith(StatusCode::ABORTED, ErrorDetail::REASON_OFFSET_MISMATCH));
  EXPECT_EQ(DetailOf(status).end_offset(), 2);
  EXPECT_EQ(DetailOf(status).partition(), 1u);
  request.set_expected_offset(2);
  EXPECT_EQ(Publish(hub_.client(), request).placements(0).base_offset(), 2);
}

TEST_F(PublishTest, ProducerRetryReturnsFirstResult) {
  EXPECT_EQ(Publish(hub_.client(), Sequenced(1, 0)).placements(0).base_offset(), 0);
  EXPECT_EQ(Publish(hub_.client(), Sequenced(1, 1)).placements(0).base_offset(), 1);
  const v1::PublishResult again = Publish(hub_.client(), Sequenced(1, 0));
  EXPECT_TRUE(again.duplicate());
  EXPECT_EQ(again.placements(0).base_offset(), 0);
  EXPECT_EQ(GetPartition(hub_.client(), "t").end_offset(), 2);
}

TEST_F(PublishTest, ChecksSequences) {
  EXPECT_THAT(Refusal(Sequenced(1, 5)),
              FailsWith(StatusCode::FAILED_PRECONDITION, ErrorDetail::REASON_UNKNOWN_PRODUCER));
  Publish(hub_.client(), Sequenced(1, 0));
  const grpc::Status gap = Refusal(Sequenced(1, 2));
  EXPECT_THAT(gap, FailsWith(StatusCode::ABORTED, ErrorDetail::REASON_SEQUENCE_GAP));
  EXPECT_EQ(DetailOf(gap).expected_sequence(), 1u);
  Publish(hub_.client(), Sequenced(2, 0));
  const grpc::Status stale = Refusal(Sequenced(1, 1));
  EXPECT_THAT(stale, FailsWith(StatusCode::ABORTED, ErrorDetail::REASON_STALE_EPOCH));
  EXPECT_EQ(DetailOf(stale).producer_epoch(), 2u);
  EXPECT_THAT(Refusal(Sequenced(3, 1)),
              FailsWith(StatusCode::ABORTED, ErrorDetail::REASON_SEQUENCE_GAP));
}

TEST_F(PublishTest, RemembersTheLast64Requests) {
  for (uint64_t i = 0; i <= 64; ++i) Publish(hub_.client(), Sequenced(0, i));
  EXPECT_TRUE(Publish(hub_.client(), Sequenced(0, 1)).duplicate());
  EXPECT_THAT(Refusal(Sequenced(0, 0)),
              FailsWith(StatusCode::FAILED_PRECONDITION, ErrorDetail::REASON_SEQUENCE_TOO_OLD));
}

TEST_F(PublishTest, RejectedRequestConsumesNoSequence) {
  v1::PublishRequest bad = Sequenced(1, 0);
  bad.mutable_events(0)->clear_source();
  ASSERT_FALSE(Refusal(bad).ok());
  EXPECT_FALSE(Publish(hub_.client(), Sequenced(1, 0)).duplicate());
}

TEST_F(PublishTest, TopicsAndPartitionsMustExist) {
  EXPECT_THAT(Refusal(MakePublish("none")),
              FailsWith(StatusCode::NOT_FOUND, ErrorDetail::REASON_TOPIC_NOT_FOUND));
  v1::PublishRequest request = MakePublish("t");
  request.set_partition(4);
  const grpc::Status status = Refusal(request);
  EXPECT_THAT(status, FailsWith(StatusCode::NOT_FOUND, ErrorDetail::REASON_PARTITION_NOT_FOUND));
  EXPECT_EQ(DetailOf(status).partition(), 4u);
}

TEST_F(PublishTest, TruncatesLongNamesInErrors) {
  std::string name;
  while (name.size() < 100'000) name += "ä";
  for (const std::string& topic : {name, "x" + name}) {
    const grpc::Status status = Refusal(MakePublish(topic));
    EXPECT_THAT(status, FailsWith(StatusCode::NOT_FOUND, ErrorDetail::REASON_TOPIC_NOT_FOUND));
    EXPECT_LT(status.error_message().size(), 2000u);
  }
}

TEST_F(PublishTest, ValidatesRequestFields) {
  const struct {
    const char* field;
    void (*spoil)(v1::PublishRequest&);
  } cases[] = {
      {"topic", [](v1::PublishRequest& r) { r.clear_topic(); }},
      {"events", [](v1::PublishRequest& r) { r.clear_events(); }},
      {"durability",
       [](v1::PublishRequest& r) { r.set_durability(static_cast<v1::Durability>(3)); }},
      {"durability",
       [](v1::PublishRequest& r) { r.set_durability(static_cast<v1::Durability>(-1)); }},
      {"producer_id", [](v1::PublishRequest& r) { r.set_producer_id(std::string(257, 'p')); }},
      {"producer_id", [](v1::PublishRequest& r) { r.set_sequence(1); }},
      {"producer_id", [](v1::PublishRequest& r) { r.set_producer_epoch(1); }},
      {"partition", [](v1::PublishRequest& r) { r.set_expected_offset(0); }},
      {"expected_offset",
       [](v1::PublishRequest& r) {
         r.set_partition(0);
         r.set_expected_offset(-1);
       }},
  };
  for (const auto& c : cases) {
    v1::PublishRequest request = MakePublish("t");
    c.spoil(request);
    const grpc::Status status = Refusal(request);
    EXPECT_THAT(status, FailsWith(StatusCode::INVALID_ARGUMENT, ErrorDetail::REASON_INVALID_FIELD));
    EXPECT_EQ(DetailOf(status).field(), c.field) << status.error_message();
  }
}

TEST_F(PublishTest, InvalidEventRejectsRequest) {
  const struct {
    const char* field;
    void (*spoil)(v1::Event&);
  } cases[] = {
      {"events[1].id", [](v1::Event& e) { e.clear_id(); }},
      {"events[1].source", [](v1::Event& e) { e.clear_source(); }},
      {"events[1].type", [](v1::Event& e) { e.clear_type(); }},
      {"events[1].id", [](v1::Event& e) { e.set_id(std::string(1025, 'x')); }},
      {"events[1].subject", [](v1::Event& e) { e.set_subject(std::string(1025, 'x')); }},
      {"events[1].partition_key", [](v1::Event& e) { e.set_partition_key("\xff"); }},
      {"events[1].data_schema", [](v1::Event& e) { e.set_data_schema("\xc0\x80"); }},
      {"events[1].time", [](v1::Event& e) { e.mutable_time()->set_nanos(-1); }},
      {"events[1].attributes",
       [](v1::Event& e) { (*e.mutable_attributes())["a"].set_string("\xed\xa0\x80"); }},
      {"events[1].attributes", [](v1::Event& e) { (*e.mutable_attributes())[""]; }},
      {"events[1].attributes",
       [](v1::Event& e) { (*e.mutable_attributes())[std::string(257, 'a')]; }},
      {"events[1].attributes",
       [](v1::Event& e) {
         for (int i = 0; i < 257; ++i) (*e.mutable_attributes())["a" + std::to_string(i)];
       }},
      {"events[1]", [](v1::Event& e) { e.set_data(std::string(1 << 20, 'x')); }},
  };
  for (const auto& c : cases) {
    v1::PublishRequest request = MakePublish("t", 3);
    c.spoil(*request.mutable_events(1));
    const grpc::Status status = Refusal(request);
    EXPECT_THAT(status, FailsWith(StatusCode::INVALID_ARGUMENT, ErrorDetail::REASON_INVALID_FIELD));
    EXPECT_EQ(DetailOf(status).field(), c.field) << status.error_message();
    EXPECT_EQ(DetailOf(status).event_index(), 1u);
  }
  EXPECT_EQ(GetStats(hub_.client()).totals().events(), 0u);
}

TEST_F(PublishTest, RejectsOversizedRequest) {
  const grpc::Status status =
      Refusal(MakePublish("t", 30, std::string(1'000'000, 'x')));  // The limit is 20 MiB.
  EXPECT_EQ(status.error_code(), StatusCode::RESOURCE_EXHAUSTED);
  EXPECT_THAT(Refusal(MakePublish("t")), IsOk());
}

TEST_F(PublishTest, FailedSyncRejectsWritesAndAllowsReads) {
  Publish(hub_.client(), MakePublish("t", 2));
  hub_.gate().Fail();
  const auto failed = FailsWith(StatusCode::UNAVAILABLE, ErrorDetail::REASON_STORE_FAILED);
  EXPECT_THAT(Refusal(MakePublish("t")), failed);
  hub_.gate().Open();  // Too late.
  EXPECT_THAT(Refusal(MakePublish("t")), failed);
  v1::PublishRequest written = MakePublish("t");
  written.set_durability(v1::DURABILITY_WRITTEN);
  EXPECT_THAT(Refusal(written), failed);
  EXPECT_EQ(ReadAll(hub_.client(), ReadOf("t")).ids().size(), 2u);
  EXPECT_FALSE(GetStats(hub_.client()).writable());
  EXPECT_NE(GetStats(hub_.client()).store_error(), "");
}

TEST(PublishToFullDiskTest, RejectsWritesAndAllowsReads) {
  const TempDirectory directory;
  const auto options_with = [&directory](uint64_t min_free_disk) {
    ServerOptions options = TestServerOptions();
    options.broker.store.directory = directory / "data";
    options.broker.maintenance->min_free_disk_bytes = min_free_disk;
    return options;
  };
  {
    TestHub hub(options_with(0));
    CreateTopic(hub.client(), "t");
    Publish(hub.client(), MakePublish("t", 2));
  }
  TestHub hub(options_with(UINT64_MAX));
  ASSERT_TRUE(Eventually([&] { return !GetStats(hub.client()).writable(); }));
  const grpc::Status status = TryPublish(hub.client(), MakePublish("t")).status;
  EXPECT_THAT(status, FailsWith(StatusCode::RESOURCE_EXHAUSTED, ErrorDetail::REASON_DISK_FULL));
  EXPECT_GT(DetailOf(status).retry_delay().seconds(), 0);
  EXPECT_EQ(ReadAll(hub.client(), ReadOf("t")).ids().size(), 2u);
}

TEST(PublishLimitTest, RejectsExcessCallsWithRetryDelay) {
  ServerOptions options = TestServerOptions();
  options.publish_limits.connection_bytes = 1;
  TestHub hub(std::move(options));
  CreateTopic(hub.client(), "t");
  hub.gate().Close();
  auto first = std::async(std::launch::async,
                          [&] { return TryPublish(hub.client(), MakePublish("t")).status; });
  ASSERT_TRUE(Eventually([&] { return GetStats(hub.client()).in_flight_bytes() > 0; }));
  const grpc::Status status = TryPublish(hub.client(), MakePublish("t")).status;
  EXPECT_THAT(status,
              FailsWith(StatusCode::RESOURCE_EXHAUSTED, ErrorDetail::REASON_TOO_MUCH_IN_FLIGHT));
  EXPECT_GT(DetailOf(status).retry_delay().nanos(), 0);
  // Another connection has its own share.
  HubClient other(hub.address());
  auto second =
      std::async(std::launch::async, [&] { return TryPublish(other, MakePublish("t")).status; });
  hub.gate().Open();
  EXPECT_THAT(first.get(), IsOk());
  EXPECT_THAT(second.get(), IsOk());
  EXPECT_THAT(TryPublish(hub.client(), MakePublish("t")).status, IsOk());
}

}  // namespace
}  // namespace eventhub
