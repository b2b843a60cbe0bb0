// Readers of history while the lake is slow: they can be cancelled, they do not delay others nor a
// shutdown, and a lake that fails says so.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/match.h"
#include "server/core/base/errors.h"
#include "storage/base/mutex.h"
#include "tests/support/eventually.h"
#include "tests/support/hub_calls.h"
#include "tests/support/subscription_calls.h"
#include "tests/support/test_consumer.h"

namespace eventhub {
namespace {

using grpc::StatusCode;
using testing::SizeIs;
using v1::ErrorDetail;

constexpr int kLakeThreads = 2;

// Takes every event, and keeps none.
class AcceptingLake final : public ArchiveTarget {
 public:
  absl::StatusOr<uint64_t> NextSequence(const ArchivedTopic&) override { return ++sequence_; }
  absl::StatusOr<std::unique_ptr<Object>> Begin(const ArchivedTopic&,
                                                const stored::ArchiveObject&) override {
    return std::make_unique<Accepting>();
  }
  absl::Status List(const ArchivedTopic&, const stored::ArchiveObject&) override {
    return absl::OkStatus();
  }
  absl::Status KeepOnly(const std::vector<TopicId>&, TopicId) override { return absl::OkStatus(); }

 private:
  class Accepting final : public Object {
   public:
    absl::Status Add(PartitionId, Offset, absl::Time, absl::string_view) override {
      return absl::OkStatus();
    }
    absl::StatusOr<std::string> Finish() override { return std::string(); }
  };

  std::atomic<uint64_t> sequence_{0};
};

// Does not answer until it is opened or interrupted; then fails.
class StuckHistory final : public History {
 public:
  struct Gate {
    Mutex mutex;
    CondVar changed;
    bool open ABSL_GUARDED_BY(mutex) = false;
    bool knows_bounds ABSL_GUARDED_BY(mutex) = false;  // Answers what the lake has.
    int waiting ABSL_GUARDED_BY(mutex) = 0;
    int done ABSL_GUARDED_BY(mutex) = 0;

    void Open() {
      MutexLock lock(mutex);
      open = true;
      changed.NotifyAll();
    }
    void KnowBounds() {
      MutexLock lock(mutex);
      knows_bounds = true;
    }
    int Waiting() {
      MutexLock lock(mutex);
      return waiting;
    }
    int Done() {
      MutexLock lock(mutex);
      return done;
    }
  };

  explicit StuckHistory(std::shared_ptr<Gate> gate) : gate_(std::move(gate)) {}

  void Interrupt() override { gate_->Open(); }
  absl::StatusOr<HistoryBounds> Bounds(const ArchivedTopic& topic, PartitionId,
                                       Offset upto) override {
    if (KnowsBounds()) return HistoryBounds{Offset(0), upto};
    return Wait(topic);
  }
  absl::StatusOr<HistoryPart> Read(const ArchivedTopic& topic, const HistoryRange&,
                                   size_t) override {
    return Wait(topic);
  }
  absl::StatusOr<Offset> SeekTime(const ArchivedTopic& topic, const HistoryRange&,
                                  absl::Time) override {
    return Wait(topic);
  }

 private:
  bool KnowsBounds() {
    MutexLock lock(gate_->mutex);
    return gate_->knows_bounds;
  }
  absl::Status Wait(const ArchivedTopic& topic) {
    MutexLock lock(gate_->mutex);
    ++gate_->waiting;
    while (!gate_->open) gate_->changed.Wait(gate_->mutex);
    --gate_->waiting;
    ++gate_->done;
    return LakeUnavailable(topic.name, "it is closed");
  }

  const std::shared_ptr<Gate> gate_;
};

class HistoryStreamTest : public testing::Test {
 protected:
  HistoryStreamTest() : hub_(Options(gate_)) {
    v1::Topic topic;
    topic.set_name("t");
    topic.mutable_retention()->set_max_bytes(1);
    CreateTopic(hub_.client(), topic);
    Publish(hub_.client(), MakePublish("t", 3));
    EXPECT_TRUE(Eventually([&] { return GetPartition(hub_.client(), "t").start_offset() == 3; }));
    EXPECT_EQ(GetPartition(hub_.client(), "t").history_start_offset(), 0);
  }
  ~HistoryStreamTest() override { gate_->Open(); }

