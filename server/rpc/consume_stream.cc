#include "server/rpc/consume_stream.h"

#include <utility>

#include "server/core/errors.h"
#include "server/rpc/byte_buffers.h"
#include "server/rpc/frame_encoder.h"
#include "server/rpc/rpc_status.h"
#include "storage/base/status_macros.h"

namespace eventhub {

ConsumeStream::ConsumeStream(Broker& broker, std::string address, ReadPools pools,
                             StreamRegistry& registry)
    : broker_(broker), address_(std::move(address)), pools_(pools), registry_(registry) {}

ConsumeStream* ConsumeStream::Start(Broker& broker, std::string address, ReadPools pools,
                                    StreamRegistry& registry) {
  std::shared_ptr<ConsumeStream> stream(
      new ConsumeStream(broker, std::move(address), pools, registry));
  stream->self_ = stream;
  registry.Add(stream);
  stream->Proceed();
  return stream.get();
}

ConsumerSession* ConsumeStream::session() {
  MutexLock lock(mutex_);
  return session_.get();
}

// ---- What comes in

void ConsumeStream::OnReadDone(bool ok) {
  const absl::Status status = ok ? Handle(in_) : absl::OkStatus();
  in_.Clear();
  ConsumerSession* session = nullptr;
  {
    MutexLock lock(mutex_);
    reading_ = false;
    half_closed_ |= !ok;
    session = session_.get();
  }
  if (!status.ok()) {
    EndWith(status);
  } else if (!ok && session == nullptr) {
    EndWith(InvalidField("open", "is required in the first request"));
  } else if (!ok) {
    session->Leave(/*at_once=*/true);  // Nothing that is out can be settled any more.
  }
  Proceed();
}

absl::Status ConsumeStream::Handle(const grpc::ByteBuffer& message) {
  ASSIGN_OR_RETURN(const SharedBytes bytes, Gather(message));
  v1::ConsumeRequest request;
  if (!request.ParseFromArray(bytes.data(), static_cast<int>(bytes.size()))) {
    return MalformedRequest("is not well-formed protobuf");
  }
  ConsumerSession* const open = session();
  return open == nullptr ? Open(request) : open->Take(std::move(request));
}

absl::Status ConsumeStream::Open(const v1::ConsumeRequest& request) {
  ASSIGN_OR_RETURN(std::unique_ptr<ConsumerSession> session,
                   broker_.subscriptions().OpenConsumer(
                       request, address_, [weak = weak_from_this(), &pool = pools_.wake] {
                         // On the commit thread, too: only hands over.
                         if (const auto stream = weak.lock()) {
                           pool.Post([stream] { stream->Wake(); });
                         }
                       }));
  ConsumerSession* const opened = session.get();
  bool draining;
  bool ended;
  {
    MutexLock lock(mutex_);
    session_ = std::move(session);
    woken_ = true;
    draining = draining_;
    ended = ended_;
  }
  // What was asked before it was there.
  if (draining) opened->Leave(/*at_once=*/true);
  if (ended) opened->Close(Subscription::Ended::kByHub);
  return absl::OkStatus();
}

// ---- What goes out

void ConsumeStream::Wake() {
  {
    MutexLock lock(mutex_);
    woken_ = true;
  }
  Proceed();
}

void ConsumeStream::Poll() {
  ConsumeFrame frame;
  const absl::StatusOr<ConsumerSession::Step> step = session()->Poll(&frame);
  if (step.ok() && *step == ConsumerSession::Step::kFrame) return Send(std::move(frame));
  if (step.ok() && *step == ConsumerSession::Step::kCold) {
    return pools_.disk.Post([self = shared_from_this()] { self->ReadCold(); });
  }
  if (!step.ok() || *step == ConsumerSession::Step::kEnd) EndWith(step.status());
  MutexLock lock(mutex_);
  sending_ = false;
}

void ConsumeStream::ReadCold() {
  ConsumeFrame frame;
  session()->ReadCold(&frame);
  if (!frame.empty()) return Send(std::move(frame));
  {
    MutexLock lock(mutex_);
    sending_ = false;
    woken_ = true;
  }
  Proceed();
}

void ConsumeStream::Send(ConsumeFrame frame) {
  out_ = EncodeFrame(std::move(frame));
  StartWrite(&out_);
}

void ConsumeStream::OnWriteDone(bool ok) {
  out_.Clear();
  {
    MutexLock lock(mutex_);
    sending_ = false;
    woken_ = true;  // There may be more.
  }
  if (!ok) EndWith(absl::CancelledError("the client has gone"));
  Proceed();
}

// ---- The end

void ConsumeStream::OnCancel() {
  EndWith(absl::CancelledError("the client has gone"));
  Proceed();
}

void ConsumeStream::Drain() {
  ConsumerSession* session;
  {
    MutexLock lock(mutex_);
    draining_ = true;
    session = session_.get();
  }
  if (session != nullptr) {
    session->Leave(/*at_once=*/true);
  } else {
    EndWith(absl::OkStatus());
  }
  Proceed();
}

// Others get what this consumer has at this moment, not when gRPC is done with the stream.
void ConsumeStream::EndWith(const absl::Status& status) {
  ConsumerSession* session;
  bool draining;
  {
    MutexLock lock(mutex_);
    if (std::exchange(ended_, true)) return;
    status_ = status;
    session = session_.get();
    draining = draining_;
  }
  if (session == nullptr) return;
  session->Close(draining ? Subscription::Ended::kByHub : Subscription::Ended::kByConsumer);
}

void ConsumeStream::OnDone() {
  registry_.Remove(*this);
  const std::shared_ptr<ConsumeStream> last = std::move(self_);
}

grpc::Status ConsumeStream::FinalStatus() {
  MutexLock lock(mutex_);
  if (draining_ && status_.ok()) return ToGrpcStatus(ShuttingDown(kReconnectDelay));
  return ToGrpcStatus(status_);
}

// ---- The loop

void ConsumeStream::Proceed() {
  const std::shared_ptr<ConsumeStream> self = shared_from_this();
  for (;;) {
    Action action;
    {
      MutexLock lock(mutex_);
      // Whoever proceeds looks again after each action, and sees what has changed by then.
      if (proceeding_) return;
      action = NextAction();
      proceeding_ = action != Action::kNone;
    }
    switch (action) {
      case Action::kNone:
        return;
      case Action::kRead:
        StartRead(&in_);
        break;
      case Action::kPoll:
        Poll();
        break;
      case Action::kFinish:
        Finish(FinalStatus());
        break;
    }
    MutexLock lock(mutex_);
    proceeding_ = false;
  }
}

ConsumeStream::Action ConsumeStream::NextAction() {
  if (finished_) return Action::kNone;
  if (ended_) {
    if (sending_) return Action::kNone;
    finished_ = true;
    return Action::kFinish;
  }
  if (woken_ && !sending_ && session_ != nullptr) {
    woken_ = false;
    sending_ = true;
    return Action::kPoll;
  }
  if (MayRead()) {
    reading_ = true;
    return Action::kRead;
  }
  return Action::kNone;
}

bool ConsumeStream::MayRead() {
  if (reading_ || half_closed_ || draining_) return false;
  return session_ == nullptr || !session_->Overloaded();
}

}  // namespace eventhub
