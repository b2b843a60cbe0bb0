// How the caller learns the results of its events: callbacks, futures, places.

#include <future>
#include <stdexcept>
#include <thread>

#include "client/src/base/failure_log.h"
#include "eventhub/partition.h"
#include "tests/client/publisher_fixture.h"

namespace eventhub::client {
namespace {

TEST_F(PublisherTest, FuturesAndTheBatchHandlerGetResults) {
  size_t events = 0;
  Start({.topic = "t", .on_batch_done = [&](const BatchResult& result) {
           EXPECT_TRUE(result.status.ok());
           EXPECT_EQ(result.placements.size(), 1u);
           events += result.events;
         }});
  auto future = publisher_->PublishAsync(MakeEvent("a"));
  ASSERT_TRUE(publisher_->Publish(MakeEvent("b")).ok());
  hub_->HandleAll();
  EXPECT_EQ(future.get()->offset, 0);
  EXPECT_EQ(events, 2u);
  EXPECT_EQ(publisher_->PublishAsync(MakeEvent("")).get().status().code(),
            absl::StatusCode::kInvalidArgument);
}

TEST_F(PublisherTest, LocatesKeyedEventsOfSeveralPartitions) {
  Start({.topic = "t", .linger = absl::Milliseconds(1)});
  hub_->SetPartitions(16);
  for (int i = 0; i < 40; ++i)
    ASSERT_TRUE(Publish(std::to_string(i), "k" + std::to_string(i)).ok());
  hub_->Advance(absl::Milliseconds(1));
  hub_->HandleAll();
  std::map<uint32_t, int64_t> next;
  for (int i = 0; i < 40; ++i) {
    const PublishedEvent place = PlaceOf(std::to_string(i));
    EXPECT_EQ(place.partition, PartitionFor("k" + std::to_string(i), 16));
    EXPECT_EQ(place.offset, next[place.partition]++);
  }
}

TEST_F(PublisherTest, LocatesByPartitionCountOfReply) {
  Start({.topic = "t", .linger = absl::Milliseconds(1)});
  hub_->SetPartitions(16);
  for (int i = 0; i < 40; ++i) {
    ASSERT_TRUE(Publish(std::to_string(i), "k" + std::to_string(i)).ok());
  }
  ASSERT_TRUE(Publish("keyless").ok());
  hub_->Advance(absl::Milliseconds(1));
  hub_->HandleAndBreak();
  hub_->SetPartitions(17);
  hub_->Advance(absl::Minutes(1));
  hub_->HandleAll();
  for (int i = 0; i < 40; ++i) {
    const PublishedEvent place = PlaceOf(std::to_string(i));
    EXPECT_EQ(place.partition, PartitionFor("k" + std::to_string(i), 16));
    EXPECT_TRUE(place.duplicate);
  }
  EXPECT_EQ(PlaceOf("keyless").partition, 0u);
}

TEST_F(PublisherTest, InconsistentReplyFailsOnlyCallback) {
  Start({.topic = "t", .max_batch_events = 2, .linger = absl::Minutes(1)});
  ASSERT_TRUE(Publish("a").ok());
  ASSERT_TRUE(Publish("b").ok());
  hub_->ReplyTo(hub_->request(0).correlation_id());  // The reply claims one event.
  EXPECT_EQ(StatusOf("a").code(), absl::StatusCode::kInternal);
  EXPECT_EQ(StatusOf("b").code(), absl::StatusCode::kInternal);
  EXPECT_TRUE(publisher_->Flush().ok());  // They are appended.
}

// Every thread that flushes sees errors; threads do not hide errors from each other.
TEST_F(PublisherTest, EachThreadSeesErrors) {
  Start({.topic = "t", .max_batch_events = 1});
  const auto in_thread = [](auto call) { return std::async(std::launch::async, call).get(); };
  const auto flush = [&] { return publisher_->Flush(); };
  ASSERT_TRUE(publisher_->Publish(MakeEvent("bad")).ok());
  ASSERT_TRUE(in_thread([&] { return publisher_->Publish(MakeEvent("good")); }).ok());
  hub_->SetInvalid({"bad"});
  hub_->HandleAll();
  EXPECT_TRUE(absl::IsInvalidArgument(in_thread(flush)));
  EXPECT_TRUE(absl::IsInvalidArgument(publisher_->Flush()));
  EXPECT_TRUE(publisher_->Flush().ok());
  // A thread that enters later does not see earlier errors.
  EXPECT_TRUE(in_thread([&] {
                EXPECT_TRUE(publisher_->Publish(MakeEvent("late")).ok());
                hub_->HandleAll();
                return publisher_->Flush();
              }).ok());
}

TEST(FailureLogTest, KeepsTheNewestFailuresAndRecentThreads) {
  FailureLog log;
  log.Enter();
  EXPECT_TRUE(log.Take().ok());
  for (size_t i = 0; i <= FailureLog::kMaxFailures; ++i) {
    log.Add(absl::NotFoundError(std::to_string(i)));
  }
  EXPECT_EQ(log.Take().message(), "1");
  EXPECT_TRUE(log.Take().ok());
  for (size_t i = 0; i <= FailureLog::kMaxThreads; ++i) std::thread([&log] { log.Enter(); }).join();
  log.Add(absl::AbortedError("x"));
  EXPECT_FALSE(log.Take().ok());
}

TEST_F(PublisherTest, ClosePublishesAcceptedEventsAndRejectsNewOnes) {
  Start({.topic = "t", .linger = absl::Minutes(1)});
  ASSERT_TRUE(Publish("a").ok());
  auto closed =
      std::async(std::launch::async, [&] { return publisher_->Close(absl::InfiniteDuration()); });
  while (hub_->waiting() == 0) std::this_thread::yield();
  hub_->HandleAll();
  EXPECT_TRUE(closed.get().ok());
  EXPECT_TRUE(StatusOf("a").ok());
  EXPECT_TRUE(absl::IsCancelled(Publish("b")));
}

TEST_F(PublisherTest, CloseTimesOut) {
  Start({.topic = "t", .max_batch_events = 1});
  ASSERT_TRUE(Publish("a").ok());
  EXPECT_TRUE(absl::IsDeadlineExceeded(publisher_->Close(absl::ZeroDuration())));
  EXPECT_TRUE(absl::IsCancelled(StatusOf("a")));
  EXPECT_TRUE(OutcomeIsUnknown(StatusOf("a")));
}

TEST_F(PublisherTest, ThrowingCallbackIsReportedAndOthersRun) {
  Start({.topic = "t",
         .linger = absl::Minutes(1),
         .max_in_flight_requests = 1,
         .on_batch_done = [](const BatchResult&) { throw std::runtime_error("out of paper"); }});
  ASSERT_TRUE(publisher_->Publish(MakeEvent("a"), [](auto) { throw 1; }).ok());
  ASSERT_TRUE(Publish("b").ok());
  auto flushed = std::async(std::launch::async, [&] { return publisher_->Flush(); });
  while (hub_->waiting() == 0) std::this_thread::yield();
  hub_->HandleAll();
  const absl::Status status = flushed.get();
  EXPECT_EQ(status.code(), absl::StatusCode::kUnknown);
  EXPECT_NE(status.ToString().find("out of paper"), std::string::npos);
  EXPECT_TRUE(StatusOf("b").ok());
}

}  // namespace
}  // namespace eventhub::client
