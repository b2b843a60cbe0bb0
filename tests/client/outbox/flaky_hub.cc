#include "tests/client/outbox/flaky_hub.h"

#include <utility>

#include "gtest/gtest.h"

namespace eventhub::client {
namespace {

constexpr uint64_t kWindow = 64;

}  // namespace

absl::Status HubRefusal(absl::StatusCode code, ErrorInfo info, std::string_view message) {
  absl::Status status(code, {message.data(), message.size()});
  SetErrorInfo(info, status);
  return status;
}

// Shared by the hub, which closes it once, and the client's reference.
class FlakyHub::Stream : public std::enable_shared_from_this<Stream> {
 public:
  // What the client holds: dropping it cancels the stream.
  class Client final : public PublishStream {
   public:
    explicit Client(FlakyHub& hub, std::shared_ptr<Stream> stream)
        : hub_(hub), stream_(std::move(stream)) {}
    ~Client() override { Cancel(); }
    void Write(std::string header, Bytes events) override {
      v1::PublishStreamRequest request;
      ASSERT_TRUE(request.ParseFromString(header + std::string(events.view)));
      hub_.Written(stream_, std::move(request), events.view.size());
    }
    void Cancel() override { hub_.Close(stream_, absl::CancelledError("cancelled")); }

   private:
    FlakyHub& hub_;
    const std::shared_ptr<Stream> stream_;
  };

  explicit Stream(std::shared_ptr<PublishStream::Handler> to) : handler(std::move(to)) {}