  static ServerOptions Options(const std::shared_ptr<StuckHistory::Gate>& gate) {
    ServerOptions options = TestServerOptions();
    options.broker.maintenance->retention_interval = absl::Milliseconds(10);
    options.broker.archive =
        ArchiveOptions{.location = "/lake", .schedule = {.interval = absl::Milliseconds(1)}};
    options.archiver.look_interval = absl::Milliseconds(5);
    options.lake_read_threads = kLakeThreads;
    options.open_lake = [gate](const std::string&, const Clock&,
                               MemoryMeter&) -> absl::StatusOr<OpenedLake> {
      return OpenedLake{std::make_unique<AcceptingLake>(), std::make_unique<StuckHistory>(gate)};
    };
    return options;
  }

  // A read from the start of the history.
  class HistoryRead {
   public:
    explicit HistoryRead(HubClient& client) : stream_(client.hub().Read(&context_, ReadOf("t"))) {}

    void Cancel() { context_.TryCancel(); }
    grpc::Status End() {
      v1::ReadResponse response;
      while (stream_->Read(&response)) {
      }
      return stream_->Finish();
    }

   private:
    grpc::ClientContext context_;
    std::unique_ptr<grpc::ClientReader<v1::ReadResponse>> stream_;
  };

  uint32_t Readers() {
    v1::GetTopicRequest request;
    request.set_name("t");
    grpc::ClientContext context;
    v1::GetTopicResponse response;
    EXPECT_THAT(hub_.client().admin().GetTopic(&context, request, &response), IsOk());
    return response.stats().readers();
  }

  // A subscription of the topic, with a replay of its history, which does not come.
  void ReplayHistory(const v1::Subscription& subscription) {
    v1::UpdateTopicRequest kept;
    kept.mutable_topic()->set_name("t");
    kept.mutable_topic()->mutable_retention()->set_keep_until_acked(true);
    kept.mutable_update_mask()->add_paths("retention.keep_until_acked");
    grpc::ClientContext update;
    v1::UpdateTopicResponse updated;
    ASSERT_THAT(hub_.client().admin().UpdateTopic(&update, kept, &updated), IsOk());
    CreateSubscription(hub_.client(), subscription);
    gate_->KnowBounds();
    v1::ReplaySubscriptionRequest request;
    request.set_name(subscription.name());
    request.mutable_start()->set_earliest(true);
    grpc::ClientContext context;
    v1::ReplaySubscriptionResponse response;
    ASSERT_THAT(hub_.client().subscriptions().ReplaySubscription(&context, request, &response),
                IsOk());
    ASSERT_EQ(response.events(), 3u);
  }

