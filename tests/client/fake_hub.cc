#include "tests/client/fake_hub.h"

#include <algorithm>
#include <utility>

#include "eventhub/partition.h"

namespace eventhub::client {

using ::testing::_;

absl::Status HubError(absl::StatusCode code, ErrorInfo info, std::string_view message) {
  absl::Status status(code, std::string(message));
  SetErrorInfo(info, status);
  return status;
}

class FakeHub::Stream : public PublishStream {
 public:
  explicit Stream(FakeHub& hub) : hub_(hub) {}

  void Write(std::string header, Bytes events) override {
    v1::PublishStreamRequest request;
    ASSERT_TRUE(request.ParseFromString(header + std::string(events.view)));
    hub_.Written(this, std::move(request));
  }
  void Cancel() override {}

 private:
  FakeHub& hub_;
};

class FakeHub::ConsumerStream : public ConsumeStream {
 public:
  explicit ConsumerStream(FakeHub& hub) : hub_(hub) {}

  void Write(std::string request) override {
    v1::ConsumeRequest parsed;
    ASSERT_TRUE(parsed.ParseFromString(request));
    hub_.ConsumeWritten(this, std::move(parsed));
  }
  void Cancel() override {
    MutexLock lock(hub_.mutex_);
    ++hub_.consume_cancels_;
  }