  const std::shared_ptr<PublishStream::Handler> handler;
  bool closed = false;  // Guarded by the hub's mutex.
};

FlakyHub::FlakyHub(uint64_t seed) : random_(seed), thread_([this] { Run(); }) {}

FlakyHub::~FlakyHub() {
  {
    MutexLock lock(mutex_);
    stopping_ = true;
  }
  changed_.NotifyAll();
  if (thread_.get_id() == std::this_thread::get_id()) {  // A handler had the last reference.
    *gone_ = true;
    thread_.detach();
  } else {
    thread_.join();
  }
}

void FlakyHub::Run() {
  const std::shared_ptr<bool> gone = gone_;
  for (;;) {
    absl::AnyInvocable<void()> one;
    {
      MutexLock lock(mutex_);
      while ((work_.empty() || held_) && !stopping_) changed_.Wait(mutex_);
      if (stopping_) return;
      one = std::move(work_.front());
      work_.pop_front();
    }
    one();
    one = nullptr;
    if (*gone) return;
  }
}

void FlakyHub::Add(absl::AnyInvocable<void()> work) {
  work_.push_back(std::move(work));
  changed_.NotifyAll();
}

std::shared_ptr<PublishStream> FlakyHub::OpenPublishStream(
    std::shared_ptr<PublishStream::Handler> handler) {
  auto stream = std::make_shared<Stream>(std::move(handler));
  bool down;
  {
    MutexLock lock(mutex_);
    down = down_;
    streams_.insert(stream);
  }
  if (down) Close(stream, absl::UnavailableError("connection refused"));
  return std::make_shared<Stream::Client>(*this, std::move(stream));
}

void FlakyHub::Close(const std::shared_ptr<Stream>& stream, absl::Status status) {
  MutexLock lock(mutex_);
  if (std::exchange(stream->closed, true)) return;
  streams_.erase(stream);
  // Not under the lock of a caller that cancels.
  work_.push_front([stream, status = std::move(status)] { stream->handler->OnClosed(status); });
  changed_.NotifyAll();
}

void FlakyHub::Written(std::shared_ptr<Stream> stream, v1::PublishStreamRequest request,
                       size_t bytes) {
  MutexLock lock(mutex_);
  Add([stream] { stream->handler->OnWritten(); });
  Add([this, stream, request = std::move(request), bytes] { Handle(stream, request, bytes); });
}

void FlakyHub::Handle(const std::shared_ptr<Stream>& stream,
                      const v1::PublishStreamRequest& request, size_t bytes) {
  PublishReply reply;
  absl::Status end;
  {
    MutexLock lock(mutex_);
    if (stream->closed) return;
    if (static_cast<int>(random_() % 1000) < before_) {
      end = absl::UnavailableError("connection reset");
    } else if (bytes > max_request_bytes_) {
      end = HubRefusal(absl::StatusCode::kResourceExhausted,
                       {.reason = ErrorReason::kRequestTooLarge}, "the request is too large");
    } else {
      ++requests_;
      last_request_ = request;
      reply = Process(request);
      if (static_cast<int>(random_() % 1000) < after_) {
        end = absl::UnavailableError("connection reset");
      }
    }
  }
  if (!end.ok()) return Close(stream, end);
  reply.correlation_id = request.correlation_id();
  stream->handler->OnReply(std::move(reply));
}

PublishReply FlakyHub::Process(const v1::PublishStreamRequest& request) {
  PublishReply reply;
  if (const auto refused = refused_.find(request.topic());
      refused != refused_.end() && !refused->second.ok()) {
    reply.status = refused->second;
    return reply;
  }
  for (int i = 0; i < request.events_size(); ++i) {
    if (refused_type_.empty() || request.events(i).type() != refused_type_) continue;
    reply.status =
        HubRefusal(absl::StatusCode::kInvalidArgument,
                   {.reason = ErrorReason::kInvalidField, .event_index = static_cast<uint32_t>(i)},
                   "the event is too large");
    return reply;
  }
  const std::pair<std::string, std::string> key(request.topic(), request.producer_id());
  const auto known = producers_.find(key);
  if (known == producers_.end() && request.sequence() != 0) {
    reply.status = HubRefusal(absl::StatusCode::kFailedPrecondition,
                              {.reason = ErrorReason::kUnknownProducer}, "unknown producer");
    return reply;
  }
  Producer& producer = producers_[key];
  if (request.producer_epoch() < producer.epoch) {
    reply.status = HubRefusal(
        absl::StatusCode::kAborted,
        {.reason = ErrorReason::kStaleEpoch, .producer_epoch = producer.epoch}, "stale epoch");
    return reply;
  }
  const uint64_t expected = request.producer_epoch() > producer.epoch ? 0 : producer.next;
  if (request.sequence() > expected) {
    reply.status =
        HubRefusal(absl::StatusCode::kAborted,
                   {.reason = ErrorReason::kSequenceGap, .expected_sequence = expected}, "gap");
    return reply;
  }
  if (request.sequence() < expected) {
    ++duplicates_;
    reply.duplicate = true;
    if (request.sequence() + kWindow < expected) {
      reply.duplicate = false;
      reply.status = HubRefusal(absl::StatusCode::kFailedPrecondition,
                                {.reason = ErrorReason::kSequenceTooOld}, "too old");
    }
    return reply;
  }
  producer = {.epoch = request.producer_epoch(), .next = request.sequence() + 1};
  for (const v1::Event& event : request.events()) logs_[request.topic()].push_back(event.id());
  return reply;
}

PublishReply FlakyHub::Take(const v1::PublishStreamRequest& request) {
  MutexLock lock(mutex_);
  return Process(request);
}

void FlakyHub::SetFaults(int before, int after) {
  MutexLock lock(mutex_);
  before_ = before;
  after_ = after;
}

void FlakyHub::SetDown(bool down) {
  std::set<std::shared_ptr<Stream>> open;
  {
    MutexLock lock(mutex_);
    down_ = down;
    if (down) open = streams_;
  }
  for (const auto& stream : open) Close(stream, absl::UnavailableError("connection reset"));
}

void FlakyHub::SetHeld(bool held) {
  MutexLock lock(mutex_);
  held_ = held;
  changed_.NotifyAll();
}

void FlakyHub::Refuse(const std::string& topic, absl::Status error) {
  MutexLock lock(mutex_);
  refused_[topic] = std::move(error);
}

void FlakyHub::RefuseType(std::string type) {
  MutexLock lock(mutex_);
  refused_type_ = std::move(type);
}

void FlakyHub::SetMaxRequestBytes(size_t bytes) {
  MutexLock lock(mutex_);
  max_request_bytes_ = bytes;
}

void FlakyHub::ForgetProducers() {
  MutexLock lock(mutex_);
  producers_.clear();
}

std::vector<std::string> FlakyHub::Ids(const std::string& topic) const {
  MutexLock lock(mutex_);
  const auto log = logs_.find(topic);
  return log == logs_.end() ? std::vector<std::string>() : log->second;
}

size_t FlakyHub::requests() const {
  MutexLock lock(mutex_);
  return requests_;
}

size_t FlakyHub::duplicates() const {
  MutexLock lock(mutex_);
  return duplicates_;
}

v1::PublishStreamRequest FlakyHub::last_request() const {
  MutexLock lock(mutex_);
  return last_request_;
}

}  // namespace eventhub::client