  std::shared_ptr<StuckHistory::Gate> gate_ = std::make_shared<StuckHistory::Gate>();
  TestHub hub_;
};

TEST_F(HistoryStreamTest, OthersDoNotWaitForTheLake) {
  std::vector<std::unique_ptr<HistoryRead>> stuck;
  for (int i = 0; i < 3 * kLakeThreads; ++i) {
    stuck.push_back(std::make_unique<HistoryRead>(hub_.client()));
  }
  ASSERT_TRUE(Eventually([&] { return gate_->Waiting() == kLakeThreads; }));
  CreateTopic(hub_.client(), "u");
  Publish(hub_.client(), MakePublish("u", 5));
  EXPECT_THAT(ReadAll(hub_.client(), ReadOf("u")).ids(), SizeIs(5));
  v1::ReadRequest retained = ReadOf("t");
  retained.mutable_start()->set_retained(true);
  EXPECT_THAT(ReadAll(hub_.client(), retained).status, IsOk());
  gate_->Open();
  for (const auto& read : stuck) {
    EXPECT_THAT(read->End(),
                FailsWith(StatusCode::UNAVAILABLE, ErrorDetail::REASON_LAKE_UNAVAILABLE));
  }
}

TEST_F(HistoryStreamTest, CancelledReadersLeaveAtOnce) {
  for (int round = 0; round < 3; ++round) {
    std::vector<std::unique_ptr<HistoryRead>> stuck;
    for (int i = 0; i < 3 * kLakeThreads; ++i) {
      stuck.push_back(std::make_unique<HistoryRead>(hub_.client()));
    }
    ASSERT_TRUE(Eventually([&] { return gate_->Waiting() == kLakeThreads; }));
    for (const auto& read : stuck) read->Cancel();
    for (const auto& read : stuck) EXPECT_EQ(read->End().error_code(), StatusCode::CANCELLED);
  }
  // Those that the lake keeps have ended for their clients; nothing was answered yet.
  EXPECT_EQ(gate_->Done(), 0);
  gate_->Open();
  EXPECT_TRUE(Eventually([&] { return Readers() == 0; }));
}

TEST_F(HistoryStreamTest, LiveEventsDoNotWaitForAReplayOfHistory) {
  ASSERT_NO_FATAL_FAILURE(ReplayHistory(QueueOf("q")));
  ASSERT_NO_FATAL_FAILURE(ReplayHistory(StreamOf("s")));
  TestConsumer queue(hub_.client(), "q");
  TestConsumer stream(hub_.client(), "s");
  ASSERT_TRUE(Eventually([&] { return gate_->Waiting() == kLakeThreads; }));
  Publish(hub_.client(), MakePublish("t", 2));
  for (TestConsumer* consumer : {&queue, &stream}) {
    ASSERT_TRUE(consumer->UntilEvents(2));
    EXPECT_THAT(consumer->offsets(), testing::ElementsAre(3, 4));
    consumer->AckFrom(0);
  }
  EXPECT_EQ(GetSubscription(hub_.client(), "q").stats().replay_events(), 3u);
  EXPECT_EQ(gate_->Done(), 0);
  // Its failure does not end the stream.
  gate_->Open();
  ASSERT_TRUE(Eventually([&] {
    const v1::GetSubscriptionResponse described = GetSubscription(hub_.client(), "q");
    for (const std::string& finding : described.findings()) {
      if (absl::StrContains(finding, "cannot be replayed at offset 0")) return true;
    }
    return false;
  }));
  Publish(hub_.client(), MakePublish("t", 1));
  EXPECT_TRUE(queue.UntilEvents(3));
}

TEST_F(HistoryStreamTest, AShutdownDoesNotWaitForAReplayOfHistory) {
  ASSERT_NO_FATAL_FAILURE(ReplayHistory(QueueOf("q")));
  TestConsumer consumer(hub_.client(), "q");
  ASSERT_TRUE(Eventually([&] { return gate_->Waiting() == 1; }));
  std::thread shutdown([&] { hub_.Shutdown(kTestDeadline); });
  EXPECT_THAT(consumer.End(),
              FailsWith(StatusCode::UNAVAILABLE, ErrorDetail::REASON_SHUTTING_DOWN));
  shutdown.join();
}

TEST_F(HistoryStreamTest, AShutdownDoesNotWaitForTheLake) {
  std::vector<std::unique_ptr<HistoryRead>> stuck;
  for (int i = 0; i < 3 * kLakeThreads; ++i) {
    stuck.push_back(std::make_unique<HistoryRead>(hub_.client()));
  }
  ASSERT_TRUE(Eventually([&] { return gate_->Waiting() == kLakeThreads; }));
  std::thread shutdown([&] { hub_.Shutdown(kTestDeadline); });
  for (const auto& read : stuck) {
    EXPECT_THAT(read->End(), FailsWith(StatusCode::UNAVAILABLE, ErrorDetail::REASON_SHUTTING_DOWN));
  }
  shutdown.join();
}

}  // namespace
}  // namespace eventhub