 private:
  FakeHub& hub_;
};

FakeHub::FakeHub() {
  ON_CALL(*this, OpenConsumeStream)
      .WillByDefault([this](std::shared_ptr<ConsumeStream::Handler> handler) {
        return OpenConsume(std::move(handler));
      });
  ON_CALL(*this, OpenPublishStream)
      .WillByDefault([this](std::shared_ptr<PublishStream::Handler> handler) {
        return Open(std::move(handler));
      });
  ON_CALL(*this, RunAfter)
      .WillByDefault([this](absl::Duration delay, absl::AnyInvocable<void() &&> work) {
        if (skip_waits_) {
          clock_.Advance(delay);
          std::move(work)();
          return;
        }
        MutexLock lock(mutex_);
        timers_.emplace(clock_.Monotonic() + delay, std::move(work));
      });
}

void FakeHub::Advance(absl::Duration by) {
  const absl::Duration target = clock_.Monotonic() + by;
  for (;;) {
    absl::AnyInvocable<void() &&> work;
    {
      MutexLock lock(mutex_);
      if (timers_.empty() || timers_.begin()->first > target) break;
      clock_.Advance(std::max(timers_.begin()->first - clock_.Monotonic(), absl::ZeroDuration()));
      work = std::move(timers_.begin()->second);
      timers_.erase(timers_.begin());
    }
    std::move(work)();
  }
  clock_.Advance(std::max(target - clock_.Monotonic(), absl::ZeroDuration()));
}

size_t FakeHub::timers() const {
  MutexLock lock(mutex_);
  return timers_.size();
}

size_t FakeHub::waiting() const {
  MutexLock lock(mutex_);
  return inbox_.size();
}

std::shared_ptr<PublishStream> FakeHub::Open(std::shared_ptr<PublishStream::Handler> handler) {
  ++streams_opened_;
  auto stream = std::make_shared<Stream>(*this);
  if (down_) {
    handler->OnClosed(absl::UnavailableError("connection refused"));
    return stream;
  }
  MutexLock lock(mutex_);
  inbox_.clear();
  handler_ = std::move(handler);
  stream_ = stream.get();
  return stream;
}

void FakeHub::Written(Stream* stream, v1::PublishStreamRequest request) {
  std::shared_ptr<PublishStream::Handler> handler;
  {
    MutexLock lock(mutex_);
    if (stream != stream_) return;
    inbox_.push_back(std::move(request));
    handler = handler_;
  }
  handler->OnWritten();
}

v1::PublishStreamRequest FakeHub::TakeRequest() {
  MutexLock lock(mutex_);
  v1::PublishStreamRequest request = std::move(inbox_.front());
  inbox_.pop_front();
  return request;
}

void FakeHub::Handle() {
  const PublishReply reply = Process(TakeRequest());
  handler_->OnReply(reply);
}

void FakeHub::HandleAll() {
  while (waiting() > 0) Handle();
}

void FakeHub::Refuse(const absl::Status& status) {
  const v1::PublishStreamRequest request = TakeRequest();
  handler_->OnReply({.correlation_id = request.correlation_id(), .status = status});
}

void FakeHub::ReplyTo(uint64_t correlation_id) {
  handler_->OnReply({.correlation_id = correlation_id, .placements = {{0, 0, 1}}});
}

void FakeHub::HandleAndBreak() {
  Process(TakeRequest());
  Break();
}

void FakeHub::Break(const absl::Status& status) {
  std::shared_ptr<PublishStream::Handler> handler;
  {
    MutexLock lock(mutex_);
    inbox_.clear();
    stream_ = nullptr;
    handler = std::exchange(handler_, nullptr);
  }
  if (handler != nullptr) handler->OnClosed(status);
}

PublishReply FakeHub::Process(const v1::PublishStreamRequest& request) {
  PublishReply reply{.correlation_id = request.correlation_id()};
  for (int i = 0; i < request.events_size(); ++i) {
    if (std::count(invalid_.begin(), invalid_.end(), request.events(i).id()) == 0) continue;
    reply.status =
        HubError(absl::StatusCode::kInvalidArgument,
                 {.reason = ErrorReason::kInvalidField, .event_index = static_cast<uint32_t>(i)});
    return reply;
  }
  if (request.producer_id().empty()) {
    reply = Append(request);
    reply.correlation_id = request.correlation_id();
    return reply;
  }
  if (producers_.count(request.producer_id()) == 0 && request.sequence() != 0) {
    reply.status =
        HubError(absl::StatusCode::kFailedPrecondition, {.reason = ErrorReason::kUnknownProducer});
    return reply;
  }
  Producer& producer = producers_[request.producer_id()];
  if (request.producer_epoch() > producer.epoch) producer = {.epoch = request.producer_epoch()};
  if (request.producer_epoch() < producer.epoch) {
    reply.status = HubError(absl::StatusCode::kAborted,
                            {.reason = ErrorReason::kStaleEpoch, .producer_epoch = producer.epoch});
  } else if (request.sequence() > producer.next_sequence) {
    reply.status = HubError(
        absl::StatusCode::kAborted,
        {.reason = ErrorReason::kSequenceGap, .expected_sequence = producer.next_sequence});
  } else if (request.sequence() < producer.next_sequence) {
    EXPECT_GE(request.sequence() + 64, producer.next_sequence) << "too old to be remembered";
    reply = producer.accepted[request.sequence()];
    reply.duplicate = true;
  } else {
    reply = Append(request);
    producer.accepted[producer.next_sequence++] = reply;
  }
  reply.correlation_id = request.correlation_id();
  return reply;
}

PublishReply FakeHub::Append(const v1::PublishStreamRequest& request) {
  PublishReply reply;
  if (!request.has_partition()) reply.partition_count = partitions_;
  std::map<uint32_t, Placement> placements;
  for (const v1::Event& event : request.events()) {
    uint32_t partition = 0;
    if (request.has_partition()) {
      partition = request.partition();
    } else if (!event.partition_key().empty()) {
      partition = PartitionFor(event.partition_key(), partitions_);
    } else {
      reply.keyless_partition = partition;
    }
    const int64_t offset = ends_[partition]++;
    auto [placement, first] = placements.try_emplace(partition, Placement{partition, offset, 0});
    ++placement->second.count;
    stored_.push_back(
        {event.id(), request.has_partition() ? std::optional(partition) : std::nullopt});
  }
  for (const auto& [partition, placement] : placements) reply.placements.push_back(placement);
  return reply;
}

std::shared_ptr<ConsumeStream> FakeHub::OpenConsume(
    std::shared_ptr<ConsumeStream::Handler> handler) {
  auto stream = std::make_shared<ConsumerStream>(*this);
  {
    MutexLock lock(mutex_);
    ++consume_streams_opened_;
    if (!down_) {
      consume_requests_.clear();
      consume_write_held_ = false;
      consumer_ = std::move(handler);
      consumer_stream_ = stream.get();
      return stream;
    }
  }
  handler->OnClosed(absl::UnavailableError("connection refused"));
  return stream;
}

void FakeHub::ConsumeWritten(ConsumerStream* stream, v1::ConsumeRequest request) {
  std::shared_ptr<ConsumeStream::Handler> handler;
  {
    MutexLock lock(mutex_);
    if (stream != consumer_stream_) return;
    EXPECT_FALSE(consume_write_held_) << "a second write before the first was taken up";
    consume_requests_.push_back(std::move(request));
    consume_write_held_ = hold_consume_writes_;
    if (consume_write_held_) return;
    handler = consumer_;
  }
  if (on_consume_write_) on_consume_write_();
  handler->OnWritten();
}

void FakeHub::HoldConsumeWrites(bool hold) {
  std::shared_ptr<ConsumeStream::Handler> handler;
  {
    MutexLock lock(mutex_);
    hold_consume_writes_ = hold;
    if (hold || !std::exchange(consume_write_held_, false)) return;
    handler = consumer_;
  }
  handler->OnWritten();
}

std::vector<v1::ConsumeRequest> FakeHub::TakeConsumeRequests() {
  MutexLock lock(mutex_);
  return std::exchange(consume_requests_, {});
}

size_t FakeHub::consume_streams_opened() const {
  MutexLock lock(mutex_);
  return consume_streams_opened_;
}

int FakeHub::consume_cancels() const {
  MutexLock lock(mutex_);
  return consume_cancels_;
}

void FakeHub::Send(const v1::ConsumeResponse& response) {
  SendBytes(Bytes::Of(response.SerializeAsString()));
}

void FakeHub::SendBytes(Bytes bytes) {
  std::shared_ptr<ConsumeStream::Handler> handler;
  {
    MutexLock lock(mutex_);
    handler = consumer_;
  }
  ASSERT_NE(handler, nullptr) << "nobody is connected";
  handler->OnFrame(std::move(bytes));
}

void FakeHub::CloseConsume(const absl::Status& status) {
  std::shared_ptr<ConsumeStream::Handler> handler;
  {
    MutexLock lock(mutex_);
    consumer_stream_ = nullptr;
    handler = std::exchange(consumer_, nullptr);
  }
  ASSERT_NE(handler, nullptr) << "nobody is connected";
  handler->OnClosed(status);
}

std::vector<std::string> FakeHub::ids() const {
  std::vector<std::string> ids;
  for (const Stored& stored : stored_) ids.push_back(stored.id);
  return ids;
}

}  // namespace eventhub::client
