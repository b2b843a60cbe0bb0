// Publishing: how requests are parsed, and where events go.
#include <set>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "proto/wire/event_rules.h"
#include "server/core/publish/publish_request.h"
#include "tests/server/broker_rig.h"
#include "tests/support/caller.h"

namespace eventhub {
namespace {

using absl::StatusCode;
using ::testing::ElementsAre;

absl::StatusOr<PublishRequest> Parse(const std::string& bytes) {
  return ParsePublishRequest(SharedBytes::Copy(bytes));
}

TEST(ParsePublishRequest, DoesNotCopyEvents) {
  v1::PublishStreamRequest request = MakeRequest("t", {"a", "b"});
  request.set_partition(3);
  request.set_correlation_id(77);
  const SharedBytes bytes = SharedBytes::Copy(request.SerializeAsString());
  ASSERT_OK_AND_ASSIGN(const PublishRequest parsed, ParsePublishRequest(bytes));
  EXPECT_EQ(parsed.head.topic(), "t");
  EXPECT_EQ(parsed.head.partition(), 3u);
  EXPECT_EQ(parsed.head.correlation_id(), 77u);
  EXPECT_EQ(parsed.head.events_size(), 0);
  EXPECT_THAT(IdsOf(parsed.events.view()), ElementsAre("a", "b"));
  // Not copied.
  EXPECT_EQ(parsed.events.data() + parsed.events.size(), bytes.data() + bytes.size());
}

TEST(ParsePublishRequest, AcceptsFieldsInAnyOrder) {
  v1::PublishStreamRequest head;
  head.set_topic("t");
  head.set_partition(3);
  const std::string fields = head.SerializeAsString();
  const std::string a = EncodeEvent(MakeEvent("a"));
  const std::string b = EncodeEvent(MakeEvent("b"));
  // The tag of an event may also take two bytes.
  const std::string long_a = std::string("\xfa\x00", 2) + a.substr(1);
  for (const std::string& bytes :
       {a + b + fields, a + fields + b, fields + a + b, fields + long_a + b, long_a + fields + b,
        fields + long_a + fields + b}) {
    ASSERT_OK_AND_ASSIGN(const PublishRequest parsed, Parse(bytes));
    EXPECT_EQ(parsed.head.topic(), "t");
    EXPECT_EQ(parsed.head.partition(), 3u);
    EXPECT_EQ(parsed.events.view(), a + b);
  }
}

TEST(ParsePublishRequest, RejectsMalformedProtobuf) {
  const std::string good = MakeRequest("t", {"a"}).SerializeAsString();
  for (size_t size = 1; size < good.size(); ++size) {
    if (size == 3) continue;  // Only the topic: a valid request.
    EXPECT_THAT(Parse(good.substr(0, size)), StatusIs(StatusCode::kInvalidArgument)) << size;
  }
  EXPECT_THAT(Parse("\x0a\x01\xff"), StatusIs(StatusCode::kInvalidArgument));  // Not UTF-8.
  EXPECT_THAT(Parse(good + "\x0b"), StatusIs(StatusCode::kInvalidArgument));   // A group.
  EXPECT_THAT(Parse(""), IsOk());
}

class PublishTest : public BrokerTest {
 protected:
  void SetUp() override {
    BrokerTest::SetUp();
    ASSERT_THAT(rig_.Create("one", 1), IsOk());
    ASSERT_THAT(rig_.Create("many", 8), IsOk());
  }
};

TEST_F(PublishTest, AppendsAtConsecutiveOffsets) {
  EXPECT_EQ(rig_.Publish("one", {"a", "b"}).value(), 0);
  EXPECT_EQ(rig_.Publish("one", {"c"}).value(), 2);
  ASSERT_OK_AND_ASSIGN(const Delivered read, rig_.Read("one"));
  EXPECT_THAT(read.events.at(0), ElementsAre(Delivered::Event{0, "a"}, Delivered::Event{1, "b"},
                                             Delivered::Event{2, "c"}));
}

TEST_F(PublishTest, PartitionsByKey) {
  v1::PublishStreamRequest request = MakeRequest("many", {});
  for (int i = 0; i < 200; ++i) {
    *request.add_events() = MakeEvent(std::to_string(i), "key " + std::to_string(i % 23));
  }
  ASSERT_OK_AND_ASSIGN(const v1::PublishResult result, rig_.Publish(request));
  EXPECT_FALSE(result.has_keyless_partition());
  EXPECT_EQ(result.partition_count(), 8u);
  ASSERT_OK_AND_ASSIGN(const Delivered read, rig_.Read("many"));
  uint32_t placed = 0;
  for (const v1::Placement& placement : result.placements()) {
    placed += placement.count();
    EXPECT_EQ(placement.base_offset(), 0);
    std::vector<std::string> expected;  // In the order of the request.
    for (int i = 0; i < 200; ++i) {
      const std::string key = "key " + std::to_string(i % 23);
      if (wire::PartitionOfKey(key, 8) == placement.partition())
        expected.push_back(std::to_string(i));
    }
    EXPECT_EQ(read.Ids(placement.partition()), expected);
    EXPECT_EQ(placement.count(), expected.size());
  }
  EXPECT_EQ(placed, 200u);
}

TEST_F(PublishTest, KeylessEventsStayTogether) {
  v1::PublishStreamRequest request = MakeRequest("many", {"a", "b"});
  *request.add_events() = MakeEvent("k", "key");
  *request.add_events() = MakeEvent("c");
  ASSERT_OK_AND_ASSIGN(const v1::PublishResult result, rig_.Publish(request));
  ASSERT_TRUE(result.has_keyless_partition());
  ASSERT_OK_AND_ASSIGN(const Delivered read, rig_.Read("many"));
  std::vector<std::string> ids = read.Ids(result.keyless_partition());
  std::erase(ids, "k");
  EXPECT_THAT(ids, ElementsAre("a", "b", "c"));
}

TEST_F(PublishTest, KeylessEventsRotateOverPartitions) {
  std::set<uint32_t> partitions;
  uint32_t changes = 0;
  std::optional<uint32_t> last;
  for (int i = 0; i < 200; ++i) {
    v1::PublishStreamRequest request = MakeRequest("many", {});
    *request.add_events() = MakeEvent("e", "", std::string(8000, 'x'));
    ASSERT_OK_AND_ASSIGN(const v1::PublishResult result, rig_.Publish(request));
    partitions.insert(result.keyless_partition());
    if (last.has_value() && *last != result.keyless_partition()) ++changes;
    last = result.keyless_partition();
  }
  EXPECT_EQ(partitions.size(), 8u);
  EXPECT_LT(changes, 60u);
}

TEST_F(PublishTest, NamedPartitionTakesAllEvents) {
  v1::PublishStreamRequest request = MakeRequest("many", {"a"});
  *request.add_events() = MakeEvent("k", "key");
  request.set_partition(5);
  ASSERT_OK_AND_ASSIGN(const v1::PublishResult result, rig_.Publish(request));
  EXPECT_FALSE(result.has_keyless_partition());
  EXPECT_EQ(result.partition_count(), 0u);
  ASSERT_EQ(result.placements_size(), 1);
  EXPECT_EQ(result.placements(0).partition(), 5u);
  EXPECT_EQ(result.placements(0).count(), 2u);
}

TEST_F(PublishTest, LargeRequestHasOnePlacementPerPartition) {
  v1::PublishStreamRequest request = MakeRequest("one", {});
  for (int i = 0; i < 30; ++i) {
    *request.add_events() = MakeEvent(std::to_string(i), "", std::string(100'000, 'x'));
  }
  ASSERT_OK_AND_ASSIGN(const v1::PublishResult result, rig_.Publish(request));
  ASSERT_EQ(result.placements_size(), 1);
  EXPECT_EQ(result.placements(0).count(), 30u);
  ASSERT_OK_AND_ASSIGN(const Delivered read, rig_.Read("one"));
  for (int i = 0; i < 30; ++i) EXPECT_EQ(read.events.at(0).at(i).id, std::to_string(i));
}

TEST_F(PublishTest, ChecksExpectedOffset) {
  v1::PublishStreamRequest request = MakeRequest("many", {"a", "b"});
  request.set_partition(2);
  request.set_expected_offset(0);
  ASSERT_THAT(rig_.Publish(request), IsOk());
  const auto refused = rig_.Publish(request);
  EXPECT_THAT(refused, Refused(StatusCode::kAborted, v1::ErrorDetail::REASON_OFFSET_MISMATCH));
  EXPECT_EQ(DetailOf(refused.status())->end_offset(), 2);
  EXPECT_EQ(DetailOf(refused.status())->partition(), 2u);
  request.set_expected_offset(2);
  EXPECT_THAT(rig_.Publish(request), IsOk());
  request.set_expected_offset(5);
  EXPECT_THAT(rig_.Publish(request),
              Refused(StatusCode::kAborted, v1::ErrorDetail::REASON_OFFSET_MISMATCH));
  EXPECT_EQ(rig_.Describe("many", 2).end_offset(), 4);
}

TEST_F(PublishTest, InvalidRequestsNameFieldAndAppendNothing) {
  const auto refused = [&](const v1::PublishStreamRequest& request) {
    const auto result = rig_.Publish(request);
    EXPECT_THAT(result, StatusIs(StatusCode::kInvalidArgument));
    const auto detail = DetailOf(result.status());
    return detail.has_value() ? detail->field() : "none";
  };
  const v1::PublishStreamRequest good = MakeRequest("one", {"a", "b"});
  v1::PublishStreamRequest request = good;
  request.clear_topic();
  EXPECT_EQ(refused(request), "topic");
  request = good;
  request.clear_events();
  EXPECT_EQ(refused(request), "events");
  request = good;
  request.mutable_events(1)->clear_source();
  EXPECT_EQ(refused(request), "events[1].source");
  request = good;
  request.mutable_events(1)->set_data(std::string((1 << 20) + 1, 'x'));
  EXPECT_EQ(refused(request), "events[1]");
  request = good;
  request.set_durability(static_cast<v1::Durability>(3));
  EXPECT_EQ(refused(request), "durability");
  request = good;
  request.set_producer_id(std::string(257, 'p'));
  EXPECT_EQ(refused(request), "producer_id");
  request = good;
  request.set_sequence(1);
  EXPECT_EQ(refused(request), "producer_id");
  request = good;
  request.set_expected_offset(0);
  EXPECT_EQ(refused(request), "partition");
  request.set_partition(0);
  request.set_expected_offset(-1);
  EXPECT_EQ(refused(request), "expected_offset");

  request = good;
  request.set_partition(1);
  EXPECT_THAT(rig_.Publish(request),
              Refused(StatusCode::kNotFound, v1::ErrorDetail::REASON_PARTITION_NOT_FOUND));
  request = good;
  request.set_topic("none");
  EXPECT_THAT(rig_.Publish(request),
              Refused(StatusCode::kNotFound, v1::ErrorDetail::REASON_TOPIC_NOT_FOUND));

  EXPECT_EQ(rig_.Describe("one").end_offset(), 0);
  ASSERT_OK_AND_ASSIGN(const v1::GetTopicResponse topic,
                       rig_.broker().topics().Get(kTester, "one"));
  EXPECT_EQ(topic.stats().refused_requests(), 9u);  // Of the requests that named the topic.
}

TEST_F(PublishTest, DurabilityOfRequestOverridesTopic) {
  v1::Topic topic;
  topic.set_name("written");
  topic.set_default_durability(v1::DURABILITY_WRITTEN);
  ASSERT_THAT(rig_.Create(topic), IsOk());
  const auto syncs = [&](const std::string& name, v1::Durability durability) {
    const uint64_t before = rig_.broker().GetStats(kTester).syncs();
    v1::PublishStreamRequest request = MakeRequest(name, {"a"});
    request.set_durability(durability);
    EXPECT_THAT(rig_.Publish(request), IsOk());
    return rig_.broker().GetStats(kTester).syncs() - before;
  };
  EXPECT_EQ(syncs("one", v1::DURABILITY_UNSPECIFIED), 1u);
  EXPECT_EQ(syncs("one", v1::DURABILITY_WRITTEN), 0u);
  EXPECT_EQ(syncs("written", v1::DURABILITY_UNSPECIFIED), 0u);
  EXPECT_EQ(syncs("written", v1::DURABILITY_SYNCED), 1u);
}

TEST_F(PublishTest, ReportsFailedStore) {
  ASSERT_THAT(rig_.Publish("one", {"a"}), IsOk());
  rig_.disk.FailSyncs(FaultEnv::Fault::kNoSpace);
  EXPECT_THAT(rig_.Publish("one", {"b"}),
              Refused(StatusCode::kUnavailable, v1::ErrorDetail::REASON_STORE_FAILED));
  EXPECT_THAT(rig_.Create("other"),
              Refused(StatusCode::kUnavailable, v1::ErrorDetail::REASON_STORE_FAILED));
  EXPECT_THAT(rig_.said_writable(), StatusIs(StatusCode::kUnavailable));
  EXPECT_THAT(rig_.broker().writable(), StatusIs(StatusCode::kUnavailable));
  EXPECT_FALSE(rig_.broker().GetStats(kTester).writable());
  EXPECT_NE(rig_.broker().GetStats(kTester).store_error(), "");
  EXPECT_THAT(rig_.Read("one").value().Ids(), ElementsAre("a"));
  rig_.disk.FailSyncs(FaultEnv::Fault::kNone);
  rig_.Reopen();
  EXPECT_TRUE(rig_.broker().GetStats(kTester).writable());
  EXPECT_THAT(rig_.Publish("one", {"c"}), IsOk());
  EXPECT_EQ(rig_.Read("one").value().Ids().front(), "a");
  EXPECT_THAT(rig_.broker().topics().Get(kTester, "other"), StatusIs(StatusCode::kNotFound));
}

TEST_F(PublishTest, CountsEventsBytesAndCommits) {
  ASSERT_THAT(rig_.Publish("many", {"a", "b"}, 1), IsOk());
  ASSERT_THAT(rig_.Publish("many", {"c"}, 2), IsOk());
  ASSERT_THAT(rig_.Read("many"), IsOk());
  ASSERT_THAT(rig_.Read("many"), IsOk());
  const size_t each = EncodeEvent(MakeEvent("a")).size();
  ASSERT_OK_AND_ASSIGN(const v1::GetTopicResponse topic,
                       rig_.broker().topics().Get(kTester, "many"));
  EXPECT_EQ(topic.stats().events(), 3u);
  EXPECT_EQ(topic.stats().bytes(), 3 * each);
  EXPECT_EQ(topic.stats().published_events(), 3u);
  EXPECT_EQ(topic.stats().published_bytes(), 3 * each);
  EXPECT_EQ(topic.stats().delivered_events(), 6u);
  EXPECT_EQ(topic.stats().delivered_bytes(), 6 * each);
  EXPECT_EQ(topic.stats().readers(), 0u);
  const v1::GetStatsResponse stats = rig_.broker().GetStats(kTester);
  EXPECT_EQ(stats.topics(), 2u);
  EXPECT_EQ(stats.partitions(), 9u);
  EXPECT_EQ(stats.totals().events(), 3u);
  EXPECT_EQ(stats.commits(), 4u);
  EXPECT_GT(stats.tail_cache_bytes(), 0u);
  EXPECT_EQ(stats.tail_cache_hits(), 4u);
  EXPECT_GT(stats.disk_bytes(), 0u);
  const v1::PartitionInfo info = rig_.Describe("many", 1);
  EXPECT_EQ(info.start_offset(), 0);
  EXPECT_EQ(info.end_offset(), 2);
  EXPECT_EQ(info.bytes(), 2 * each);
  EXPECT_EQ(info.last_append_time().seconds(), absl::ToUnixSeconds(rig_.clock.Now()));
  EXPECT_FALSE(rig_.Describe("many", 7).has_last_append_time());
}

}  // namespace
}  // namespace eventhub
