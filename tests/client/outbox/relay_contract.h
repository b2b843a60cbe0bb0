// Tests of the contract of a relay, for each database. Include it in one file of a program, and
// instantiate RelayTest there.
//
// EVENTHUB_TEST_OUTBOX_SEED repeats a run of the model test.
#pragma once

#include <cstdint>
#include <iostream>
#include <map>
#include <memory>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "eventhub/outbox_relay.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "storage/base/mutex.h"
#include "tests/client/outbox/flaky_hub.h"
#include "tests/support/env_number.h"
#include "tests/support/events.h"
#include "tests/support/eventually.h"
#include "tests/support/status_matchers.h"

namespace eventhub::client {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

// A database with an outbox, as the service uses it.
struct RelayPlace {
  virtual ~RelayPlace() = default;
  virtual absl::StatusOr<std::unique_ptr<OutboxRelay>> Open(std::shared_ptr<Connection> hub,
                                                            OutboxRelayOptions options) = 0;
  // On the service's connection.
  virtual absl::Status Execute(const std::string& sql) = 0;
  virtual absl::Status Insert(const std::string& topic, const v1::Event& event) = 0;
  // Creates the tables, as a migration of the service does.
  virtual absl::Status CreateTables() = 0;
  virtual int64_t CountOf(const std::string& table) = 0;
  // The relay's next use of the database fails.
  virtual absl::Status Disturb() = 0;
  // A list of ids, as it is stored.
  virtual std::string List(const std::string& ids) = 0;
};

struct RelayPlaceKind {
  const char* name;
  std::unique_ptr<RelayPlace> (*make)();
};

class RelayTest : public testing::TestWithParam<RelayPlaceKind> {
 protected:
  void SetUp() override {
    place_ = GetParam().make();
    if (place_ == nullptr) GTEST_SKIP() << "this machine has no server of that kind";
    ASSERT_THAT(place_->CreateTables(), IsOk());
  }

  OutboxRelayOptions Options() {
    OutboxRelayOptions options;
    options.poll_interval = absl::Milliseconds(5);
    options.retry = {.initial_delay = absl::Milliseconds(1), .max_delay = absl::Milliseconds(5)};
    options.stopped_retry = options.retry;
    options.log = [this](std::string_view line) {
      MutexLock lock(mutex_);
      lines_.emplace_back(line);
    };
    return options;
  }
  void Open(OutboxRelayOptions options) {
    relay_.reset();
    ASSERT_OK_AND_ASSIGN(relay_, place_->Open(hub_, std::move(options)));
  }
  void Open() { Open(Options()); }

  absl::Status Insert(const std::string& id, const std::string& topic = "t",
                      const std::string& type = "test") {
    return place_->Execute(absl::StrCat("INSERT INTO eventhub_outbox (topic, event) VALUES ('",
                                        topic, "', '{\"id\":\"", id,
                                        "\",\"source\":\"/test\",\"type\":\"", type, "\"}')"));
  }
  absl::Status Drain() { return relay_->Drain(absl::Seconds(30)); }
  OutboxRelayTopicStatus TopicStatus(const std::string& topic = "t") {
    for (const OutboxRelayTopicStatus& one : relay_->status().topics) {
      if (one.topic == topic) return one;
    }
    return {};
  }
  std::vector<std::string> lines() const {
    MutexLock lock(mutex_);
    return lines_;
  }
  // Nothing remains that would grow for ever.
  void ExpectEmpty() {
    EXPECT_EQ(place_->CountOf("eventhub_outbox"), 0);
    EXPECT_EQ(place_->CountOf("eventhub_outbox_requests"), 0);
  }

