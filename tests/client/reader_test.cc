// The reader: positions, resumption, trimming, the end.

#include "eventhub/reader.h"

#include <deque>
#include <future>
#include <thread>
#include <utility>
#include <variant>

#include "client/src/read/reader_core.h"
#include "gtest/gtest.h"
#include "tests/client/fake_hub.h"

namespace eventhub::client {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

// A response with `count` events of `partition`, named by partition and offset.
v1::ReadResponse ReadEvents(uint32_t partition, int64_t base, int count) {
  v1::ReadResponse response;
  v1::EventBatch& batch = *response.add_batches();
  batch.set_partition(partition);
  batch.set_base_offset(base);
  batch.mutable_append_time()->set_seconds(1'700'000'000);
  for (int i = 0; i < count; ++i) {
    batch.add_events()->set_id(std::to_string(partition) + "/" + std::to_string(base + i));
  }
  return response;
}

v1::ReadResponse Start(std::vector<PartitionOffset> positions) {
  v1::ReadResponse response;
  for (const PartitionOffset& position : positions) {
    v1::PartitionOffset* start = response.add_start();
    start->set_partition(position.partition);
    start->set_offset(position.offset);
  }
  return response;
}

v1::ReadResponse CaughtUp() {
  v1::ReadResponse response;
  response.set_caught_up(true);
  return response;
}

// Plays the responses that a test queued; afterwards nothing arrives, and time passes.
class ScriptedStream : public ReadStream {
 public:
  using Step = std::variant<v1::ReadResponse, absl::Status>;

  ScriptedStream(std::deque<Step> steps, FakeClock& clock)
      : steps_(std::move(steps)), clock_(clock) {}

  Outcome Read(absl::Duration timeout, Bytes& frame) override {
    if (steps_.empty()) {
      EXPECT_NE(timeout, absl::InfiniteDuration()) << "would wait for ever";
      clock_.Advance(timeout);
      return Outcome::kTimeout;
    }
    Step step = std::move(steps_.front());
    steps_.pop_front();
    if (const auto* status = std::get_if<absl::Status>(&step)) {
      status_ = *status;
      return Outcome::kClosed;
    }
    frame = Bytes::Of(std::get<v1::ReadResponse>(step).SerializeAsString());
    return Outcome::kFrame;
  }
  absl::Status status() const override { return status_; }
  void Cancel() override {
    steps_.clear();
    steps_.push_back(absl::CancelledError("cancelled"));
  }

 private:
  std::deque<Step> steps_;
  FakeClock& clock_;
  absl::Status status_;
};

class ReaderTest : public testing::Test {
 protected:
  ReaderTest() {
    hub_->SkipWaits();
    ON_CALL(*hub_, OpenReadStream).WillByDefault([this](const ReadSpec& spec) {
      specs_.push_back(spec);
      std::deque<ScriptedStream::Step> steps;
      if (!streams_.empty()) {
        steps = std::move(streams_.front());
        streams_.pop_front();
      }
      return std::make_unique<ScriptedStream>(std::move(steps), hub_->clock());
    });
  }

  void Open(ReaderOptions options) {
    reader_ = std::make_unique<Reader>(
        std::make_unique<ReaderCore>(hub_, std::move(options), hub_->clock()));
  }

  // Returns the ids of the events up to the next error, or the end.
  std::vector<std::string> ReadAll() {
    std::vector<std::string> ids;
    for (;;) {
      absl::StatusOr<EventBatch> batch = reader_->Next(absl::Seconds(1));
      last_ = batch.status();
      if (!batch.ok()) return ids;
      done_ = batch->done();
      if (batch->caught_up()) ++caught_up_;
      if (done_) return ids;
      v1::Event event;
      for (const ReceivedEvent& received : *batch) {
        EXPECT_TRUE(received.ParseTo(event).ok());
        EXPECT_EQ(event.id(),
                  std::to_string(received.partition()) + "/" + std::to_string(received.offset()));
        EXPECT_EQ(received.append_time(), absl::FromUnixSeconds(1'700'000'000));
        ids.push_back(event.id());
      }
    }
  }

  const std::shared_ptr<testing::NiceMock<FakeHub>> hub_ =
      std::make_shared<testing::NiceMock<FakeHub>>();
  std::deque<std::deque<ScriptedStream::Step>> streams_;
  std::vector<ReadSpec> specs_;
  std::unique_ptr<Reader> reader_;
  absl::Status last_;
  bool done_ = false;
  int caught_up_ = 0;
};

TEST_F(ReaderTest, ReadsToTheEnd) {
  streams_ = {
      {Start({{0, 5}}), ReadEvents(0, 5, 2), ReadEvents(0, 7, 1), CaughtUp(), absl::OkStatus()}};
  Open({.topic = "t", .start = StartPosition::Offset(5)});
  EXPECT_THAT(ReadAll(), ElementsAre("0/5", "0/6", "0/7"));
  EXPECT_TRUE(done_);
  EXPECT_EQ(caught_up_, 1);
  EXPECT_THAT(ReadAll(), ElementsAre());
  EXPECT_TRUE(done_);
  EXPECT_EQ(specs_[0].start.offset, 5);
  EXPECT_THAT(reader_->positions(), ElementsAre(PartitionOffset{0, 8}));
}

TEST_F(ReaderTest, ResumesAfterTheLastEventReturned) {
  streams_ = {{Start({{0, 0}, {1, 40}, {2, 7}}), ReadEvents(0, 0, 3), ReadEvents(1, 40, 1),
               absl::UnavailableError("reset")},
              {absl::UnavailableError("refused")},
              {Start({{0, 3}, {1, 41}, {2, 7}}), ReadEvents(1, 41, 1), ReadEvents(0, 3, 1)}};
  Open({.topic = "t", .start = StartPosition::Latest(), .follow = true});
  EXPECT_THAT(ReadAll(), ElementsAre("0/0", "0/1", "0/2", "1/40", "1/41", "0/3"));
  EXPECT_EQ(last_.code(), absl::StatusCode::kDeadlineExceeded);
  ASSERT_EQ(specs_.size(), 3u);
  EXPECT_THAT(specs_[0].offsets, ElementsAre());
  EXPECT_EQ(specs_[0].start.kind, StartPosition::Kind::kLatest);
  for (int i : {1, 2}) {
    EXPECT_THAT(specs_[i].offsets,
                ElementsAre(PartitionOffset{0, 3}, PartitionOffset{1, 41}, PartitionOffset{2, 7}));
    // A partition that was added meanwhile is read from its beginning.
    EXPECT_EQ(specs_[i].start.kind, StartPosition::Kind::kEarliest);
  }
}

TEST_F(ReaderTest, RetriesStreamThatNeverStarted) {
  streams_ = {{absl::UnavailableError("refused")}, {Start({{0, 9}}), ReadEvents(0, 9, 1)}};
  Open({.topic = "t", .start = StartPosition::Latest(), .follow = true});
  EXPECT_THAT(ReadAll(), ElementsAre("0/9"));
  EXPECT_EQ(specs_[1].start.kind, StartPosition::Kind::kLatest);
}

TEST_F(ReaderTest, RequestsTheGivenOffsets) {
  Open({.topic = "t", .offsets = {{3, 14}}, .follow = true});
  EXPECT_THAT(ReadAll(), ElementsAre());
  EXPECT_THAT(specs_[0].offsets, ElementsAre(PartitionOffset{3, 14}));
}

TEST_F(ReaderTest, ReportsStartPositions) {
  v1::ReadResponse response = ReadEvents(0, 10, 2);
  response.mutable_start()->Add()->set_offset(7);
  streams_ = {{response, absl::OkStatus()}};
  Open({.topic = "t"});
  EXPECT_EQ(reader_->start_of(0), std::nullopt);
  EXPECT_THAT(ReadAll(), ElementsAre("0/10", "0/11"));
  EXPECT_EQ(reader_->start_of(0), 7);
  EXPECT_EQ(reader_->start_of(1), std::nullopt);
}

TEST_F(ReaderTest, ReadsOffsetsOfBatchesWithGaps) {
  v1::ReadResponse response = ReadEvents(0, 10, 1);
  response.mutable_batches(0)->add_events()->set_id("0/12");
  response.mutable_batches(0)->add_events()->set_id("0/310");
  for (const uint32_t delta : {0, 2, 300}) response.mutable_batches(0)->add_offset_deltas(delta);
  streams_ = {{response, absl::OkStatus()}};
  Open({.topic = "t"});
  EXPECT_THAT(ReadAll(), ElementsAre("0/10", "0/12", "0/310"));
  EXPECT_THAT(reader_->positions(), ElementsAre(PartitionOffset{0, 311}));
}

TEST_F(ReaderTest, ResumesAfterFilteredEvents) {
  v1::ReadResponse response = ReadEvents(0, 10, 1);
  v1::PartitionOffset& passed = *response.add_passed();
  passed.set_partition(0);
  passed.set_offset(500);
  streams_ = {{response, absl::UnavailableError("gone")}, {absl::OkStatus()}};
  Open({.topic = "t", .filter = Filter::Prefix({{"type", "shop."}})});
  EXPECT_THAT(ReadAll(), ElementsAre("0/10"));
  ASSERT_EQ(specs_.size(), 2u);
  EXPECT_THAT(specs_[1].offsets, ElementsAre(PartitionOffset{0, 500}));
  EXPECT_EQ(specs_[1].filter->proto().prefix().values().at("type"), "shop.");
  EXPECT_THAT(reader_->positions(), ElementsAre(PartitionOffset{0, 500}));
}

absl::Status Trimmed(int64_t earliest) {
  return HubError(absl::StatusCode::kOutOfRange, {.reason = ErrorReason::kOffsetOutOfRange,
                                                  .partition = 1,
                                                  .earliest_offset = earliest,
                                                  .end_offset = earliest + 100});
}

TEST_F(ReaderTest, ReportsTrimmedEvents) {
  streams_ = {{Trimmed(50)}};
  Open({.topic = "t", .offsets = {{1, 20}}});
  EXPECT_THAT(ReadAll(), ElementsAre());
  EXPECT_EQ(last_.code(), absl::StatusCode::kOutOfRange);
  EXPECT_EQ(GetErrorInfo(last_)->earliest_offset, 50);
  ReadAll();
  EXPECT_EQ(last_.code(), absl::StatusCode::kOutOfRange);  // Permanent.
  EXPECT_EQ(specs_.size(), 1u);
}

TEST_F(ReaderTest, SkipsTrimmedEventsIfConfigured) {
  streams_ = {{Start({{1, 20}}), ReadEvents(1, 20, 2), Trimmed(50)},
              {Start({{1, 50}}), ReadEvents(1, 50, 1), absl::OkStatus()}};
  Open({.topic = "t", .when_trimmed = WhenTrimmed::kSkipToEarliest});
  EXPECT_THAT(ReadAll(), ElementsAre("1/20", "1/21", "1/50"));
  EXPECT_THAT(specs_[1].offsets, ElementsAre(PartitionOffset{1, 50}));
  EXPECT_EQ(reader_->skipped_events(), 28u);
}

TEST_F(ReaderTest, NeverSkipsPositionBeyondEnd) {
  streams_ = {{Trimmed(50)}};
  Open({.topic = "t", .offsets = {{1, 500}}, .when_trimmed = WhenTrimmed::kSkipToEarliest});
  ReadAll();
  EXPECT_EQ(last_.code(), absl::StatusCode::kOutOfRange);
}

TEST_F(ReaderTest, GivesUpAfterTheReconnectDeadline) {
  absl::Status refused = absl::UnavailableError("refused");
  SetErrorInfo({.reason = ErrorReason::kShuttingDown}, refused);
  for (int i = 0; i < 1000; ++i) streams_.push_back({refused});
  Open({.topic = "t", .reconnect_deadline = absl::Seconds(30)});
  const absl::Duration start = hub_->clock().Monotonic();
  const absl::Status status = reader_->Next().status();
  EXPECT_EQ(status.code(), absl::StatusCode::kUnavailable);
  // The message does not contain the bytes of the detail.
  EXPECT_EQ(status.message(), "the hub has refused to read topic t for 30s: refused");
  EXPECT_GE(hub_->clock().Monotonic() - start, absl::Seconds(30));
  EXPECT_LE(hub_->clock().Monotonic() - start, absl::Seconds(36));  // Includes one backoff.
}

// A hub that answers is connected: its own error says what to do.
TEST_F(ReaderTest, GivesUpWithErrorOfHub) {
  absl::Status full = absl::ResourceExhaustedError("no memory for readers is left");
  SetErrorInfo({.reason = ErrorReason::kTooMuchForReaders}, full);
  for (int i = 0; i < 1000; ++i) streams_.push_back({full});
  Open({.topic = "t", .reconnect_deadline = absl::Seconds(5)});
  const absl::Status status = reader_->Next().status();
  EXPECT_EQ(status.code(), absl::StatusCode::kResourceExhausted);
  EXPECT_EQ(GetErrorReason(status), ErrorReason::kTooMuchForReaders);
  EXPECT_EQ(status.message(),
            "the hub has refused to read topic t for 5s: no memory for readers is left");
}

TEST_F(ReaderTest, GivesUpWithoutConnection) {
  for (int i = 0; i < 1000; ++i) streams_.push_back({absl::UnavailableError("no route")});
  Open({.topic = "t", .reconnect_deadline = absl::Seconds(5)});
  const absl::Status status = reader_->Next().status();
  EXPECT_EQ(status, absl::UnavailableError("no connection to read topic t for 5s: no route"));
}

TEST_F(ReaderTest, ReportsOtherErrors) {
  streams_ = {{absl::NotFoundError("no topic t")}};
  Open({.topic = "t", .follow = true});
  ReadAll();
  EXPECT_EQ(last_.code(), absl::StatusCode::kNotFound);
}

TEST_F(ReaderTest, RejectsMalformedResponse) {
  v1::ReadResponse response = ReadEvents(0, 0, 2);
  response.mutable_batches(0)->add_offset_deltas(0);  // One delta for two events.
  streams_ = {{response}};
  Open({.topic = "t", .follow = true});
  ReadAll();
  EXPECT_EQ(last_.code(), absl::StatusCode::kDataLoss);
}

TEST_F(ReaderTest, CancelEndsRead) {
  streams_ = {{Start({{0, 0}}), ReadEvents(0, 0, 1)}};
  Open({.topic = "t", .follow = true});
  ASSERT_TRUE(reader_->Next().ok());
  reader_->Cancel();
  EXPECT_EQ(reader_->Next().status().code(), absl::StatusCode::kCancelled);
}

TEST_F(ReaderTest, CancelInterruptsBackoff) {
  std::promise<void> waiting;
  ON_CALL(*hub_, RunAfter).WillByDefault([&](absl::Duration, absl::AnyInvocable<void() &&>) {
    waiting.set_value();  // The timer never fires.
  });
  streams_ = {{absl::UnavailableError("refused")}};
  Open({.topic = "t", .follow = true});
  absl::Status status;
  std::thread thread([&] { status = reader_->Next().status(); });
  waiting.get_future().wait();
  reader_->Cancel();
  thread.join();
  EXPECT_EQ(status.code(), absl::StatusCode::kCancelled);
}

TEST(ReaderOptionsTest, AreValidated) {
  const auto hub = std::make_shared<testing::NiceMock<FakeHub>>();
  const auto code = [&](ReaderOptions options) {
    return Reader::Create(hub, std::move(options)).status().code();
  };
  EXPECT_EQ(code({.topic = "t"}), absl::StatusCode::kOk);
  EXPECT_EQ(code({}), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(code({.topic = "t", .partitions = {1, 1}}), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(code({.topic = "t", .max_response_bytes = 100}), absl::StatusCode::kInvalidArgument);
}

}  // namespace
}  // namespace eventhub::client
