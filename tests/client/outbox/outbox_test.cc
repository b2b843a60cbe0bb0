// The outbox in mode `always`: what is accepted, sent, refused, bounded and reported.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "eventhub/error.h"
#include "tests/client/outbox/outbox_fixture.h"

namespace eventhub::client {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

TEST_F(OutboxTest, PublishesWhileTheHubIsReachable) {
  Open();
  EXPECT_THAT(Publish("a"), IsOk());
  EXPECT_THAT(Publish("b"), IsOk());
  EXPECT_THAT(outbox_->Drain(), IsOk());
  EXPECT_THAT(hub_->Ids("t"), ElementsAre("a", "b"));
  EXPECT_EQ(TopicStatus().published_events, 2u);
  EXPECT_EQ(TopicStatus().pending_events, 0u);
  EXPECT_EQ(outbox_->status().pending_bytes, 0u);
}

TEST_F(OutboxTest, AcceptsWhileTheHubIsDownAndCatchesUp) {
  hub_->SetDown(true);
  Open();
  const std::vector<std::string> ids = PublishMany("e", 5000);
  ASSERT_TRUE(Eventually([&] { return TopicStatus().state == OutboxTopicState::kWaiting; }));
  const OutboxStatus status = outbox_->status();
  EXPECT_EQ(status.pending_events, 5000u);
  EXPECT_TRUE(status.oldest.has_value());
  EXPECT_THAT(TopicStatus().last_error, StatusIs(absl::StatusCode::kUnavailable, "refused"));
  EXPECT_THAT(outbox_->Drain(absl::Milliseconds(1)),
              StatusIs(absl::StatusCode::kDeadlineExceeded, "connection refused"));
  hub_->SetDown(false);
  EXPECT_THAT(outbox_->Drain(), IsOk());
  EXPECT_EQ(hub_->Ids("t"), ids);
  EXPECT_EQ(TopicStatus().state, OutboxTopicState::kSending);
  EXPECT_THAT(TopicStatus().last_error, IsOk());
  // What was published one by one was sent in large requests.
  EXPECT_LT(hub_->requests(), 100u);
}

TEST_F(OutboxTest, SendsEventsOfAnEarlierProcess) {
  hub_->SetDown(true);
  Open();
  const std::vector<std::string> ids = PublishMany("e", 1000);
  EXPECT_THAT(outbox_->Close(absl::ZeroDuration()), IsOk());
  hub_->SetDown(false);
  Reopen();
  EXPECT_EQ(outbox_->status().disk, absl::OkStatus());
  EXPECT_THAT(Publish("later"), IsOk());
  EXPECT_THAT(outbox_->Drain(), IsOk());
  std::vector<std::string> all = ids;
  all.push_back("later");
  EXPECT_EQ(hub_->Ids("t"), all);
}

TEST_F(OutboxTest, LostReplyAppendsNothingTwice) {
  hub_->SetFaults(0, 1000);  // Each request is handled, and no reply arrives.
  Open();
  EXPECT_THAT(Publish("a"), IsOk());
  ASSERT_TRUE(Eventually([&] { return hub_->duplicates() > 0; }));
  EXPECT_THAT(outbox_->Close(absl::ZeroDuration()), IsOk());
  hub_->SetFaults(0, 0);
  Reopen();  // The sequence is on disk.
  EXPECT_THAT(Publish("b"), IsOk());
  EXPECT_THAT(outbox_->Drain(), IsOk());
  EXPECT_THAT(hub_->Ids("t"), ElementsAre("a", "b"));
}

TEST_F(OutboxTest, BeginsANewEpochAfterTheEventsOfAnEarlierProcess) {
  Open();
  EXPECT_THAT(Publish("a"), IsOk());
  EXPECT_THAT(outbox_->Drain(), IsOk());
  const v1::PublishStreamRequest first = hub_->last_request();
  Reopen();
  EXPECT_THAT(Publish("b"), IsOk());
  EXPECT_THAT(outbox_->Drain(), IsOk());
  const v1::PublishStreamRequest second = hub_->last_request();
  EXPECT_EQ(first.producer_id(), second.producer_id());
  EXPECT_GT(second.producer_epoch(), first.producer_epoch());
  EXPECT_EQ(second.sequence(), 0u);
}

TEST_F(OutboxTest, ContinuesWhenTheHubForgotTheProducer) {
  Open();
  EXPECT_THAT(Publish("a"), IsOk());
  EXPECT_THAT(outbox_->Drain(), IsOk());
  hub_->ForgetProducers();
  EXPECT_THAT(Publish("b"), IsOk());
  EXPECT_THAT(outbox_->Drain(), IsOk());
  EXPECT_THAT(hub_->Ids("t"), ElementsAre("a", "b"));
}

TEST_F(OutboxTest, RefusesASecondProcess) {
  Open();
  EXPECT_THAT(Outbox::Open(hub_, Options()),
              StatusIs(absl::StatusCode::kFailedPrecondition, "in use by another process"));
}

TEST_F(OutboxTest, RefusesOtherDirectories) {
  OutboxOptions options = Options();
  options.directory = directory_ / "missing/outbox";
  EXPECT_THAT(Outbox::Open(hub_, options),
              StatusIs(absl::StatusCode::kUnavailable, "cannot create"));
  options.directory = "";
  EXPECT_THAT(Outbox::Open(hub_, options),
              StatusIs(absl::StatusCode::kInvalidArgument, "directory"));
  EXPECT_THAT(OutboxReader::Open(directory_ / "missing"), StatusIs(absl::StatusCode::kNotFound));
}

TEST_F(OutboxTest, RejectsInvalidEvents) {
  Open();
  EXPECT_THAT(outbox_->Publish("t", v1::Event()),
              StatusIs(absl::StatusCode::kInvalidArgument, "event.id"));
  EXPECT_THAT(outbox_->Publish("", MakeEvent("a")),
              StatusIs(absl::StatusCode::kInvalidArgument, "topic"));
  EXPECT_EQ(outbox_->status().pending_events, 0u);
}

TEST_F(OutboxTest, FullOutboxRefuses) {
  hub_->SetDown(true);
  OutboxOptions options = Options();
  options.max_bytes = 1 << 20;
  options.when_full = WhenFull::kFail;
  Open(options);
  const std::string data(100'000, 'x');
  int accepted = 0;
  absl::Status status;
  while ((status = outbox_->Publish("t", MakeEvent(absl::StrCat(accepted), "", data))).ok()) {
    ++accepted;
  }
  EXPECT_THAT(status, StatusIs(absl::StatusCode::kResourceExhausted, "is full"));
  EXPECT_FALSE(OutcomeIsUnknown(status));
  EXPECT_EQ(accepted, 10);
  hub_->SetDown(false);
  EXPECT_THAT(outbox_->Drain(), IsOk());
  EXPECT_THAT(hub_->Ids("t"), SizeIs(10));
  EXPECT_THAT(Publish("again"), IsOk());
}

TEST_F(OutboxTest, FullOutboxBlocksUntilThereIsSpace) {
  hub_->SetDown(true);
  OutboxOptions options = Options();
  options.max_bytes = 1 << 20;
  Open(options);
  const std::string data(400'000, 'x');
  EXPECT_THAT(outbox_->Publish("t", MakeEvent("0", "", data)), IsOk());
  EXPECT_THAT(outbox_->Publish("t", MakeEvent("1", "", data)), IsOk());
  std::atomic<bool> done{false};
  std::thread blocked([&] {
    EXPECT_THAT(outbox_->Publish("t", MakeEvent("2", "", data)), IsOk());
    done = true;
  });
  ASSERT_TRUE(Eventually([&] { return TopicStatus().state == OutboxTopicState::kWaiting; }));
  EXPECT_FALSE(done);
  hub_->SetDown(false);
  blocked.join();
  EXPECT_THAT(outbox_->Drain(), IsOk());
  EXPECT_THAT(hub_->Ids("t"), ElementsAre("0", "1", "2"));
}

TEST_F(OutboxTest, BlockingTimesOut) {
  hub_->SetDown(true);
  OutboxOptions options = Options();
  options.max_bytes = 1 << 20;
  options.max_block = absl::Milliseconds(5);
  Open(options);
  EXPECT_THAT(outbox_->Publish("t", MakeEvent("0", "", std::string(900'000, 'x'))), IsOk());
  EXPECT_THAT(outbox_->Publish("t", MakeEvent("1", "", std::string(900'000, 'x'))),
              StatusIs(absl::StatusCode::kResourceExhausted));
}

TEST_F(OutboxTest, RefusedTopicStopsAloneAndLogsOnce) {
  hub_->Refuse("gone", HubRefusal(absl::StatusCode::kNotFound,
                                  {.reason = ErrorReason::kTopicNotFound}, "no topic gone"));
  Open();
  EXPECT_THAT(Publish("a", "gone"), IsOk());
  ASSERT_TRUE(Eventually([&] { return hub_->requests() >= 3; }));  // It is tried again.
  EXPECT_EQ(TopicStatus("gone").state, OutboxTopicState::kStopped);
  EXPECT_THAT(TopicStatus("gone").last_error,
              StatusIs(absl::StatusCode::kNotFound, "no topic gone"));
  EXPECT_THAT(Publish("b", "other"), IsOk());
  ASSERT_TRUE(Eventually([&] { return hub_->Ids("other").size() == 1; }));
  EXPECT_THAT(lines(), ElementsAre(HasSubstr("topic gone is stopped")));
  hub_->Refuse("gone", absl::OkStatus());
  EXPECT_THAT(outbox_->Drain(), IsOk());
  EXPECT_THAT(hub_->Ids("gone"), ElementsAre("a"));
  ASSERT_TRUE(Eventually([&] { return lines().size() == 2; }));
  EXPECT_THAT(lines().back(), HasSubstr("topic gone goes on"));
}

TEST_F(OutboxTest, RetriesAStoppedTopicRarelyUnlessAsked) {
  hub_->Refuse("gone", HubRefusal(absl::StatusCode::kNotFound,
                                  {.reason = ErrorReason::kTopicNotFound}, "no topic gone"));
  OutboxOptions options = Options();
  options.stopped_retry = {.initial_delay = absl::Hours(1), .max_delay = absl::Hours(1)};
  Open(options);
  EXPECT_THAT(Publish("a", "gone"), IsOk());
  ASSERT_TRUE(Eventually([&] { return hub_->requests() == 1; }));
  hub_->Refuse("gone", absl::OkStatus());
  EXPECT_THAT(outbox_->Retry("missing"), StatusIs(absl::StatusCode::kNotFound));
  ASSERT_TRUE(Eventually([&] { return TopicStatus("gone").state == OutboxTopicState::kStopped; }));
  EXPECT_THAT(outbox_->Retry("gone"), IsOk());
  EXPECT_THAT(outbox_->Drain(), IsOk());
  EXPECT_THAT(hub_->Ids("gone"), ElementsAre("a"));
}

TEST_F(OutboxTest, DropDeletesPendingEvents) {
  hub_->SetDown(true);
  Open();
  PublishMany("e", 10);
  EXPECT_THAT(outbox_->Drop("missing"), StatusIs(absl::StatusCode::kNotFound));
  ASSERT_OK_AND_ASSIGN(const uint64_t dropped, outbox_->Drop("t"));
  EXPECT_EQ(dropped, 10u);
  EXPECT_EQ(outbox_->status().pending_bytes, 0u);
  hub_->SetDown(false);
  EXPECT_THAT(Publish("kept"), IsOk());
  EXPECT_THAT(outbox_->Drain(), IsOk());
  EXPECT_THAT(hub_->Ids("t"), ElementsAre("kept"));
  Reopen();
  EXPECT_EQ(outbox_->status().pending_events, 0u);
}

class RefusedEventTest : public OutboxTest {
 protected:
  // Publishes good and bad events in one request.
  void PublishMixed() {
    hub_->RefuseType("bad");
    hub_->SetDown(true);
    Open();
    for (const std::string id : {"a", "B", "c", "D", "e"}) {
      v1::Event event = MakeEvent(id);
      if (id == "B" || id == "D") event.set_type("bad");
      ASSERT_THAT(outbox_->Publish("t", event, nullptr), IsOk());
    }
    ASSERT_THAT(outbox_->Flush(), IsOk());
    hub_->SetDown(false);
    ASSERT_THAT(outbox_->Drain(), IsOk());
  }
};

TEST_F(RefusedEventTest, SetsARefusedEventAside) {
  PublishMixed();
  EXPECT_THAT(hub_->Ids("t"), ElementsAre("a", "c", "e"));
  EXPECT_EQ(TopicStatus().refused_events, 2u);
  EXPECT_GT(outbox_->status().pending_bytes + outbox_->status().refused_bytes, 0u);
  EXPECT_THAT(lines(), ElementsAre(HasSubstr("too large")));
  EXPECT_THAT(Publish("f"), IsOk());
  EXPECT_THAT(outbox_->Drain(), IsOk());
  EXPECT_THAT(hub_->Ids("t"), ElementsAre("a", "c", "e", "f"));
  // They are on disk, with the reason.
  Reopen();
  EXPECT_EQ(TopicStatus().refused_events, 2u);
  EXPECT_EQ(TopicStatus().lost_events, 0u);
  ASSERT_OK_AND_ASSIGN(const auto reader, OutboxReader::Open(directory_ / "outbox"));
  std::vector<std::string> ids;
  EXPECT_THAT(reader->ForEachRefused([&](const RefusedEvent& refused) {
    ids.push_back(refused.event.id());
    EXPECT_THAT(refused.error, StatusIs(absl::StatusCode::kInvalidArgument, "too large"));
    return absl::OkStatus();
  }),
              IsOk());
  EXPECT_THAT(ids, ElementsAre("B", "D"));
}

TEST_F(RefusedEventTest, RefusedEventsArePublishedAgain) {
  PublishMixed();
  hub_->RefuseType("");
  ASSERT_OK_AND_ASSIGN(const uint64_t retried, outbox_->RetryRefused("t"));
  EXPECT_EQ(retried, 2u);
  EXPECT_THAT(outbox_->Drain(), IsOk());
  EXPECT_THAT(hub_->Ids("t"), ElementsAre("a", "c", "e", "B", "D"));
  EXPECT_EQ(TopicStatus().refused_events, 0u);
  Reopen();
  EXPECT_EQ(TopicStatus().refused_events, 0u);
  EXPECT_EQ(TopicStatus().lost_events, 0u);
}

TEST_F(RefusedEventTest, RetriesMoreThanFitsInOnePiece) {
  hub_->RefuseType("test.happened");
  Open();
  const std::string data(400'000, 'x');
  const std::vector<std::string> ids = PublishMany("large", 7, "t", data);
  EXPECT_THAT(outbox_->Drain(), IsOk());
  EXPECT_EQ(TopicStatus().refused_events, 7u);
  hub_->RefuseType("");
  ASSERT_OK_AND_ASSIGN(const uint64_t retried, outbox_->RetryRefused("t"));
  EXPECT_EQ(retried, 7u);
  EXPECT_THAT(outbox_->Drain(), IsOk());
  EXPECT_EQ(hub_->Ids("t"), ids);
  EXPECT_EQ(TopicStatus().refused_events, 0u);
  EXPECT_EQ(outbox_->status().refused_bytes, 0u);
  EXPECT_EQ(outbox_->status().pending_bytes, 0u);
}

TEST_F(RefusedEventTest, RefusedEventsAreDropped) {
  PublishMixed();
  ASSERT_OK_AND_ASSIGN(const uint64_t dropped, outbox_->DropRefused("t"));
  EXPECT_EQ(dropped, 2u);
  EXPECT_EQ(outbox_->status().refused_bytes, 0u);
  Reopen();
  EXPECT_EQ(outbox_->status().refused_events, 0u);
}

TEST_F(RefusedEventTest, SetsAnOversizedEventAside) {
  hub_->SetMaxRequestBytes(10'000);
  Open();
  EXPECT_THAT(outbox_->Publish("t", MakeEvent("large", "", std::string(20'000, 'x'))), IsOk());
  EXPECT_THAT(outbox_->Drain(), IsOk());
  EXPECT_THAT(Publish("small"), IsOk());
  EXPECT_THAT(outbox_->Drain(), IsOk());
  EXPECT_THAT(hub_->Ids("t"), ElementsAre("small"));
  EXPECT_EQ(TopicStatus().refused_events, 1u);
}

TEST_F(OutboxTest, ThreadsShareSyncsAndKeepTheirOrder) {
  Open();
  constexpr int kThreads = 8;
  constexpr int kEvents = 100;
  std::vector<std::thread> threads;
  threads.reserve(kThreads);
  for (int t = 0; t < kThreads; ++t) {
    threads.emplace_back([this, t] {
      for (int i = 0; i < kEvents; ++i) EXPECT_THAT(Publish(absl::StrCat(t, "/", i)), IsOk());
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_THAT(outbox_->Drain(), IsOk());
  const std::vector<std::string> ids = hub_->Ids("t");
  ASSERT_THAT(ids, SizeIs(kThreads * kEvents));
  std::vector<int> next(kThreads);
  for (const std::string& id : ids) {
    const int t = id[0] - '0';
    EXPECT_EQ(id, absl::StrCat(t, "/", next[t]++));
  }
}

TEST_F(OutboxTest, ClosedOutboxRejectsEvents) {
  Open();
  EXPECT_THAT(outbox_->Close(absl::InfiniteDuration()), IsOk());
  EXPECT_THAT(Publish("a"), StatusIs(absl::StatusCode::kCancelled));
  EXPECT_THAT(outbox_->Drop("t"), StatusIs(absl::StatusCode::kCancelled));
}

TEST_F(OutboxTest, ReaderSeesPendingEvents) {
  hub_->SetDown(true);
  Open();
  const std::vector<std::string> ids = PublishMany("e", 100);
  ASSERT_OK_AND_ASSIGN(const auto reader, OutboxReader::Open(directory_ / "outbox"));
  EXPECT_EQ(reader->status().pending_events, 100u);
  EXPECT_EQ(reader->status().pending_bytes, outbox_->status().pending_bytes);
  std::vector<std::string> seen;
  uint64_t lost = 0;
  EXPECT_THAT(reader->ForEachPending(
                  [&](const std::string& topic, const v1::Event& event) {
                    EXPECT_EQ(topic, "t");
                    seen.push_back(event.id());
                    return absl::OkStatus();
                  },
                  &lost),
              IsOk());
  EXPECT_EQ(seen, ids);
  EXPECT_EQ(lost, 0u);
}

TEST_F(OutboxTest, EventsBeyondTheBufferAreReadFromDisk) {
  hub_->SetDown(true);
  OutboxOptions options = Options();
  options.max_buffer_bytes = 1 << 20;
  Open(options);
  const std::vector<std::string> ids = PublishMany("e", 500, "t", std::string(10'000, 'x'));
  hub_->SetDown(false);
  EXPECT_THAT(outbox_->Drain(), IsOk());
  EXPECT_EQ(hub_->Ids("t"), ids);
}

}  // namespace
}  // namespace eventhub::client