  mutable Mutex mutex_;
  std::vector<std::string> lines_ ABSL_GUARDED_BY(mutex_);
  std::unique_ptr<RelayPlace> place_;
  const std::shared_ptr<FlakyHub> hub_ = std::make_shared<FlakyHub>();
  std::unique_ptr<OutboxRelay> relay_;
};
GTEST_ALLOW_UNINSTANTIATED_PARAMETERIZED_TEST(RelayTest);

TEST_P(RelayTest, PublishesRowsInOrderAndDeletesThem) {
  EXPECT_THAT(Insert("a"), IsOk());
  EXPECT_THAT(Insert("b"), IsOk());
  EXPECT_THAT(Insert("x", "other"), IsOk());
  Open();
  EXPECT_THAT(Drain(), IsOk());
  EXPECT_THAT(hub_->Ids("t"), ElementsAre("a", "b"));
  EXPECT_THAT(hub_->Ids("other"), ElementsAre("x"));
  ExpectEmpty();
  EXPECT_THAT(Insert("c"), IsOk());
  EXPECT_TRUE(Eventually([&] { return hub_->Ids("t").size() == 3; }));
  EXPECT_THAT(Drain(), IsOk());
  ExpectEmpty();
  const OutboxRelayStatus status = relay_->status();
  EXPECT_TRUE(status.active);
  EXPECT_THAT(status.database, IsOk());
  EXPECT_EQ(status.published_events, 4u);
  EXPECT_EQ(status.pending_rows, 0u);
  EXPECT_EQ(status.oldest, std::nullopt);
  EXPECT_THAT(lines(), IsEmpty());
}

TEST_P(RelayTest, APublishedEventIsTheOneThatWasInserted) {
  v1::Event event = MakeEvent("a", "key", std::string("\0\xff{", 3));
  event.set_subject("subject \"with\" 'quotes'\n\xc3\xa4");
  event.set_data_content_type("application/octet-stream");
  event.set_data_schema("https://example.com/schema");
  event.mutable_time()->set_seconds(1'700'000'000);
  event.mutable_time()->set_nanos(123'456'000);
  event.mutable_deliver_at()->set_seconds(4'000'000'000);
  auto& attributes = *event.mutable_attributes();
  attributes["flag"].set_boolean(true);
  attributes["count"].set_integer(-7);
  attributes["text"].set_string("text");
  attributes["bytes"].set_binary(std::string("\0\1", 2));
  attributes["link"].set_uri("https://example.com");
  attributes["ref"].set_uri_ref("/x");
  attributes["at"].mutable_timestamp()->set_seconds(5);
  ASSERT_THAT(place_->Execute("BEGIN"), IsOk());
  EXPECT_THAT(place_->Insert("t", event), IsOk());
  ASSERT_THAT(place_->Execute("COMMIT"), IsOk());
  ASSERT_THAT(place_->Execute("BEGIN"), IsOk());
  EXPECT_THAT(place_->Insert("t", MakeEvent("undone")), IsOk());
  ASSERT_THAT(place_->Execute("ROLLBACK"), IsOk());
  Open();
  EXPECT_THAT(Drain(), IsOk());
  EXPECT_THAT(hub_->Ids("t"), ElementsAre("a"));
  const v1::PublishStreamRequest request = hub_->last_request();
  ASSERT_EQ(request.events_size(), 1);
  EXPECT_EQ(request.events(0).ShortDebugString(), event.ShortDebugString());
}

TEST_P(RelayTest, RefusesAnEventThatCouldNotBePublished) {
  EXPECT_THAT(place_->Insert("t", v1::Event()), StatusIs(absl::StatusCode::kInvalidArgument));
  EXPECT_THAT(place_->Insert("", MakeEvent("a")),
              StatusIs(absl::StatusCode::kInvalidArgument, "topic"));
  v1::Event event = MakeEvent("a");
  event.mutable_deliver_after()->set_seconds(1);
  EXPECT_THAT(place_->Insert("t", event),
              StatusIs(absl::StatusCode::kInvalidArgument, "deliver_at"));
  EXPECT_EQ(place_->CountOf("eventhub_outbox"), 0);
}

TEST_P(RelayTest, FillsInIdAndTime) {
  EXPECT_THAT(place_->Execute("INSERT INTO eventhub_outbox (topic, event) VALUES "
                              "('t', '{\"source\":\"/s\",\"type\":\"x\"}')"),
              IsOk());
  Open();
  EXPECT_THAT(Drain(), IsOk());
  const v1::Event event = hub_->last_request().events(0);
  EXPECT_EQ(event.id(), absl::StrCat(hub_->last_request().producer_id(), "-1"));
  EXPECT_NEAR(static_cast<double>(event.time().seconds()),
              static_cast<double>(absl::ToUnixSeconds(absl::Now())), 60);
}

TEST_P(RelayTest, SetsARowAsideThatIsNoEvent) {
  EXPECT_THAT(Insert("a"), IsOk());
  EXPECT_THAT(place_->Execute("INSERT INTO eventhub_outbox (topic, event) VALUES ('t', '[1]')"),
              IsOk());
  EXPECT_THAT(place_->Execute("INSERT INTO eventhub_outbox (topic, event) VALUES "
                              "('t', '{\"type\":\"x\"}')"),
              IsOk());
  EXPECT_THAT(Insert("b"), IsOk());
  Open();
  EXPECT_THAT(Drain(), IsOk());
  EXPECT_THAT(hub_->Ids("t"), ElementsAre("a", "b"));
  ExpectEmpty();
  std::vector<std::string> events;
  EXPECT_THAT(relay_->ForEachRefused("t",
                                     [&](const RefusedRow& row) {
                                       events.push_back(row.event);
                                       EXPECT_THAT(row.error,
                                                   StatusIs(absl::StatusCode::kInvalidArgument));
                                       EXPECT_FALSE(row.in_doubt);
                                       EXPECT_GE(row.refused_at, row.created_at);
                                       return absl::OkStatus();
                                     }),
              IsOk());
  EXPECT_THAT(events, ElementsAre("[1]", "{\"type\":\"x\"}"));
  EXPECT_EQ(TopicStatus().refused_rows, 2u);
  EXPECT_THAT(lines(), ElementsAre(HasSubstr("set aside")));
  ASSERT_OK_AND_ASSIGN(const uint64_t discarded, relay_->DiscardRefused("t"));
  EXPECT_EQ(discarded, 2u);
  EXPECT_EQ(relay_->status().refused_rows, 0u);
}

TEST_P(RelayTest, SetsAnEventAsideThatTheHubRefuses) {
  hub_->RefuseType("bad");
  for (const char* id : {"a", "B", "c", "D", "e"}) {
    EXPECT_THAT(Insert(id, "t", absl::ascii_isupper(*id) ? "bad" : "good"), IsOk());
  }
  Open();
  EXPECT_THAT(Drain(), IsOk());
  EXPECT_THAT(hub_->Ids("t"), ElementsAre("a", "c", "e"));
  ExpectEmpty();
  EXPECT_EQ(relay_->status().refused_rows, 2u);
  EXPECT_THAT(lines(), ElementsAre(HasSubstr("too large")));
  // The next relay continues, too.
  Open();
  EXPECT_THAT(Insert("f"), IsOk());
  EXPECT_THAT(Drain(), IsOk());
  hub_->RefuseType("");
  ASSERT_OK_AND_ASSIGN(const uint64_t retried, relay_->RetryRefused("t"));
  EXPECT_EQ(retried, 2u);
  EXPECT_THAT(Drain(), IsOk());
  EXPECT_THAT(hub_->Ids("t"), ElementsAre("a", "c", "e", "f", "B", "D"));
  EXPECT_EQ(relay_->status().refused_rows, 0u);
}

TEST_P(RelayTest, SetsAsideAllEventsOfARequest) {
  hub_->RefuseType("bad");
  for (int i = 0; i < 5; ++i) EXPECT_THAT(Insert(absl::StrCat("bad", i), "t", "bad"), IsOk());
  Open();
  EXPECT_THAT(Drain(), IsOk());
  EXPECT_THAT(Insert("good"), IsOk());
  EXPECT_THAT(Drain(), IsOk());
  EXPECT_THAT(hub_->Ids("t"), ElementsAre("good"));
  EXPECT_EQ(TopicStatus().refused_rows, 5u);
  ExpectEmpty();
}

TEST_P(RelayTest, ARefusedTopicStopsAndDelaysNoOther) {
  hub_->Refuse("gone", HubRefusal(absl::StatusCode::kNotFound,
                                  {.reason = ErrorReason::kTopicNotFound}, "no such topic"));
  EXPECT_THAT(Insert("x", "gone"), IsOk());
  EXPECT_THAT(Insert("a"), IsOk());
  Open();
  EXPECT_TRUE(Eventually([&] { return hub_->Ids("t").size() == 1; }));
  EXPECT_TRUE(Eventually([&] { return TopicStatus("gone").state == OutboxTopicState::kStopped; }));
  const size_t before = hub_->requests();
  EXPECT_TRUE(Eventually([&] { return hub_->requests() >= before + 5; }));
  EXPECT_THAT(lines(), ElementsAre(HasSubstr("topic gone is stopped")));
  EXPECT_THAT(TopicStatus("gone").last_error, StatusIs(absl::StatusCode::kNotFound));
  EXPECT_EQ(TopicStatus("gone").pending_rows, 1u);
  EXPECT_NE(TopicStatus("gone").oldest, std::nullopt);
  EXPECT_THAT(relay_->Drain(absl::Milliseconds(1)),
              StatusIs(absl::StatusCode::kDeadlineExceeded, "no such topic"));
  hub_->Refuse("gone", absl::OkStatus());
  EXPECT_THAT(relay_->Retry("gone"), IsOk());
  EXPECT_THAT(relay_->Retry("never"), StatusIs(absl::StatusCode::kNotFound));
  EXPECT_THAT(Drain(), IsOk());
  EXPECT_THAT(hub_->Ids("gone"), ElementsAre("x"));
  ExpectEmpty();
}

TEST_P(RelayTest, OneRelayPublishesAndAnotherTakesOver) {
  Open();
  EXPECT_TRUE(Eventually([&] { return relay_->status().active; }));
  ASSERT_OK_AND_ASSIGN(std::unique_ptr<OutboxRelay> second, place_->Open(hub_, Options()));
  EXPECT_THAT(Insert("a"), IsOk());
  EXPECT_THAT(Drain(), IsOk());
  EXPECT_FALSE(second->status().active);
  EXPECT_THAT(second->Drain(absl::Milliseconds(1)),
              StatusIs(absl::StatusCode::kDeadlineExceeded, "another relay"));
  relay_.reset();
  EXPECT_THAT(Insert("b"), IsOk());
  EXPECT_THAT(second->Drain(absl::Seconds(30)), IsOk());
  EXPECT_TRUE(second->status().active);
  EXPECT_THAT(hub_->Ids("t"), ElementsAre("a", "b"));
}

TEST_P(RelayTest, ARelayThatLostItsPlaceWritesNothing) {
  Open();
  EXPECT_THAT(Insert("a"), IsOk());
  EXPECT_THAT(Drain(), IsOk());
  // As if another relay had taken over despite the lock.
  EXPECT_THAT(place_->Execute("UPDATE eventhub_outbox_relay SET generation = generation + 1"),
              IsOk());
  EXPECT_THAT(Insert("b"), IsOk());
  EXPECT_TRUE(Eventually([&] { return hub_->Ids("t").size() == 2; }));
  EXPECT_THAT(lines(), Contains(HasSubstr("another relay has taken over")));
  EXPECT_THAT(Drain(), IsOk());
  EXPECT_THAT(hub_->Ids("t"), ElementsAre("a", "b"));
}

TEST_P(RelayTest, ContinuesWhenTheDatabaseWorksAgain) {
  Open();
  EXPECT_THAT(Insert("a"), IsOk());
  EXPECT_THAT(Drain(), IsOk());
  ASSERT_THAT(place_->Execute("ALTER TABLE eventhub_outbox_topics RENAME TO away"), IsOk());
  EXPECT_THAT(Insert("b", "new"), IsOk());
  EXPECT_TRUE(Eventually([&] { return !relay_->status().database.ok(); }));
  ASSERT_THAT(place_->Execute("ALTER TABLE away RENAME TO eventhub_outbox_topics"), IsOk());
  EXPECT_THAT(Drain(), IsOk());
  EXPECT_THAT(hub_->Ids("new"), ElementsAre("b"));
  EXPECT_THAT(relay_->status().database, IsOk());
  EXPECT_THAT(lines(),
              ElementsAre(HasSubstr("cannot be used, retrying"), HasSubstr("can be used again")));
}

TEST_P(RelayTest, ARowThatSomebodyDeletesStopsNothing) {
  hub_->SetHeld(true);
  Open();
  EXPECT_THAT(Insert("a"), IsOk());
  EXPECT_TRUE(Eventually([&] { return place_->CountOf("eventhub_outbox_requests") == 1; }));
  relay_.reset();
  EXPECT_THAT(place_->Execute("DELETE FROM eventhub_outbox"), IsOk());
  hub_->SetHeld(false);
  EXPECT_THAT(Insert("b"), IsOk());
  Open();
  EXPECT_THAT(Drain(), IsOk());
  EXPECT_THAT(hub_->Ids("t"), Contains("b"));
  ExpectEmpty();
}

TEST_P(RelayTest, ReadsNoMoreThanItMaySend) {
  OutboxRelayOptions options = Options();
  options.max_batch_bytes = 1024;
  options.max_in_flight_requests = 4;
  hub_->SetHeld(true);
  std::vector<std::string> ids;
  ASSERT_THAT(place_->Execute("BEGIN"), IsOk());
  for (int i = 0; i < 300; ++i) {
    ids.push_back(absl::StrCat("event", i));
    EXPECT_THAT(Insert(ids.back()), IsOk());
  }
  ASSERT_THAT(place_->Execute("COMMIT"), IsOk());
  Open(options);
  EXPECT_TRUE(Eventually([&] { return place_->CountOf("eventhub_outbox_requests") > 0; }));
  EXPECT_THAT(relay_->Drain(absl::Milliseconds(50)), StatusIs(absl::StatusCode::kDeadlineExceeded));
  EXPECT_LE(place_->CountOf("eventhub_outbox_requests"), 4);
  EXPECT_EQ(TopicStatus().pending_rows, 300u);
  hub_->SetHeld(false);
  EXPECT_THAT(Drain(), IsOk());
  EXPECT_EQ(hub_->Ids("t"), ids);
  ExpectEmpty();
}

TEST_P(RelayTest, ForgottenProducersAreIntroducedAgain) {
  Open();
  EXPECT_THAT(Insert("a"), IsOk());
  EXPECT_THAT(Drain(), IsOk());
  hub_->ForgetProducers();
  EXPECT_THAT(Insert("b"), IsOk());
  EXPECT_THAT(Drain(), IsOk());
  EXPECT_THAT(hub_->Ids("t"), ElementsAre("a", "b"));
}

// The format of client/outbox/FORMAT.md.
TEST_P(RelayTest, ContinuesWithWhatIsOnRecord) {
  for (const char* id : {"a", "b", "c", "d"}) EXPECT_THAT(Insert(id), IsOk());
  EXPECT_THAT(place_->Execute("INSERT INTO eventhub_outbox_relay (format, producer, generation) "
                              "VALUES (1, 'outbox-1', 3)"),
              IsOk());
  EXPECT_THAT(place_->Execute("INSERT INTO eventhub_outbox_topics (topic, epoch, base, next) "
                              "VALUES ('t', 5, 6, 8)"),
              IsOk());
  EXPECT_THAT(place_->Execute(absl::StrCat(
                  "INSERT INTO eventhub_outbox_requests (topic, number, ids) VALUES ('t', 6, '",
                  place_->List("2,3"), "'), ('t', 7, '", place_->List("4"), "')")),
              IsOk());
  // The hub has the first request.
  v1::PublishStreamRequest known = MakeRequest("t", {"b", "c"});
  known.set_producer_id("outbox-1");
  known.set_producer_epoch(5);
  hub_->Take(known);
  Open();
  EXPECT_THAT(Drain(), IsOk());
  EXPECT_THAT(hub_->Ids("t"), ElementsAre("b", "c", "d", "a"));
  EXPECT_EQ(hub_->duplicates(), 1u);
  EXPECT_EQ(hub_->last_request().producer_id(), "outbox-1");
  EXPECT_EQ(hub_->last_request().producer_epoch(), 6u);
  EXPECT_EQ(hub_->last_request().sequence(), 0u);
  EXPECT_EQ(hub_->last_request().correlation_id(), 8u);
  ExpectEmpty();
  relay_.reset();
  EXPECT_THAT(place_->Execute("UPDATE eventhub_outbox_relay SET format = 2"), IsOk());
  EXPECT_THAT(place_->Open(hub_, Options()),
              StatusIs(absl::StatusCode::kFailedPrecondition, "later version"));
}

TEST_P(RelayTest, ChecksItsOptions) {
  OutboxRelayOptions options = Options();
  options.table = "No; good";
  EXPECT_THAT(place_->Open(hub_, options), StatusIs(absl::StatusCode::kInvalidArgument, "table"));
  options = Options();
  options.poll_interval = absl::ZeroDuration();
  EXPECT_THAT(place_->Open(hub_, options), StatusIs(absl::StatusCode::kInvalidArgument, "poll"));
  options = Options();
  options.table = "missing";
  options.create_tables = false;
  EXPECT_THAT(place_->Open(hub_, options),
              StatusIs(absl::StatusCode::kFailedPrecondition, "missing"));
  options.create_tables = true;
  EXPECT_THAT(place_->Open(hub_, options), IsOk());
  EXPECT_EQ(place_->CountOf("missing_refused"), 0);
  EXPECT_THAT(place_->CreateTables(), IsOk());
}

// Random transactions, faults of the hub and of the database, and restarts of the relay: committed
// events are in the hub exactly once, in order.
TEST_P(RelayTest, Model) {
  const uint64_t seed = EnvNumber("EVENTHUB_TEST_OUTBOX_SEED", std::random_device()());
  std::cout << "EVENTHUB_TEST_OUTBOX_SEED=" << seed << std::endl;
  std::mt19937_64 random(seed);
  const auto below = [&](uint64_t limit) { return static_cast<int>(random() % limit); };
  std::map<std::string, std::vector<std::string>> committed;
  const auto open = [&] {
    OutboxRelayOptions options = Options();
    options.max_batch_bytes = size_t{1024} << below(4);
    options.max_in_flight_requests = static_cast<size_t>(1 + below(64));
    Open(options);
  };
  open();
  int serial = 0;
  for (int step = 0; step < 80; ++step) {
    switch (below(9)) {
      case 0:
        hub_->SetDown(below(2) == 0);
        break;
      case 1:
        hub_->SetFaults(below(300), below(300));
        break;
      case 2:
        hub_->SetHeld(below(2) == 0);
        break;
      case 3:
        open();
        break;
      case 4:
        ASSERT_THAT(place_->Disturb(), IsOk());
        break;
      default: {
        std::map<std::string, std::vector<std::string>> added;
        ASSERT_THAT(place_->Execute("BEGIN"), IsOk());
        for (int i = below(40); i >= 0; --i) {
          const std::string topic = absl::StrCat("t", below(3));
          added[topic].push_back(absl::StrCat(serial++));
          ASSERT_THAT(Insert(added[topic].back(), topic), IsOk());
        }
        const bool commit = below(4) != 0;
        ASSERT_THAT(place_->Execute(commit ? "COMMIT" : "ROLLBACK"), IsOk());
        if (!commit) break;
        for (auto& [topic, ids] : added) {
          committed[topic].insert(committed[topic].end(), ids.begin(), ids.end());
        }
      }
    }
  }
  hub_->SetHeld(false);
  hub_->SetDown(false);
  hub_->SetFaults(0, 0);
  EXPECT_THAT(Drain(), IsOk());
  for (const auto& [topic, ids] : committed) EXPECT_EQ(hub_->Ids(topic), ids) << topic;
  ExpectEmpty();
}

}  // namespace
}  // namespace eventhub::client
