// Delayed events: stored, appended when they are due, cancelled; across restarts and failures.
#include <algorithm>
#include <future>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "google/protobuf/util/time_util.h"
#include "gtest/gtest.h"
#include "proto/wire/event_rules.h"
#include "server/core/publish/publish_request.h"
#include "tests/server/route_rig.h"
#include "tests/server/seeded.h"
#include "tests/support/caller.h"
#include "tests/support/eventually.h"

namespace eventhub {
namespace {

using absl::StatusCode;
using google::protobuf::util::TimeUtil;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using v1::ErrorDetail;

v1::Event After(const std::string& id, absl::Duration delay, const std::string& key = "") {
  v1::Event event = MakeEvent(id, key);
  *event.mutable_deliver_after() =
      TimeUtil::MicrosecondsToDuration(absl::ToInt64Microseconds(delay));
  return event;
}

v1::Event At(const std::string& id, absl::Time time) {
  v1::Event event = MakeEvent(id);
  *event.mutable_deliver_at() = TimeUtil::MicrosecondsToTimestamp(absl::ToUnixMicros(time));
  return event;
}

v1::PublishStreamRequest RequestOf(const std::string& topic, const std::vector<v1::Event>& events) {
  v1::PublishStreamRequest request;
  request.set_topic(topic);
  for (const v1::Event& event : events) *request.add_events() = event;
  return request;
}

MATCHER_P(Cancelled, count, "") {
  *result_listener << StatusOf(arg).ToString();
  return arg.ok() && *arg == count;
}

class DelayedRig : public BrokerRig {
 public:
  v1::PublishResult Accept(const std::string& topic, const std::vector<v1::Event>& events) {
    absl::StatusOr<v1::PublishResult> result = Publish(RequestOf(topic, events));
    EXPECT_THAT(result, IsOk());
    return result.value_or(v1::PublishResult());
  }

  void AdvanceAndRun(absl::Duration by) {
    clock.Advance(by);
    broker().delayed().RunDue();
  }

  absl::StatusOr<uint32_t> Cancel(const std::string& topic, const std::vector<std::string>& ids) {
    v1::CancelDelayedEventsRequest request;
    request.set_topic(topic);
    for (const std::string& id : ids) request.add_delay_ids(id);
    std::promise<absl::StatusOr<v1::CancelDelayedEventsResponse>> outcome;
    broker().delayed().Cancel(kTester, request,
                              [&](auto result) { outcome.set_value(std::move(result)); });
    const auto response = outcome.get_future().get();
    if (!response.ok()) return response.status();
    return response->cancelled();
  }

  std::vector<v1::DelayedEvent> List(v1::ListDelayedEventsRequest request) {
    std::vector<v1::DelayedEvent> events;
    do {
      const auto page = broker().delayed().List(kTester, request);
      EXPECT_THAT(page, IsOk());
      if (!page.ok()) break;
      events.insert(events.end(), page->events().begin(), page->events().end());
      request.set_page_token(page->next_page_token());
    } while (!request.page_token().empty());
    return events;
  }

  std::vector<std::string> Waiting(const std::string& topic, uint32_t page = 0) {
    v1::ListDelayedEventsRequest request;
    request.set_topic(topic);
    request.set_page_size(page);
    std::vector<std::string> ids;
    for (const v1::DelayedEvent& event : List(request)) ids.push_back(event.event().id());
    return ids;
  }

  uint64_t Count(const std::string& topic) {
    const auto response = broker().topics().Get(kTester, topic);
    EXPECT_THAT(response, IsOk());
    return response.ok() ? response->stats().delayed_events() : 999;
  }

  std::vector<std::string> Log(const std::string& topic, uint32_t partition = 0) {
    const auto read = Read(topic);
    EXPECT_THAT(read, IsOk());
    return read.ok() ? read->Ids(partition) : std::vector<std::string>{"unreadable"};
  }
};

class DelayedTest : public testing::Test {
 protected:
  void SetUp() override {
    ASSERT_THAT(rig_.Open(), IsOk());
    ASSERT_THAT(rig_.Create("t"), IsOk());
  }

  void ExpectRefused(const v1::Event& event, const std::string& message) {
    const auto result = rig_.Publish(RequestOf("t", {MakeEvent("before"), event}));
    EXPECT_THAT(result, Refused(StatusCode::kInvalidArgument, ErrorDetail::REASON_INVALID_FIELD));
    EXPECT_THAT(std::string(result.status().message()), HasSubstr(message));
    EXPECT_EQ(DetailOf(result.status())->event_index(), 1u);
  }

