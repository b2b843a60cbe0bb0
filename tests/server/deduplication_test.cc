// Deduplication: an event that a topic received within its window is not appended again.
#include <future>
#include <set>
#include <string>
#include <vector>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "google/protobuf/util/time_util.h"
#include "gtest/gtest.h"
#include "proto/wire/event_rules.h"
#include "server/core/topic/identities.h"
#include "storage/log_store.h"
#include "tests/server/broker_rig.h"
#include "tests/server/seeded.h"
#include "tests/support/caller.h"

namespace eventhub {
namespace {

using absl::StatusCode;
using google::protobuf::util::TimeUtil;
using testing::ElementsAre;
using testing::IsEmpty;
using v1::ErrorDetail;

v1::Topic WindowTopic(const std::string& name, absl::Duration window, uint32_t partitions = 1) {
  v1::Topic topic;
  topic.set_name(name);
  topic.set_partitions(partitions);
  *topic.mutable_deduplication_window() =
      TimeUtil::MicrosecondsToDuration(absl::ToInt64Microseconds(window));
  return topic;
}

// Index, partition and offset; -1, -1 if there is no place.
std::vector<std::vector<int64_t>> DuplicatesOf(const v1::PublishResult& result) {
  std::vector<std::vector<int64_t>> all;
  for (const v1::DuplicateEvent& duplicate : result.duplicates()) {
    all.push_back({duplicate.event_index(),
                   duplicate.has_partition() ? int64_t{duplicate.partition()} : -1,
                   duplicate.has_offset() ? duplicate.offset() : -1});
  }
  return all;
}

using Duplicates = std::vector<std::vector<int64_t>>;

class DeduplicationTest : public BrokerTest {
 protected:
  void SetUp() override {
    BrokerTest::SetUp();
    ASSERT_THAT(rig_.Create(WindowTopic("t", absl::Seconds(60))), IsOk());
  }

