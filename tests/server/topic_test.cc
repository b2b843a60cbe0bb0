// Topics: creation, lists, changes and deletion, also concurrently.
#include <atomic>
#include <condition_variable>
#include <future>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "server/core/topic/topic_settings.h"
#include "tests/server/broker_rig.h"
#include "tests/support/caller.h"

namespace eventhub {
namespace {

using absl::StatusCode;
using ::testing::ElementsAre;
using ::testing::IsEmpty;

v1::Topic Named(const std::string& name) {
  v1::Topic topic;
  topic.set_name(name);
  return topic;
}

class TopicTest : public BrokerTest {
 protected:
  // The field that the status for `topic` names.
  static std::string FieldOf(const absl::Status& status) {
    EXPECT_THAT(status,
                Refused(StatusCode::kInvalidArgument, v1::ErrorDetail::REASON_INVALID_FIELD));
    const auto detail = DetailOf(status);
    return detail.has_value() ? detail->field() : "none";
  }

  v1::ListTopicsResponse List(uint32_t size, const std::string& token) {
    v1::ListTopicsRequest request;
    request.set_page_size(size);
    request.set_page_token(token);
    return rig_.broker().topics().List(kTester, request).value();
  }

  static std::vector<std::string> NamesOf(const v1::ListTopicsResponse& response) {
    std::vector<std::string> names;
    for (const v1::Topic& topic : response.topics()) names.push_back(topic.name());
    return names;
  }
};

TEST_F(TopicTest, CreateFillsInDefaults) {
  ASSERT_OK_AND_ASSIGN(const v1::Topic topic, rig_.Create(Named("orders")));
  EXPECT_EQ(topic.partitions(), 1u);
  EXPECT_EQ(topic.default_durability(), v1::DURABILITY_SYNCED);
  EXPECT_EQ(topic.max_event_bytes(), 1u << 20);
  EXPECT_FALSE(topic.has_retention());
  EXPECT_EQ(topic.create_time().seconds(), absl::ToUnixSeconds(rig_.clock.Now()));
  for (int i = 0; i < 2; ++i) {
    ASSERT_OK_AND_ASSIGN(const v1::GetTopicResponse got,
                         rig_.broker().topics().Get(kTester, "orders"));
    EXPECT_EQ(got.topic().ShortDebugString(), topic.ShortDebugString());
    rig_.Reopen();
  }
}

TEST_F(TopicTest, RejectsSecondCreation) {
  ASSERT_THAT(rig_.Create("orders"), IsOk());
  EXPECT_THAT(rig_.Create("orders", 5),
              Refused(StatusCode::kAlreadyExists, v1::ErrorDetail::REASON_TOPIC_EXISTS));
  EXPECT_EQ(rig_.broker().topics().Get(kTester, "orders")->topic().partitions(), 1u);
}

TEST_F(TopicTest, ValidatesNames) {
  for (const std::string& good : {std::string("a"), std::string("_x"), std::string("9"),
                                  std::string("A.b-C_d.0"), std::string(200, 'x')}) {
    EXPECT_THAT(rig_.Create(good), IsOk()) << good;
  }
  for (const std::string& bad :
       {std::string(), std::string(".a"), std::string("-a"), std::string("a b"), std::string("a/b"),
        std::string("\xc3\xa4"), std::string("a\0b", 3), std::string(201, 'x')}) {
    EXPECT_EQ(FieldOf(rig_.Create(bad).status()), "topic.name") << bad;
  }
}

TEST_F(TopicTest, ValidatesSettings) {
  const auto fault = [&](auto change) {
    v1::Topic topic = Named("t");
    change(topic);
    return FieldOf(rig_.Create(topic).status());
  };
  EXPECT_EQ(fault([](v1::Topic& t) { t.set_partitions(100'001); }), "topic.partitions");
  EXPECT_EQ(fault([](v1::Topic& t) { t.mutable_retention()->mutable_max_age(); }),
            "topic.retention.max_age");
  EXPECT_EQ(fault([](v1::Topic& t) { t.mutable_retention()->mutable_max_age()->set_seconds(-5); }),
            "topic.retention.max_age");
  EXPECT_EQ(fault([](v1::Topic& t) {
              t.mutable_retention()->mutable_max_age()->set_seconds(5);
              t.mutable_retention()->mutable_max_age()->set_nanos(-1);
            }),
            "topic.retention.max_age");
  EXPECT_EQ(fault([](v1::Topic& t) { t.set_default_durability(static_cast<v1::Durability>(9)); }),
            "topic.default_durability");
  EXPECT_EQ(fault([](v1::Topic& t) { t.set_max_event_bytes((16 << 20) + 1); }),
            "topic.max_event_bytes");
  EXPECT_EQ(fault([](v1::Topic& t) { t.set_description(std::string(1025, 'x')); }),
            "topic.description");
  EXPECT_THAT(rig_.broker().topics().Get(kTester, "t"),
              Refused(StatusCode::kNotFound, v1::ErrorDetail::REASON_TOPIC_NOT_FOUND));
}

TEST_F(TopicTest, ListsByNameInPages) {
  for (const char* name : {"b", "a", "d", "c", "e"}) ASSERT_THAT(rig_.Create(name), IsOk());
  v1::ListTopicsResponse page = List(2, "");
  EXPECT_THAT(NamesOf(page), ElementsAre("a", "b"));
  // Deletions and creations between pages do not disturb the list.
  ASSERT_THAT(rig_.Delete("b"), IsOk());
  ASSERT_THAT(rig_.Create("aa"), IsOk());
  page = List(2, page.next_page_token());
  EXPECT_THAT(NamesOf(page), ElementsAre("c", "d"));
  page = List(2, page.next_page_token());
  EXPECT_THAT(NamesOf(page), ElementsAre("e"));
  EXPECT_EQ(page.next_page_token(), "");
  // A page that is exactly full is the last one.
  EXPECT_EQ(List(5, "").next_page_token(), "");
  EXPECT_EQ(List(0, "").topics_size(), 5);
}

TEST_F(TopicTest, PagesHaveDefaultAndMaximumSize) {
  v1::Topic topic = Named("t");
  topic.set_partitions(1500);
  ASSERT_THAT(rig_.Create(topic), IsOk());
  v1::ListPartitionsRequest request;
  request.set_topic("t");
  const auto list = [&] { return rig_.broker().topics().ListPartitions(kTester, request); };
  ASSERT_OK_AND_ASSIGN(v1::ListPartitionsResponse page, list());
  EXPECT_EQ(page.partitions_size(), 100);
  request.set_page_size(5000);
  ASSERT_OK_AND_ASSIGN(page, list());
  EXPECT_EQ(page.partitions_size(), 1000);
  request.set_page_token(page.next_page_token());
  ASSERT_OK_AND_ASSIGN(page, list());
  EXPECT_EQ(page.partitions_size(), 500);
  EXPECT_EQ(page.partitions(0).partition(), 1000u);
  EXPECT_EQ(page.next_page_token(), "");
  for (const char* bad : {"x", "-1", "99999999999"}) {
    request.set_page_token(bad);
    EXPECT_EQ(FieldOf(list().status()), "page_token");
  }
  request.set_page_token("4000000000");
  ASSERT_OK_AND_ASSIGN(page, list());
  EXPECT_EQ(page.partitions_size(), 0);
  EXPECT_EQ(page.next_page_token(), "");
}

TEST_F(TopicTest, UpdatesOnlyMaskedFields) {
  v1::Topic topic = Named("t");
  topic.set_description("old");
  topic.mutable_retention()->mutable_max_age()->set_seconds(100);
  topic.mutable_retention()->set_max_bytes(1000);
  ASSERT_THAT(rig_.Create(topic), IsOk());

  v1::Topic change = Named("t");
  change.set_description("new");
  change.set_partitions(3);
  change.set_max_event_bytes(500);
  change.set_default_durability(v1::DURABILITY_WRITTEN);
  change.mutable_retention()->set_max_bytes(2000);
  ASSERT_OK_AND_ASSIGN(v1::Topic now, rig_.Update(change, {"description"}));
  EXPECT_EQ(now.description(), "new");
  EXPECT_EQ(now.partitions(), 1u);
  ASSERT_OK_AND_ASSIGN(now, rig_.Update(change, {"retention.max_bytes"}));
  EXPECT_EQ(now.retention().max_bytes(), 2000u);
  EXPECT_EQ(now.retention().max_age().seconds(), 100);
  ASSERT_OK_AND_ASSIGN(now, rig_.Update(change, {"retention.max_age"}));
  EXPECT_FALSE(now.retention().has_max_age());
  change.mutable_retention()->set_max_bytes(3000);
  ASSERT_OK_AND_ASSIGN(now, rig_.Update(change, {"retention", "partitions", "default_durability",
                                                 "max_event_bytes"}));
  EXPECT_EQ(now.retention().max_bytes(), 3000u);
  EXPECT_EQ(now.partitions(), 3u);
  EXPECT_EQ(now.default_durability(), v1::DURABILITY_WRITTEN);
  EXPECT_EQ(now.max_event_bytes(), 500u);

  rig_.Reopen();
  EXPECT_EQ(rig_.broker().topics().Get(kTester, "t")->topic().ShortDebugString(),
            now.ShortDebugString());
  EXPECT_THAT(rig_.Publish("t", {"a"}, 2), IsOk());
  v1::PublishStreamRequest large = MakeRequest("t", {});
  *large.add_events() = MakeEvent("large", "", std::string(500, 'x'));
  EXPECT_THAT(rig_.Publish(large), StatusIs(StatusCode::kInvalidArgument));
}

TEST_F(TopicTest, UpdatesKeepUntilAcked) {
  v1::Topic topic = Named("t");
  topic.mutable_retention()->set_max_bytes(1000);
  topic.mutable_retention()->set_keep_until_acked(true);
  ASSERT_OK_AND_ASSIGN(v1::Topic now, rig_.Create(topic));
  EXPECT_TRUE(now.retention().keep_until_acked());
  EXPECT_EQ(now.retention().keep_until_acked_max_bytes(), 0u);

  v1::Topic change = Named("t");
  change.mutable_retention()->set_keep_until_acked_max_bytes(5000);
  ASSERT_OK_AND_ASSIGN(now, rig_.Update(change, {"retention.keep_until_acked_max_bytes"}));
  EXPECT_EQ(now.retention().keep_until_acked_max_bytes(), 5000u);
  EXPECT_TRUE(now.retention().keep_until_acked());
  ASSERT_OK_AND_ASSIGN(now, rig_.Update(change, {"retention.keep_until_acked"}));
  EXPECT_FALSE(now.retention().keep_until_acked());
  EXPECT_EQ(now.retention().max_bytes(), 1000u);
  rig_.Reopen();
  EXPECT_EQ(rig_.broker().topics().Get(kTester, "t")->topic().ShortDebugString(),
            now.ShortDebugString());
  EXPECT_EQ(FieldOf(rig_.Update(change, {"retention.keep_until_acked.x"}).status()), "update_mask");
}

TEST_F(TopicTest, RejectsInvalidUpdatesAsAWhole) {
  v1::Topic topic = Named("t");
  topic.set_partitions(4);
  ASSERT_OK_AND_ASSIGN(topic, rig_.Create(topic));
  v1::Topic change = Named("t");
  EXPECT_EQ(FieldOf(rig_.Update(change, {}).status()), "update_mask");
  EXPECT_EQ(FieldOf(rig_.Update(change, {"name"}).status()), "update_mask");
  EXPECT_EQ(FieldOf(rig_.Update(change, {"create_time"}).status()), "update_mask");
  EXPECT_EQ(FieldOf(rig_.Update(change, {"retention.max_age.seconds"}).status()), "update_mask");
  change.set_partitions(3);
  change.set_description("new");
  EXPECT_EQ(FieldOf(rig_.Update(change, {"description", "partitions"}).status()),
            "topic.partitions");
  change.set_partitions(100'001);
  EXPECT_EQ(FieldOf(rig_.Update(change, {"partitions"}).status()), "topic.partitions");
  EXPECT_EQ(FieldOf(rig_.Update(change, {"default_durability"}).status()),
            "topic.default_durability");
  EXPECT_EQ(FieldOf(rig_.Update(Named(""), {"description"}).status()), "topic.name");
  EXPECT_THAT(rig_.Update(Named("none"), {"description"}),
              Refused(StatusCode::kNotFound, v1::ErrorDetail::REASON_TOPIC_NOT_FOUND));
  EXPECT_EQ(rig_.broker().topics().Get(kTester, "t")->topic().ShortDebugString(),
            topic.ShortDebugString());
}

// Reports visit the partitions of a view that a change replaces meanwhile.
TEST_F(TopicTest, UpdatesDoNotDisturbReports) {
  v1::Topic topic = Named("t");
  topic.set_partitions(100);
  ASSERT_THAT(rig_.Create(topic), IsOk());
  std::atomic<bool> done{false};
  std::thread reports([&] {
    while (!done) EXPECT_THAT(rig_.broker().topics().Get(kTester, "t"), IsOk());
  });
  for (int i = 0; i < 200; ++i) {
    topic.set_description(std::to_string(i));
    EXPECT_THAT(rig_.Update(topic, {"description"}), IsOk());
  }
  done = true;
  reports.join();
}

TEST_F(TopicTest, DeletedNameCanBeReused) {
  ASSERT_THAT(rig_.Create("t", 2), IsOk());
  ASSERT_THAT(rig_.Publish("t", {"a", "b"}, 1), IsOk());
  ASSERT_THAT(rig_.Delete("t"), IsOk());
  EXPECT_THAT(rig_.Delete("t"),
              Refused(StatusCode::kNotFound, v1::ErrorDetail::REASON_TOPIC_NOT_FOUND));
  EXPECT_THAT(rig_.Publish("t", {"a"}), StatusIs(StatusCode::kNotFound));
  EXPECT_THAT(rig_.Read("t"), StatusIs(StatusCode::kNotFound));
  EXPECT_THAT(NamesOf(List(0, "")), IsEmpty());
  rig_.Reopen();
  EXPECT_THAT(NamesOf(List(0, "")), IsEmpty());
  // A different topic with that name.
  ASSERT_THAT(rig_.Create("t", 2), IsOk());
  EXPECT_EQ(rig_.Publish("t", {"c"}, 1).value(), 0);
  EXPECT_THAT(rig_.Read("t").value().Ids(1), ElementsAre("c"));
}

TEST_F(TopicTest, RecreatedTopicSurvivesRestart) {
  ASSERT_THAT(rig_.Create("t", 3), IsOk());
  ASSERT_THAT(rig_.Publish("t", {"a", "b"}, 1), IsOk());
  ASSERT_THAT(rig_.Delete("t"), IsOk());
  ASSERT_THAT(rig_.Create("t", 3), IsOk());
  ASSERT_THAT(rig_.Publish("t", {"c"}, 2), IsOk());
  const v1::TopicStats before = rig_.broker().topics().Get(kTester, "t")->stats();
  rig_.Reopen();
  EXPECT_EQ(rig_.broker().topics().Get(kTester, "t")->stats().events(), before.events());
  EXPECT_EQ(rig_.broker().topics().Get(kTester, "t")->stats().bytes(), before.bytes());
  EXPECT_EQ(rig_.Publish("t", {"d"}, 2).value(), 1);
  EXPECT_THAT(rig_.Read("t").value().Ids(2), ElementsAre("c", "d"));
}

// Changes that wait together are written together, but each has its own place in the order.
class TopicRaceTest : public TopicTest {
 protected:
  // Puts the tasks that `submit` submits into one commit: it runs while the commit thread is
  // blocked.
  void InOneCommit(absl::FunctionRef<void()> submit) {
    const std::thread::id sync_thread = ThreadOf(v1::DURABILITY_SYNCED, [] {});
    std::promise<void> entered;
    std::promise<void> leave;
    // The commit thread completes unsynced requests itself, unless a sync is in progress.
    std::thread gate([&] {
      bool waited = false;
      while (!waited) {
        ThreadOf(v1::DURABILITY_WRITTEN, [&] {
          if (std::this_thread::get_id() == sync_thread) return;
          waited = true;
          entered.set_value();
          leave.get_future().wait();
        });
      }
    });
    entered.get_future().wait();
    const uint64_t commits = rig_.broker().GetStats(kTester).commits();
    submit();
    leave.set_value();
    gate.join();
    ASSERT_THAT(rig_.Publish("gate", {"last"}), IsOk());
    EXPECT_LE(rig_.broker().GetStats(kTester).commits(), commits + 2);
  }

  // Publishes; returns the thread that completed the request, after `completed` ran on it.
  std::thread::id ThreadOf(v1::Durability durability, absl::FunctionRef<void()> completed) {
    v1::PublishStreamRequest request = MakeRequest("gate", {"x"});
    request.set_durability(durability);
    std::promise<std::thread::id> thread;
    rig_.broker().publishing().Publish(
        kTester, ParsePublishRequest(SharedBytes::Copy(request.SerializeAsString())).value(),
        [&](const absl::StatusOr<v1::PublishResult>&) {
          completed();
          thread.set_value(std::this_thread::get_id());
        });
    return thread.get_future().get();
  }

  void SetUp() override {
    TopicTest::SetUp();
    ASSERT_THAT(rig_.Create("gate"), IsOk());
    ASSERT_THAT(rig_.Create("t", 1), IsOk());
  }

  TopicDone Note(const std::string& what) {
    return [this, what](const absl::StatusOr<v1::Topic>& result) {
      done_.push_back(what + " " + absl::StatusCodeToString(result.status().code()));
    };
  }
  void Submit(const std::string& id) {
    const std::string bytes = MakeRequest("t", {id}).SerializeAsString();
    rig_.broker().publishing().Publish(
        kTester, ParsePublishRequest(SharedBytes::Copy(bytes)).value(),
        [this, id](const absl::StatusOr<v1::PublishResult>& result) {
          done_.push_back(id + " " + absl::StatusCodeToString(result.status().code()));
        });
  }
  void Delete(const std::string& name) {
    v1::DeleteTopicRequest request;
    request.set_name(name);
    rig_.broker().topics().Delete(kTester, request, [this](const absl::Status& status) {
      done_.push_back("delete " + absl::StatusCodeToString(status.code()));
    });
  }
  void Grow(uint32_t partitions) {
    v1::UpdateTopicRequest request;
    request.mutable_topic()->set_name("t");
    request.mutable_topic()->set_partitions(partitions);
    request.mutable_update_mask()->add_paths("partitions");
    rig_.broker().topics().Update(kTester, request, Note("grow to " + std::to_string(partitions)));
  }

  std::vector<std::string> done_;  // Appended by the broker's threads, one at a time.
};

TEST_F(TopicRaceTest, ConcurrentCreationsSucceedOnce) {
  InOneCommit([&] {
    for (int i = 0; i < 3; ++i)
      rig_.broker().topics().Create(kTester, Named("new"), Note("create"));
  });
  EXPECT_THAT(done_, ElementsAre("create OK", "create ALREADY_EXISTS", "create ALREADY_EXISTS"));
}

TEST_F(TopicRaceTest, UpdatesInOneCommitAreCumulative) {
  InOneCommit([&] {
    Grow(3);
    Grow(2);
    Grow(5);
  });
  EXPECT_THAT(done_, ElementsAre("grow to 3 OK", "grow to 2 INVALID_ARGUMENT", "grow to 5 OK"));
  EXPECT_THAT(rig_.Publish("t", {"a"}, 4), IsOk());
  rig_.Reopen();
  EXPECT_EQ(rig_.broker().topics().Get(kTester, "t")->topic().partitions(), 5u);
  EXPECT_EQ(rig_.Publish("t", {"b"}, 4).value(), 1);
}

TEST_F(TopicRaceTest, DeletedTopicRejectsLaterTasksOfCommit) {
  InOneCommit([&] {
    Submit("before");
    Delete("t");
    Submit("after");
    Grow(2);
    Delete("t");
    rig_.broker().topics().Create(kTester, Named("t"), Note("create"));
    rig_.broker().topics().Create(kTester, Named("t"), Note("create"));
  });
  EXPECT_THAT(done_, ElementsAre("before OK", "delete OK", "after NOT_FOUND", "grow to 2 NOT_FOUND",
                                 "delete NOT_FOUND", "create OK", "create ALREADY_EXISTS"));
  for (int i = 0; i < 2; ++i) {
    EXPECT_EQ(rig_.Describe("t").end_offset(), 0);
    EXPECT_EQ(rig_.broker().topics().Get(kTester, "t")->topic().partitions(), 1u);
    rig_.Reopen();
  }
}

TEST(TopicLimitsTest, EventSizeFitsRequestsAndContract) {
  EXPECT_EQ(TopicLimitsFor(4 << 20).max_event_bytes, (4u << 20) - 1024);
  EXPECT_EQ(TopicLimitsFor(1 << 30).max_event_bytes, kMaxMaxEventBytes);
  EXPECT_EQ(TopicLimitsFor(1024).max_event_bytes, 512u);
}

TEST(TopicLimitsTest, ApplyOnlyToNewSettings) {
  const TopicLimits limits{.max_event_bytes = 1000};
  v1::Topic topic;
  topic.set_name("t");
  EXPECT_EQ(NewTopicSettings(topic, limits, absl::UnixEpoch())->max_event_bytes(), 1000u);
  topic.set_max_event_bytes(1001);
  EXPECT_THAT(NewTopicSettings(topic, limits, absl::UnixEpoch()),
              StatusIs(absl::StatusCode::kInvalidArgument));
  // Created under a larger --max_request.
  const v1::Topic stored = *NewTopicSettings(topic, {}, absl::UnixEpoch());
  v1::Topic asked = stored;
  asked.set_description("new");
  google::protobuf::FieldMask mask;
  mask.add_paths("description");
  mask.add_paths("max_event_bytes");
  EXPECT_THAT(ChangedTopicSettings(stored, asked, mask, limits), IsOk());
  asked.set_max_event_bytes(1002);
  EXPECT_THAT(ChangedTopicSettings(stored, asked, mask, limits),
              StatusIs(absl::StatusCode::kInvalidArgument));
  asked.set_max_event_bytes(900);
  EXPECT_THAT(ChangedTopicSettings(stored, asked, mask, limits), IsOk());
}

}  // namespace
}  // namespace eventhub