  DelayedRig rig_;
};

TEST_F(DelayedTest, DeliversAtDueTime) {
  const v1::PublishResult result =
      rig_.Accept("t", {MakeEvent("now"), After("later", absl::Seconds(10))});
  ASSERT_EQ(result.placements_size(), 1);
  EXPECT_EQ(result.placements(0).count(), 1u);
  ASSERT_EQ(result.delayed_size(), 1);
  EXPECT_EQ(result.delayed(0).event_index(), 1u);
  EXPECT_EQ(TimeUtil::TimestampToMicroseconds(result.delayed(0).due_time()),
            absl::ToUnixMicros(rig_.clock.Now() + absl::Seconds(10)));
  EXPECT_EQ(rig_.Count("t"), 1u);
  rig_.AdvanceAndRun(absl::Seconds(10) - absl::Microseconds(1));
  EXPECT_THAT(rig_.Log("t"), ElementsAre("now"));
  rig_.AdvanceAndRun(absl::Microseconds(1));
  EXPECT_THAT(rig_.Log("t"), ElementsAre("now", "later"));
  EXPECT_EQ(rig_.Count("t"), 0u);
  EXPECT_THAT(rig_.Waiting("t"), IsEmpty());
  const v1::TopicStats stats = rig_.broker().topics().Get(kTester, "t")->stats();
  EXPECT_EQ(stats.published_events(), 2u);
  EXPECT_EQ(stats.events(), 2u);
}

TEST_F(DelayedTest, StripsDelayFieldsFromStoredEvents) {
  v1::Event past = At("past", rig_.clock.Now() - absl::Hours(1));
  past.set_data("data behind the field");
  rig_.Accept("t", {After("a", absl::Seconds(1)), past, After("zero", absl::ZeroDuration())});
  rig_.AdvanceAndRun(absl::Seconds(1));
  const auto reader = rig_.broker().readers().Open(kTester, ReadOf("t"));
  ASSERT_THAT(reader, IsOk());
  std::string region;
  for (;;) {
    Frame frame;
    ASSERT_OK_AND_ASSIGN(const TopicReader::Step step, (*reader)->Poll(&frame));
    if (step == TopicReader::Step::kWait || step == TopicReader::Step::kEnd) break;
    if (step == TopicReader::Step::kCold) {
      ASSERT_THAT((*reader)->ReadCold(&frame), IsOk());
    }
    for (const Delivery& delivery : frame.deliveries) {
      for (const SharedBytes& piece : delivery.events) region.append(piece.data(), piece.size());
    }
  }
  past.clear_deliver_at();
  EXPECT_EQ(region,
            EncodeEvent(past) + EncodeEvent(MakeEvent("zero")) + EncodeEvent(MakeEvent("a")));
}

TEST_F(DelayedTest, DeliversInOrderOfDueTimes) {
  rig_.Accept("t", {After("3", absl::Seconds(3)), After("1", absl::Seconds(1)),
                    At("2", rig_.clock.Now() + absl::Seconds(2))});
  rig_.Accept("t", {After("1b", absl::Seconds(1))});
  rig_.AdvanceAndRun(absl::Seconds(5));
  EXPECT_THAT(rig_.Log("t"), ElementsAre("1", "1b", "2", "3"));
}

TEST_F(DelayedTest, RejectsInvalidDelays) {
  v1::Event both = After("x", absl::Seconds(1));
  both.mutable_deliver_at()->set_seconds(1);
  ExpectRefused(both, "events[1].deliver_after: cannot be set together with deliver_at");
  ExpectRefused(After("x", -absl::Microseconds(1)), "events[1].deliver_after: is negative");
  ExpectRefused(After("x", absl::Hours(24 * 366) + absl::Microseconds(1)),
                "events[1].deliver_after: is more than 366 days ahead");
  ExpectRefused(At("x", rig_.clock.Now() + absl::Hours(24 * 366) + absl::Microseconds(1)),
                "events[1].deliver_at: is more than 366 days ahead");
  v1::Event nanos = MakeEvent("x");
  nanos.mutable_deliver_after()->set_nanos(1'000'000'000);
  ExpectRefused(nanos, "events[1].deliver_after: has nanoseconds out of range");
  v1::Event range = MakeEvent("x");
  range.mutable_deliver_at()->set_seconds(INT64_MAX);
  ExpectRefused(range, "events[1].deliver_at: is out of the range of a timestamp");
  v1::Event long_after = MakeEvent("x");
  long_after.mutable_deliver_after()->set_seconds(INT64_MAX);
  ExpectRefused(long_after, "events[1].deliver_after: is out of the range of a duration");
  EXPECT_THAT(rig_.Log("t"), IsEmpty());
  EXPECT_EQ(rig_.Count("t"), 0u);
  // The maximum delay is accepted.
  rig_.Accept("t", {After("x", absl::Hours(24 * 366))});
}

TEST_F(DelayedTest, RejectsDelayWithExpectedOffset) {
  v1::PublishStreamRequest request = RequestOf("t", {After("x", absl::Seconds(1))});
  request.set_partition(0);
  request.set_expected_offset(0);
  const auto result = rig_.Publish(request);
  EXPECT_THAT(result, Refused(StatusCode::kInvalidArgument, ErrorDetail::REASON_INVALID_FIELD));
  EXPECT_THAT(std::string(result.status().message()), HasSubstr("expected_offset"));
}

TEST_F(DelayedTest, RoutesByPartitionCountAtDueTime) {
  ASSERT_THAT(rig_.Create("k", 1), IsOk());
  rig_.Accept("k", {After("keyed", absl::Seconds(1), "key-of-partition-1")});
  v1::PublishStreamRequest named = RequestOf("k", {After("named", absl::Seconds(1), "other")});
  named.set_partition(0);
  ASSERT_THAT(rig_.Publish(named), IsOk());
  v1::Topic topic;
  topic.set_name("k");
  topic.set_partitions(16);
  ASSERT_THAT(rig_.Update(topic, {"partitions"}), IsOk());
  rig_.AdvanceAndRun(absl::Seconds(1));
  EXPECT_THAT(rig_.Log("k", 0), ElementsAre("named"));
  EXPECT_THAT(rig_.Log("k", wire::PartitionOfKey("key-of-partition-1", 16)), ElementsAre("keyed"));
}

TEST_F(DelayedTest, ProducerRetryStoresNoSecondCopy) {
  v1::PublishStreamRequest request = RequestOf("t", {MakeEvent("a"), After("b", absl::Seconds(1))});
  request.set_producer_id("p");
  ASSERT_OK_AND_ASSIGN(const v1::PublishResult first, rig_.Publish(request));
  rig_.Reopen();
  ASSERT_OK_AND_ASSIGN(v1::PublishResult again, rig_.Publish(request));
  EXPECT_TRUE(again.duplicate());
  again.clear_duplicate();
  EXPECT_EQ(again.SerializeAsString(), first.SerializeAsString());
  EXPECT_EQ(rig_.Count("t"), 1u);
  rig_.AdvanceAndRun(absl::Seconds(1));
  EXPECT_THAT(rig_.Log("t"), ElementsAre("a", "b"));
}

TEST_F(DelayedTest, SurvivesRestart) {
  ASSERT_THAT(rig_.Create("u"), IsOk());
  ASSERT_THAT(rig_.Create("without"), IsOk());
  rig_.Accept("t", {After("t1", absl::Seconds(1)), After("t2", absl::Seconds(20))});
  rig_.Accept("u", {After("u1", absl::Seconds(2))});
  rig_.Reopen();
  EXPECT_EQ(rig_.Count("t"), 2u);
  EXPECT_EQ(rig_.Count("u"), 1u);
  EXPECT_EQ(rig_.Count("without"), 0u);
  EXPECT_EQ(rig_.broker().GetStats(kTester).totals().delayed_events(), 3u);
  rig_.AdvanceAndRun(absl::Seconds(3));
  EXPECT_THAT(rig_.Log("t"), ElementsAre("t1"));
  EXPECT_THAT(rig_.Log("u"), ElementsAre("u1"));
  rig_.Reopen();
  EXPECT_EQ(rig_.Count("t"), 1u);
  EXPECT_EQ(rig_.Count("u"), 0u);
  // Not confused with an earlier event that is due at the same time.
  const std::string id = rig_.Accept("t", {After("t3", absl::Seconds(17))}).delayed(0).delay_id();
  EXPECT_THAT(rig_.Cancel("t", {id}), Cancelled(1u));
  EXPECT_THAT(rig_.Waiting("t"), ElementsAre("t2"));
  rig_.AdvanceAndRun(absl::Seconds(20));
  EXPECT_THAT(rig_.Log("t"), ElementsAre("t1", "t2"));
}

TEST_F(DelayedTest, ListsInPages) {
  const absl::Time start = rig_.clock.Now();
  std::vector<std::string> ids;
  for (int i = 0; i < 7; ++i) {
    ids.push_back(absl::StrCat(i));
    rig_.Accept("t", {After(ids.back(), absl::Seconds(i + 1))});
  }
  for (const uint32_t page : {0u, 1u, 2u, 7u, 100'000u}) EXPECT_EQ(rig_.Waiting("t", page), ids);
  v1::ListDelayedEventsRequest request;
  request.set_topic("t");
  *request.mutable_due_from() =
      TimeUtil::MicrosecondsToTimestamp(absl::ToUnixMicros(start + absl::Seconds(3)));
  *request.mutable_due_before() =
      TimeUtil::MicrosecondsToTimestamp(absl::ToUnixMicros(start + absl::Seconds(5)));
  const std::vector<v1::DelayedEvent> events = rig_.List(request);
  ASSERT_EQ(events.size(), 2u);
  EXPECT_EQ(events[0].event().SerializeAsString(), MakeEvent("2").SerializeAsString());
  EXPECT_EQ(events[1].event().id(), "3");
  EXPECT_FALSE(events[0].has_partition());
  EXPECT_EQ(TimeUtil::TimestampToMicroseconds(events[0].accept_time()), absl::ToUnixMicros(start));
  EXPECT_EQ(TimeUtil::TimestampToMicroseconds(events[0].due_time()),
            absl::ToUnixMicros(start + absl::Seconds(3)));
}

TEST_F(DelayedTest, PageOfLargeEventsEndsEarly) {
  for (int i = 0; i < 3; ++i) {
    v1::Event event = After(absl::StrCat(i), absl::Seconds(1));
    event.set_data(std::string(600'000, 'x'));
    rig_.Accept("t", {event});
  }
  v1::ListDelayedEventsRequest request;
  request.set_topic("t");
  ASSERT_OK_AND_ASSIGN(const auto page, rig_.broker().delayed().List(kTester, request));
  EXPECT_EQ(page.events_size(), 1);
  EXPECT_THAT(rig_.Waiting("t"), ElementsAre("0", "1", "2"));
  rig_.AdvanceAndRun(absl::Seconds(1));  // Also in several pieces.
  EXPECT_THAT(rig_.Log("t"), ElementsAre("0", "1", "2"));
}

TEST_F(DelayedTest, ListAndCancelValidateRequests) {
  const auto list = [&](auto change) {
    v1::ListDelayedEventsRequest request;
    request.set_topic("t");
    change(request);
    return rig_.broker().delayed().List(kTester, request).status();
  };
  const auto invalid = Refused(StatusCode::kInvalidArgument, ErrorDetail::REASON_INVALID_FIELD);
  const auto not_found = Refused(StatusCode::kNotFound, ErrorDetail::REASON_TOPIC_NOT_FOUND);
  EXPECT_THAT(list([](auto& request) { request.clear_topic(); }), invalid);
  EXPECT_THAT(list([](auto& request) { request.set_topic("no"); }), not_found);
  EXPECT_THAT(list([](auto& request) { request.set_page_token("1-"); }), invalid);
  EXPECT_THAT(list([](auto& request) { request.mutable_due_from()->set_nanos(-1); }), invalid);
  EXPECT_THAT(list([](auto& request) { request.mutable_due_before()->set_seconds(INT64_MIN); }),
              invalid);
  EXPECT_THAT(rig_.Cancel("", {"1-1"}), invalid);
  EXPECT_THAT(rig_.Cancel("no", {"1-1"}), not_found);
  EXPECT_THAT(rig_.Cancel("t", {}), invalid);
  EXPECT_THAT(rig_.Cancel("t", std::vector<std::string>(10'001, "1-1")), invalid);
  for (const char* id : {"", "-", "1", "1-", "-1", "01-1", "1-G", "1-1 ", "1-1-1",
                         "ffffffffffffffff-1", "11111111111111111-1"}) {
    EXPECT_THAT(rig_.Cancel("t", {id}), invalid) << id;
  }
  EXPECT_THAT(rig_.Cancel("t", {"1-1"}), Cancelled(0u));
}

TEST_F(DelayedTest, CancelledEventsAreNeverAppended) {
  const v1::PublishResult result = rig_.Accept(
      "t",
      {After("a", absl::Seconds(1)), After("b", absl::Seconds(1)), After("c", absl::Seconds(1))});
  const std::string b = result.delayed(1).delay_id();
  EXPECT_THAT(rig_.Cancel("t", {b, b, "1-1"}), Cancelled(1u));
  EXPECT_THAT(rig_.Cancel("t", {b}), Cancelled(0u));
  EXPECT_EQ(rig_.Count("t"), 2u);
  rig_.Reopen();
  rig_.AdvanceAndRun(absl::Seconds(1));
  EXPECT_THAT(rig_.Log("t"), ElementsAre("a", "c"));
  EXPECT_THAT(rig_.Cancel("t", {result.delayed(0).delay_id()}), Cancelled(0u));
  EXPECT_EQ(rig_.Count("t"), 0u);
}

TEST_F(DelayedTest, DeletingTopicDeletesDelayedEvents) {
  rig_.Accept("t", {After("a", absl::Seconds(1))});
  ASSERT_THAT(rig_.Delete("t"), IsOk());
  rig_.AdvanceAndRun(absl::Seconds(2));
  ASSERT_THAT(rig_.Create("t"), IsOk());
  rig_.Reopen();
  rig_.AdvanceAndRun(absl::Seconds(2));
  EXPECT_THAT(rig_.Log("t"), IsEmpty());
  EXPECT_EQ(rig_.Count("t"), 0u);
  EXPECT_THAT(rig_.Waiting("t"), IsEmpty());
}

TEST_F(DelayedTest, DelaysEventsOfTransactions) {
  const auto transact = [&](const v1::TransactRequest& request) {
    const auto parsed = ParseTransaction(SharedBytes::Copy(request.SerializeAsString()));
    EXPECT_THAT(parsed, IsOk());
    std::promise<absl::StatusOr<v1::TransactResponse>> outcome;
    rig_.broker().transactions().Transact(
        kTester, *parsed, [&](auto result) { outcome.set_value(std::move(result)); });
    return outcome.get_future().get();
  };
  v1::TransactRequest request;
  v1::TransactAppend& append = *request.add_appends();
  append.set_topic("t");
  *append.add_events() = After("later", absl::Seconds(1));
  v1::OffsetCheck& check = *request.add_checks();
  check.set_topic("t");
  check.set_expected_offset(7);
  EXPECT_THAT(transact(request).status(),
              Refused(StatusCode::kAborted, ErrorDetail::REASON_OFFSET_MISMATCH));
  EXPECT_EQ(rig_.Count("t"), 0u);
  check.set_expected_offset(0);
  ASSERT_OK_AND_ASSIGN(const v1::TransactResponse response, transact(request));
  ASSERT_EQ(response.results_size(), 1);
  EXPECT_EQ(response.results(0).delayed_size(), 1);
  rig_.AdvanceAndRun(absl::Seconds(1));
  EXPECT_THAT(rig_.Log("t"), ElementsAre("later"));
}

TEST_F(DelayedTest, AcknowledgedEventsSurvivePowerLoss) {
  rig_.Accept("t", {After("a", absl::Seconds(1)), After("b", absl::Seconds(5))});
  rig_.disk.Cut();
  rig_.Close();
  rig_.disk.Forget();
  ASSERT_THAT(rig_.Open(), IsOk());
  EXPECT_EQ(rig_.Count("t"), 2u);
  rig_.AdvanceAndRun(absl::Seconds(1));
  EXPECT_THAT(rig_.Log("t"), ElementsAre("a"));
  // Events that readers have seen stay.
  rig_.disk.Cut();
  rig_.Close();
  rig_.disk.Forget();
  ASSERT_THAT(rig_.Open(), IsOk());
  EXPECT_THAT(rig_.Log("t"), ElementsAre("a"));
  EXPECT_EQ(rig_.Count("t"), 1u);
  rig_.AdvanceAndRun(absl::Seconds(5));
  EXPECT_THAT(rig_.Log("t"), ElementsAre("a", "b"));
}

TEST_F(DelayedTest, DeliversAfterRestartWhenStoreFails) {
  rig_.Accept("t", {After("a", absl::Seconds(1))});
  rig_.disk.FailSyncs(FaultEnv::Fault::kIoError);
  rig_.AdvanceAndRun(absl::Seconds(1));
  EXPECT_THAT(rig_.Log("t"), IsEmpty());
  rig_.AdvanceAndRun(absl::Seconds(1));  // Retried, and refused.
  rig_.disk.Cut();
  rig_.Close();
  rig_.disk.FailSyncs(FaultEnv::Fault::kNone);
  rig_.disk.Forget();
  ASSERT_THAT(rig_.Open(), IsOk());
  rig_.AdvanceAndRun(absl::ZeroDuration());
  EXPECT_THAT(rig_.Log("t"), ElementsAre("a"));
  EXPECT_EQ(rig_.Count("t"), 0u);
}

TEST_F(DelayedTest, CancelsManyEventsInBatches) {
  std::vector<v1::Event> events;
  for (int i = 0; i < 100; ++i) events.push_back(After(absl::StrCat(i), absl::Seconds(1 + i)));
  rig_.Accept("t", events);
  std::vector<std::string> ids;
  for (const v1::DelayedEvent& event : rig_.List([] {
         v1::ListDelayedEventsRequest request;
         request.set_topic("t");
         return request;
       }())) {
    ids.push_back(event.delay_id());
  }
  ASSERT_EQ(ids.size(), 100u);
  ids.resize(99);
  ids.push_back(ids.front());  // Named twice, counted once.
  EXPECT_THAT(rig_.Cancel("t", ids), Cancelled(99u));
  EXPECT_EQ(rig_.Count("t"), 1u);
  EXPECT_THAT(rig_.Cancel("t", ids), Cancelled(0u));
}

TEST_F(DelayedTest, ReleasesThousandsOfDueEventsInBatches) {
  std::vector<std::string> ids;
  while (ids.size() < 10'000) {
    std::vector<v1::Event> events;
    while (events.size() < kMaxRequestRecords) {
      events.push_back(After(absl::StrCat(ids.size()), absl::Microseconds(1 + ids.size())));
      ids.push_back(events.back().id());
    }
    rig_.Accept("t", events);
  }
  EXPECT_EQ(rig_.Count("t"), 10'000u);
  rig_.AdvanceAndRun(absl::Microseconds(5'000));
  EXPECT_EQ(rig_.Log("t").size(), 5'000u);
  EXPECT_EQ(rig_.Count("t"), 5'000u);
  rig_.AdvanceAndRun(absl::Seconds(1));
  EXPECT_EQ(rig_.Log("t"), ids);
}

// A topic with many due events delays others by at most one piece. The order of commits is that of
// their copies.
TEST_F(DelayedTest, TopicsTakeTurnsBatchByBatch) {
  constexpr size_t kEvents = 20'000;
  constexpr size_t kPiece = 4096;
  RouteRig rig;
  ASSERT_THAT(rig.Open(), IsOk());
  for (const char* topic : {"busy", "quiet", "all"}) ASSERT_THAT(rig.Create(topic), IsOk());
  ASSERT_THAT(rig.CreateRoute("b", "busy", {"all"}), IsOk());
  ASSERT_THAT(rig.CreateRoute("q", "quiet", {"all"}), IsOk());
  const std::vector<v1::Event> events(kMaxRequestRecords, After("busy", absl::Seconds(1)));
  for (size_t i = 0; i < kEvents; i += events.size()) {
    ASSERT_THAT(rig.Publish(RequestOf("busy", events)), IsOk());
  }
  ASSERT_THAT(rig.Publish(RequestOf("quiet", {After("quiet", absl::Seconds(2))})), IsOk());
  rig.clock.Advance(absl::Seconds(3));
  rig.broker().delayed().RunDue();
  ASSERT_OK_AND_ASSIGN(const Delivered read, rig.Read("all"));
  const std::vector<std::string> ids = read.Ids(0);
  ASSERT_EQ(ids.size(), kEvents + 1);
  const auto quiet = std::find(ids.begin(), ids.end(), "quiet");
  EXPECT_LE(quiet - ids.begin(), static_cast<std::ptrdiff_t>(kPiece));
}

TEST_F(DelayedTest, RetriesWhileTopicIsFull) {
  v1::Topic topic;
  topic.set_name("t");
  topic.mutable_retention()->set_max_bytes(1);
  topic.mutable_retention()->set_refuse_when_full(true);
  rig_.Accept("t", {After("a", absl::Seconds(1)), After("b", absl::Seconds(1)),
                    After("later", absl::Hours(1))});
  ASSERT_THAT(rig_.Publish("t", {"filler"}), IsOk());
  ASSERT_THAT(rig_.Update(topic, {"retention.max_bytes", "retention.refuse_when_full"}), IsOk());
  const auto refusals = [&] {
    v1::ListDelayedEventsRequest request;
    request.set_topic("t");
    std::vector<std::string> refusals;
    for (const v1::DelayedEvent& event : rig_.List(request)) refusals.push_back(event.refusal());
    return refusals;
  };
  const auto refused = [&] {
    return rig_.broker().topics().Get(kTester, "t")->stats().refused_requests();
  };
  EXPECT_THAT(refusals(), ElementsAre("", "", ""));
  for (int start = 0; start < 2; ++start) {
    rig_.AdvanceAndRun(absl::Seconds(1));
    EXPECT_THAT(rig_.Log("t"), ElementsAre("filler"));
    EXPECT_EQ(rig_.Count("t"), 3u);
    EXPECT_THAT(refusals(),
                ElementsAre(HasSubstr("topic t is full"), HasSubstr("topic t is full"), IsEmpty()));
    EXPECT_EQ(refused(), 1u);
    if (start == 0) rig_.Reopen();
  }
  // Retried after 1 s, 2 s, 4 s, 8 s, 10 s, 10 s, …
  uint64_t tries = 1;
  for (const int delay : {1, 2, 4, 8, 10, 10}) {
    rig_.AdvanceAndRun(absl::Seconds(delay) - absl::Milliseconds(1));
    EXPECT_EQ(refused(), tries);
    rig_.AdvanceAndRun(absl::Milliseconds(1));
    EXPECT_EQ(refused(), ++tries);
  }
  topic.mutable_retention()->set_max_bytes(10'000);
  ASSERT_THAT(rig_.Update(topic, {"retention.max_bytes"}), IsOk());
  rig_.AdvanceAndRun(absl::Seconds(10));
  EXPECT_THAT(rig_.Log("t"), ElementsAre("filler", "a", "b"));
  EXPECT_THAT(refusals(), ElementsAre(""));
  EXPECT_EQ(rig_.Count("t"), 1u);
  EXPECT_EQ(refused(), tries);
  // Starts again with 1 s.
  topic.mutable_retention()->set_max_bytes(1);
  ASSERT_THAT(rig_.Update(topic, {"retention.max_bytes"}), IsOk());
  rig_.AdvanceAndRun(absl::Hours(1));
  EXPECT_EQ(refused(), tries + 1);
  rig_.AdvanceAndRun(absl::Seconds(1));
  EXPECT_EQ(refused(), tries + 2);
}

TEST(DelayedTrimming, TrimMakesSpaceInFullTopic) {
  DelayedRig rig;
  rig.maintenance = MaintenanceOptions();
  rig.maintenance->retention_interval = absl::Milliseconds(1);
  ASSERT_THAT(rig.Open(), IsOk());
  v1::Topic topic;
  topic.set_name("t");
  topic.mutable_retention()->set_max_bytes(1);
  topic.mutable_retention()->set_refuse_when_full(true);
  topic.mutable_retention()->mutable_max_age()->set_seconds(60);
  ASSERT_THAT(rig.Create(topic), IsOk());
  rig.Accept("t", {After("a", absl::Seconds(1))});
  ASSERT_THAT(rig.Publish("t", {"filler"}), IsOk());
  rig.AdvanceAndRun(absl::Seconds(1));
  EXPECT_EQ(rig.Count("t"), 1u);
  EXPECT_THAT(rig.Publish("t", {"refused"}),
              Refused(StatusCode::kResourceExhausted, ErrorDetail::REASON_TOPIC_FULL));
  rig.clock.Advance(absl::Seconds(60));
  ASSERT_TRUE(Eventually([&] { return rig.Describe("t").start_offset() == 1; }));
  rig.AdvanceAndRun(absl::Seconds(1));
  EXPECT_THAT(rig.Log("t"), ElementsAre("a"));
  EXPECT_EQ(rig.Count("t"), 0u);
  EXPECT_THAT(rig.Publish("t", {"refused"}),
              Refused(StatusCode::kResourceExhausted, ErrorDetail::REASON_TOPIC_FULL));
  rig.clock.Advance(absl::Seconds(61));
  ASSERT_TRUE(Eventually([&] { return rig.Describe("t").start_offset() == 2; }));
  EXPECT_THAT(rig.Publish("t", {"taken"}), IsOk());
}

TEST(DelayedDisk, WaitsWhileDiskIsFull) {
  DelayedRig rig;
  rig.maintenance = MaintenanceOptions();
  rig.maintenance->disk_check_interval = absl::ZeroDuration();
  ASSERT_THAT(rig.Open(), IsOk());
  ASSERT_THAT(rig.Create("t"), IsOk());
  rig.Accept("t", {After("a", absl::Seconds(1))});
  rig.disk.SetFreeSpace(uint64_t{20} << 20);
  rig.Reopen();  // The first look at the disk follows at once.
  ASSERT_TRUE(Eventually([&] { return !rig.broker().writable().ok(); }));
  rig.AdvanceAndRun(absl::Seconds(1));
  EXPECT_THAT(rig.Log("t"), IsEmpty());
  EXPECT_EQ(rig.Count("t"), 1u);
  rig.disk.SetFreeSpace(uint64_t{1} << 40);
  rig.Reopen();
  rig.AdvanceAndRun(absl::Seconds(2));
  EXPECT_THAT(rig.Log("t"), ElementsAre("a"));
}

// Automatically, with the machine's clock.
TEST(DelayedThread, DeliversWithRealClock) {
  DelayedRig rig;
  rig.real_time = true;
  ASSERT_THAT(rig.Open(), IsOk());
  ASSERT_THAT(rig.Create("t"), IsOk());
  rig.Accept("t", {After("b", absl::Milliseconds(60)), After("a", absl::Milliseconds(30)),
                   After("much later", absl::Hours(1))});
  ASSERT_TRUE(Eventually([&] { return rig.Count("t") == 1; }));
  ASSERT_TRUE(Eventually([&] { return rig.Log("t").size() == 2; }));
  EXPECT_THAT(rig.Log("t"), ElementsAre("a", "b"));
}

// Cancels race with the releasing thread: each event is either appended or cancelled.
TEST(DelayedThread, CancelsRaceWithDelivery) {
  DelayedRig rig;
  rig.real_time = true;
  ASSERT_THAT(rig.Open(), IsOk());
  ASSERT_THAT(rig.Create("t"), IsOk());
  uint32_t cancelled = 0;
  constexpr int kRounds = 60;
  constexpr int kEvents = 50;
  for (int round = 0; round < kRounds; ++round) {
    std::vector<v1::Event> events;
    for (int i = 0; i < kEvents; ++i) {
      events.push_back(After(absl::StrCat(round, "/", i), absl::Microseconds(200 * (1 + i))));
    }
    const v1::PublishResult result = rig.Accept("t", events);
    for (const v1::DelayedPlacement& placement : result.delayed()) {
      const auto taken_back = rig.Cancel("t", {placement.delay_id()});
      ASSERT_THAT(taken_back, IsOk());
      cancelled += *taken_back;
    }
  }
  ASSERT_TRUE(Eventually([&] { return rig.Count("t") == 0; }));
  const uint32_t appended = kRounds * kEvents - cancelled;
  ASSERT_TRUE(Eventually([&] { return rig.Log("t").size() >= appended; }));
  const std::vector<std::string> log = rig.Log("t");
  EXPECT_EQ(log.size(), appended);
  EXPECT_EQ(std::set<std::string>(log.begin(), log.end()).size(), log.size());
}

// Random operations, compared with a simple model.
class DelayedModelTest : public SeededTest {
 protected:
  struct Model {
    std::map<std::pair<int64_t, int>, std::pair<std::string, std::string>>
        waiting;  // Id, delay id.
    std::vector<std::string> log;
  };

  void Publish(const std::string& topic) {
    Model& model = models_[topic];
    std::vector<v1::Event> events;
    std::vector<int64_t> dues;
    const auto count = Int(1, 5);
    for (int64_t i = 0; i < count; ++i) {
      const absl::Duration delay = OneIn(3) ? absl::ZeroDuration() : absl::Seconds(Int(1, 30));
      events.push_back(After(absl::StrCat(next_id_++), delay));
      dues.push_back(absl::ToUnixMicros(rig_.clock.Now() + delay));
      if (delay == absl::ZeroDuration()) model.log.push_back(events.back().id());
    }
    const v1::PublishResult result = rig_.Accept(topic, events);
    for (const v1::DelayedPlacement& placement : result.delayed()) {
      const uint32_t i = placement.event_index();
      model.waiting[{dues[i], next_order_++}] = {events[i].id(), placement.delay_id()};
    }
  }

  void Cancel(const std::string& topic) {
    Model& model = models_[topic];
    if (model.waiting.empty()) return;
    auto it = model.waiting.begin();
    std::advance(it, Int(0, static_cast<int64_t>(model.waiting.size()) - 1));
    EXPECT_THAT(rig_.Cancel(topic, {it->second.second}), Cancelled(1u));
    model.waiting.erase(it);
  }

  void Advance() {
    rig_.AdvanceAndRun(absl::Seconds(Int(0, 8)));
    const int64_t now = absl::ToUnixMicros(rig_.clock.Now());
    for (auto& [topic, model] : models_) {
      while (!model.waiting.empty() && model.waiting.begin()->first.first <= now) {
        model.log.push_back(model.waiting.begin()->second.first);
        model.waiting.erase(model.waiting.begin());
      }
    }
  }

  void Check() {
    for (const auto& [topic, model] : models_) {
      EXPECT_EQ(rig_.Log(topic), model.log);
      EXPECT_EQ(rig_.Count(topic), model.waiting.size());
      std::vector<std::string> waiting;
      for (const auto& [key, ids] : model.waiting) waiting.push_back(ids.first);
      EXPECT_EQ(rig_.Waiting(topic, static_cast<uint32_t>(Int(1, 10))), waiting);
    }
  }

  DelayedRig rig_;
  std::map<std::string, Model> models_;
  int next_id_ = 0;
  int next_order_ = 0;
};

TEST_F(DelayedModelTest, MatchesModel) {
  ASSERT_THAT(rig_.Open(), IsOk());
  for (const char* topic : {"a", "b", "c"}) {
    ASSERT_THAT(rig_.Create(topic), IsOk());
    models_[topic];
  }
  for (int step = 0; step < Steps(400) && !HasFailure(); ++step) {
    const std::string topic(1, static_cast<char>('a' + Int(0, 2)));
    switch (Int(0, 9)) {
      case 0:
        rig_.Reopen();
        break;
      case 1:
      case 2:
        Cancel(topic);
        break;
      case 3:
      case 4:
        Advance();
        break;
      case 5:
        if (OneIn(10)) {
          ASSERT_THAT(rig_.Delete(topic), IsOk());
          ASSERT_THAT(rig_.Create(topic), IsOk());
          models_[topic] = Model();
        }
        break;
      default:
        Publish(topic);
    }
    if (step % 10 == 0) Check();
  }
  Check();
}

}  // namespace
}  // namespace eventhub