  v1::PublishResult PublishIds(const std::vector<std::string>& ids) {
    return Take(MakeRequest("t", ids));
  }
  v1::PublishResult Take(const v1::PublishStreamRequest& request) {
    const auto result = rig_.Publish(request);
    EXPECT_THAT(result, IsOk());
    return result.value_or(v1::PublishResult());
  }
  std::vector<std::string> Log(const std::string& topic = "t") {
    const auto read = rig_.Read(topic);
    EXPECT_THAT(read, IsOk());
    std::vector<std::string> ids;
    if (!read.ok()) return ids;
    for (const auto& [partition, events] : read->events) {
      for (const auto& event : events) ids.push_back(event.id);
    }
    return ids;
  }
  uint64_t DuplicateCount() {
    return rig_.broker().topics().Get(kTester, "t")->stats().duplicate_events();
  }
};

TEST_F(DeduplicationTest, FindsDuplicatesAcrossCommits) {
  EXPECT_EQ(PublishIds({"a", "b"}).duplicates_size(), 0);
  const v1::PublishResult result = PublishIds({"b", "c", "a"});
  EXPECT_EQ(DuplicatesOf(result), (Duplicates{{0, 0, 1}, {2, 0, 0}}));
  ASSERT_EQ(result.placements_size(), 1);
  EXPECT_EQ(result.placements(0).base_offset(), 2);
  EXPECT_EQ(result.placements(0).count(), 1u);
  EXPECT_THAT(Log(), ElementsAre("a", "b", "c"));
  EXPECT_EQ(DuplicateCount(), 2u);
  EXPECT_EQ(rig_.broker().topics().Get(kTester, "t")->stats().published_events(), 3u);
}

TEST_F(DeduplicationTest, ReturnsNoPlacementsWhenAllAreDuplicates) {
  PublishIds({"a"});
  const v1::PublishResult result = PublishIds({"a"});
  EXPECT_EQ(result.placements_size(), 0);
  EXPECT_EQ(DuplicatesOf(result), (Duplicates{{0, 0, 0}}));
  EXPECT_FALSE(result.duplicate());
  EXPECT_THAT(Log(), ElementsAre("a"));
}

TEST_F(DeduplicationTest, FindsDuplicatesWithinRequest) {
  const v1::PublishResult result = PublishIds({"x", "a", "a", "b", "a"});
  EXPECT_EQ(DuplicatesOf(result), (Duplicates{{2, 0, 1}, {4, 0, 1}}));
  EXPECT_THAT(Log(), ElementsAre("x", "a", "b"));
}

TEST_F(DeduplicationTest, FindsDuplicatesWithinCommit) {
  // Usually in one commit; the outcome is the same otherwise.
  constexpr int kRequests = 100;
  std::vector<std::promise<v1::PublishResult>> results(kRequests);
  for (int i = 0; i < kRequests; ++i) {
    const auto request =
        ParsePublishRequest(SharedBytes::Copy(MakeRequest("t", {"same"}).SerializeAsString()));
    ASSERT_THAT(request, IsOk());
    rig_.broker().publishing().Publish(kTester, *request,
                                       [&, i](auto result) { results[i].set_value(*result); });
  }
  for (int i = 0; i < kRequests; ++i) {
    const v1::PublishResult result = results[i].get_future().get();
    EXPECT_EQ(DuplicatesOf(result), i == 0 ? Duplicates() : (Duplicates{{0, 0, 0}}));
  }
  EXPECT_THAT(Log(), ElementsAre("same"));
}

TEST_F(DeduplicationTest, IdentityIsSourceAndId) {
  v1::PublishStreamRequest request = MakeRequest("t", {"ab", "a", "ab"});
  request.mutable_events(0)->set_source("s");
  // Different, although the concatenation is the same.
  request.mutable_events(1)->set_source("sb");
  request.mutable_events(2)->set_source("s");
  request.mutable_events(2)->set_data("something else");
  EXPECT_EQ(DuplicatesOf(Take(request)), (Duplicates{{2, 0, 0}}));
  EXPECT_THAT(Log(), ElementsAre("ab", "a"));
}

TEST_F(DeduplicationTest, LocatesDuplicatesOfKeyedEvents) {
  ASSERT_THAT(rig_.Create(WindowTopic("k", absl::Seconds(60), 7)), IsOk());
  v1::PublishStreamRequest request;
  request.set_topic("k");
  for (int i = 0; i < 40; ++i) {
    *request.add_events() = MakeEvent(absl::StrCat("id", i % 25), absl::StrCat("key", i % 25));
  }
  const v1::PublishResult first = Take(request);
  ASSERT_EQ(first.duplicates_size(), 15);
  const auto read = rig_.Read("k");
  ASSERT_THAT(read, IsOk());
  const auto check = [&](const v1::PublishResult& result) {
    for (const v1::DuplicateEvent& duplicate : result.duplicates()) {
      const v1::Event& event = request.events(static_cast<int>(duplicate.event_index()));
      EXPECT_EQ(duplicate.partition(), wire::PartitionOfKey(event.partition_key(), 7));
      const auto& log = read->events.at(duplicate.partition());
      EXPECT_EQ(log.at(static_cast<size_t>(duplicate.offset())).id, event.id());
    }
  };
  check(first);
  const v1::PublishResult second = Take(request);
  EXPECT_EQ(second.duplicates_size(), 40);
  check(second);
}

TEST_F(DeduplicationTest, ForgetsIdsAfterWindow) {
  PublishIds({"a"});
  rig_.clock.Advance(absl::Seconds(60) - absl::Microseconds(1));
  EXPECT_EQ(PublishIds({"a"}).duplicates_size(), 1);
  rig_.clock.Advance(absl::Microseconds(1));
  EXPECT_EQ(PublishIds({"a"}).duplicates_size(), 0);  // A duplicate does not extend the window.
  EXPECT_EQ(PublishIds({"a"}).duplicates_size(), 1);
}

TEST_F(DeduplicationTest, WindowChangesTakeEffectImmediately) {
  PublishIds({"a", "b"});
  rig_.clock.Advance(absl::Seconds(10));
  ASSERT_THAT(rig_.Update(WindowTopic("t", absl::Seconds(5)), {"deduplication_window"}), IsOk());
  EXPECT_EQ(PublishIds({"a"}).duplicates_size(), 0);
  ASSERT_THAT(rig_.Update(WindowTopic("t", absl::Hours(1)), {"deduplication_window"}), IsOk());
  EXPECT_EQ(PublishIds({"b"}).duplicates_size(), 1);
  v1::Topic none;
  none.set_name("t");
  ASSERT_THAT(rig_.Update(none, {"deduplication_window"}), IsOk());
  EXPECT_EQ(PublishIds({"b"}).duplicates_size(), 0);
}

TEST_F(DeduplicationTest, SurvivesRestartAndPowerLoss) {
  PublishIds({"a"});
  rig_.Reopen();
  EXPECT_EQ(DuplicatesOf(PublishIds({"a", "b"})), (Duplicates{{0, 0, 0}}));
  rig_.disk.Cut();
  rig_.Close();
  rig_.disk.Forget();
  ASSERT_THAT(rig_.Open(), IsOk());
  EXPECT_EQ(PublishIds({"a", "b"}).duplicates_size(), 2);
  EXPECT_THAT(Log(), ElementsAre("a", "b"));
}

TEST_F(DeduplicationTest, DeletingTopicDeletesIdentities) {
  PublishIds({"a"});
  ASSERT_THAT(rig_.Delete("t"), IsOk());
  ASSERT_THAT(rig_.Create(WindowTopic("t", absl::Seconds(60))), IsOk());
  EXPECT_EQ(PublishIds({"a"}).duplicates_size(), 0);
  rig_.Close();
  LogStoreOptions options;
  options.directory = rig_.disk.directory() + "/hub";
  options.env = rig_.disk.env();
  ASSERT_OK_AND_ASSIGN(const auto store, LogStore::Open(options));
  int records = 0;
  ASSERT_THAT(store->Scan(Column::kIdentities, "",
                          [&](absl::string_view key, absl::string_view value) {
                            ++records;
                            EXPECT_EQ(key.substr(0, 4), absl::string_view("\0\0\0\2", 4));
                            EXPECT_EQ(absl::BytesToHexString(value),
                                      "01000000"
                                      "00401e18240a0600"    // 1,700,000,000 s,
                                      "00c7b11b240a0600"    // 60 s later,
                                      "00000000"            // the partition,
                                      "0000000000000000");  // the offset.
                            return true;
                          }),
              IsOk());
  EXPECT_EQ(records, 1);
}

TEST_F(DeduplicationTest, DelayedEventsCountFromAcceptance) {
  v1::PublishStreamRequest request = MakeRequest("t", {"x", "d"});
  request.mutable_events(1)->mutable_deliver_after()->set_seconds(10);
  EXPECT_EQ(Take(request).delayed_size(), 1);
  const v1::PublishResult again = Take(request);
  EXPECT_EQ(again.delayed_size(), 0);
  EXPECT_EQ(DuplicatesOf(again), (Duplicates{{0, 0, 0}, {1, -1, -1}}));
  EXPECT_EQ(DuplicatesOf(PublishIds({"d"})), (Duplicates{{0, -1, -1}}));
  rig_.clock.Advance(absl::Seconds(10));
  rig_.broker().delayed().RunDue();
  EXPECT_THAT(Log(), ElementsAre("x", "d"));
  EXPECT_EQ(PublishIds({"d"}).duplicates_size(), 1);
}

TEST_F(DeduplicationTest, HandlesMixOfDelayedAndImmediateEvents) {
  v1::PublishStreamRequest request = MakeRequest("t", {"a", "b", "a", "b", "c"});
  request.mutable_events(0)->mutable_deliver_after()->set_seconds(1);
  request.mutable_events(3)->mutable_deliver_after()->set_seconds(1);
  const v1::PublishResult result = Take(request);
  EXPECT_EQ(DuplicatesOf(result), (Duplicates{{2, -1, -1}, {3, 0, 0}}));
  ASSERT_EQ(result.delayed_size(), 1);
  EXPECT_EQ(result.delayed(0).event_index(), 0u);
  EXPECT_THAT(Log(), ElementsAre("b", "c"));
}

TEST_F(DeduplicationTest, ProducerRetryReturnsFirstResult) {
  v1::PublishStreamRequest request = MakeRequest("t", {"a", "a"});
  request.set_producer_id("p");
  const v1::PublishResult first = Take(request);
  v1::PublishResult again = Take(request);
  EXPECT_TRUE(again.duplicate());
  again.clear_duplicate();
  EXPECT_EQ(again.SerializeAsString(), first.SerializeAsString());
  EXPECT_EQ(DuplicatesOf(first), (Duplicates{{1, 0, 0}}));
  EXPECT_EQ(DuplicateCount(), 1u);
}

TEST_F(DeduplicationTest, FindsDuplicatesInTransactions) {
  PublishIds({"a"});
  v1::TransactRequest request;
  for (const char* id : {"a", "b", "b"}) {
    v1::TransactAppend& append = *request.add_appends();
    append.set_topic("t");
    *append.add_events() = MakeEvent(id);
  }
  const auto parsed = ParseTransaction(SharedBytes::Copy(request.SerializeAsString()));
  ASSERT_THAT(parsed, IsOk());
  std::promise<absl::StatusOr<v1::TransactResponse>> outcome;
  rig_.broker().transactions().Transact(kTester, *parsed,
                                        [&](auto result) { outcome.set_value(std::move(result)); });
  ASSERT_OK_AND_ASSIGN(const v1::TransactResponse response, outcome.get_future().get());
  EXPECT_EQ(DuplicatesOf(response.results(0)), (Duplicates{{0, 0, 0}}));
  EXPECT_THAT(DuplicatesOf(response.results(1)), IsEmpty());
  EXPECT_EQ(DuplicatesOf(response.results(2)), (Duplicates{{0, 0, 1}}));
  EXPECT_THAT(Log(), ElementsAre("a", "b"));
  EXPECT_EQ(DuplicateCount(), 2u);
}

TEST_F(DeduplicationTest, ValidatesWindow) {
  const auto invalid = Refused(StatusCode::kInvalidArgument, ErrorDetail::REASON_INVALID_FIELD);
  for (const absl::Duration window : {absl::ZeroDuration(), absl::Milliseconds(999),
                                      -absl::Seconds(1), absl::Hours(24 * 30) + absl::Seconds(1)}) {
    const auto created = rig_.Create(WindowTopic("w", window));
    EXPECT_THAT(created, invalid);
    EXPECT_EQ(DetailOf(created.status())->field(), "topic.deduplication_window");
    EXPECT_THAT(rig_.Update(WindowTopic("t", window), {"deduplication_window"}), invalid);
  }
  EXPECT_THAT(rig_.Create(WindowTopic("w1", absl::Seconds(1))), IsOk());
  EXPECT_THAT(rig_.Create(WindowTopic("w2", absl::Hours(24 * 30))), IsOk());
}

TEST_F(DeduplicationTest, CompactionDropsExpiredIdentities) {
  PublishIds({"a"});
  rig_.clock.Advance(absl::Seconds(61));
  PublishIds({"b"});
  rig_.Close();
  LogStoreOptions options;
  options.directory = rig_.disk.directory() + "/hub";
  options.env = rig_.disk.env();
  options.clock = &rig_.clock;
  ASSERT_OK_AND_ASSIGN(const auto store, LogStore::Open(options));
  ASSERT_THAT(store->Reclaim(TopicId(1)), IsOk());
  int records = 0;
  ASSERT_THAT(store->Scan(Column::kIdentities, "",
                          [&](absl::string_view, absl::string_view) {
                            ++records;
                            return true;
                          }),
              IsOk());
  EXPECT_EQ(records, 1);
}

class DeduplicationModelTest : public SeededTest {
 protected:
  BrokerRig rig_;
};

TEST_F(DeduplicationModelTest, MatchesModel) {
  ASSERT_THAT(rig_.Open(), IsOk());
  ASSERT_THAT(rig_.Create(WindowTopic("t", absl::Seconds(10), 3)), IsOk());
  std::map<std::string, absl::Time> had;
  size_t appended = 0;
  for (int step = 0; step < Steps(300) && !HasFailure(); ++step) {
    if (OneIn(10)) rig_.Reopen();
    if (OneIn(3)) rig_.clock.Advance(absl::Seconds(Int(0, 4)));
    v1::PublishStreamRequest request;
    request.set_topic("t");
    std::vector<uint32_t> expected;
    for (int64_t i = 0, count = Int(1, 10); i < count; ++i) {
      const std::string id = absl::StrCat(Int(0, 60));
      *request.add_events() = MakeEvent(id, OneIn(2) ? id : "");
      const auto it = had.find(id);
      if (it != had.end() && it->second + absl::Seconds(10) > rig_.clock.Now()) {
        expected.push_back(static_cast<uint32_t>(i));
      } else {
        had[id] = rig_.clock.Now();
        ++appended;
      }
    }
    ASSERT_OK_AND_ASSIGN(const v1::PublishResult result, rig_.Publish(request));
    std::vector<uint32_t> duplicates;
    for (const v1::DuplicateEvent& d : result.duplicates()) duplicates.push_back(d.event_index());
    EXPECT_EQ(duplicates, expected);
  }
  EXPECT_EQ(rig_.broker().topics().Get(kTester, "t")->stats().events(), appended);
}

}  // namespace
}  // namespace eventhub
