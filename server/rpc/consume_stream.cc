#include "server/rpc/consume_stream.h"

#include <utility>

#include "grpcpp/server_context.h"
#include "server/core/base/errors.h"
#include "server/core/erasure/open_events.h"
#include "server/rpc/byte_buffers.h"
#include "server/rpc/frame_encoder.h"
#include "server/rpc/request_bounds.h"
#include "server/rpc/rpc_status.h"
#include "storage/base/status_macros.h"

namespace eventhub {

ConsumeStream::ConsumeStream(Subscriptions& subscriptions, ReadPools pools, PublishLimits& limits,
                             StreamRegistry& registry, Caller caller, StreamLimits::Place place,
                             grpc::CallbackServerContext* context)
    : OpenStream(registry, std::move(caller), std::move(place)),
      subscriptions_(subscriptions),
      pools_(pools),
      connection_(limits.Connect(this->caller().peer())),
      context_(context) {}

ConsumeStream* ConsumeStream::Start(Subscriptions& subscriptions, ReadPools pools,
                                    PublishLimits& limits, StreamRegistry& registry, Caller caller,
                                    StreamLimits::Place place,
                                    grpc::CallbackServerContext* context) {
  std::shared_ptr<ConsumeStream> stream(new ConsumeStream(
      subscriptions, pools, limits, registry, std::move(caller), std::move(place), context));
  stream->Register();
  stream->Proceed();
  return stream.get();
}

ConsumerSession* ConsumeStream::session() {
  MutexLock lock(mutex_);
  return session_.get();
}

// ---- Requests

void ConsumeStream::OnReadDone(bool ok) {
  if (ok) connection_->NoteTaken(in_.Length());
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
    session->Leave(/*at_once=*/true);  // Events in flight can no longer be settled.
  }
  Proceed();
}

absl::Status ConsumeStream::Handle(const grpc::ByteBuffer& message) {
  ASSIGN_OR_RETURN(const SharedBytes bytes, Gather(message));
  v1::ConsumeRequest request;
  ASSIGN_OR_RETURN(const wire::MessageFields fields,
                   Measure(*request.GetDescriptor(), bytes, kConsumeRequest.fields));
  RETURN_IF_ERROR(Parse(bytes, fields, &request));
  ConsumerSession* const open = session();
  return open == nullptr ? Open(request) : open->Take(std::move(request));
}

absl::Status ConsumeStream::Open(const v1::ConsumeRequest& request) {
  ASSIGN_OR_RETURN(std::unique_ptr<ConsumerSession> session,
                   subscriptions_.OpenConsumer(caller(), request,
                                               [weak = weak_from_this(), &pool = pools_.wake] {
                                                 // Also called on the commit thread: only hands
                                                 // over.
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
  // A drain may have started before the session existed.
  if (draining) opened->Leave(/*at_once=*/true);
  if (ended) opened->Close(Subscription::Ended::kByHub);
  return absl::OkStatus();
}

// ---- Responses

void ConsumeStream::Wake() {
  {
    MutexLock lock(mutex_);
    woken_ = true;
  }
  Proceed();
}

void ConsumeStream::Poll() {
  ConsumeFrame frame;
  const size_t room = pools_.frames.Suggest(*this, session()->frame_bytes());
  const absl::StatusOr<ConsumerSession::Step> step = session()->Poll(&frame, room);
  if (step.ok() && *step == ConsumerSession::Step::kFrame) {
    if (!MayBeSealed(pools_.keys, frame.deliveries)) return Send(std::move(frame), room);
    return pools_.disk.Post([self = shared_from_this(), frame = std::move(frame), room]() mutable {
      self->OpenAndSend(std::move(frame), room);
    });
  }
  if (step.ok() && *step == ConsumerSession::Step::kCold) return AwaitFrameMemory();
  if (!step.ok() || *step == ConsumerSession::Step::kEnd) EndWith(step.status());
  MutexLock lock(mutex_);
  sending_ = false;
}

void ConsumeStream::AwaitFrameMemory() {
  const size_t granted = pools_.frames.Take(*this, session()->frame_bytes());
  if (granted != 0) return Granted(granted);
  bool ended;
  {
    MutexLock lock(mutex_);
    ended = ended_;
  }
  if (ended) CancelFrameMemoryWait();  // Whoever ended the stream before found no wait to cancel.
}

// Finishes a wait with ReadCold, which then delivers nothing.
void ConsumeStream::CancelFrameMemoryWait() {
  if (pools_.frames.Cancel(*this)) Granted(0);
}

void ConsumeStream::Granted(size_t bytes) {
  pools_.disk.Post([self = shared_from_this(), bytes] { self->ReadCold(bytes); });
}

void ConsumeStream::ReadCold(size_t room) {
  ConsumeFrame frame;
  session()->ReadCold(&frame, room);
  if (!frame.empty()) return OpenAndSend(std::move(frame), room);
  pools_.frames.Return(*this);
  {
    MutexLock lock(mutex_);
    sending_ = false;
    woken_ = true;
  }
  Proceed();
}

void ConsumeStream::OpenAndSend(ConsumeFrame frame, size_t room) {
  const absl::Status opened = OpenSealed(pools_.keys, &frame.deliveries, &frame.bytes);
  if (opened.ok()) return Send(std::move(frame), room);
  pools_.frames.Return(*this);
  EndWith(opened);
  {
    MutexLock lock(mutex_);
    sending_ = false;
  }
  Proceed();
}

void ConsumeStream::Send(ConsumeFrame frame, size_t room) {
  EncodedFrame encoded = EncodeFrame(std::move(frame), room);
  out_.Swap(&encoded.message);
  pools_.frames.Send(*this, encoded.held);
  StartWrite(&out_);
}

// The write is in progress, since the holder holds its frame; so the call does not end before
// `evicting_` is seen.
absl::AnyInvocable<void() &&> ConsumeStream::Eviction() {
  evicting_ = true;
  return [self = shared_from_this()] { self->Evict(); };
}

void ConsumeStream::Evict() {
  {
    MutexLock lock(mutex_);
    evicted_ = true;
  }
  context_->TryCancel();
  evicting_ = false;
  Proceed();
}

void ConsumeStream::OnWriteDone(bool ok) {
  out_.Clear();
  pools_.frames.Return(*this);
  {
    MutexLock lock(mutex_);
    sending_ = false;
    woken_ = true;  // More may have become available.
  }
  if (!ok) EndWith(absl::CancelledError("the client has gone"));
  Proceed();
}

// ---- End of the stream

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

// Others get this consumer's events now, not when gRPC is done with the stream.
void ConsumeStream::EndWith(const absl::Status& status) {
  ConsumerSession* session;
  bool by_hub;
  {
    MutexLock lock(mutex_);
    if (std::exchange(ended_, true)) return;
    status_ = status;
    session = session_.get();
    by_hub = draining_ || evicted_;
  }
  if (session != nullptr) {
    session->Close(by_hub ? Subscription::Ended::kByHub : Subscription::Ended::kByConsumer);
  }
  CancelFrameMemoryWait();
}

void ConsumeStream::OnDone() { Unregister(); }

grpc::Status ConsumeStream::FinalStatus() {
  MutexLock lock(mutex_);
  if (draining_ && status_.ok()) return ToGrpcStatus(ShuttingDown(kReconnectDelay));
  return ToGrpcStatus(status_);
}

// ---- Loop

void ConsumeStream::Take(Action action) {
  switch (action) {
    case Action::kNone:
      break;
    case Action::kRead:
      StartRead(&in_);
      break;
    case Action::kSend:
      Poll();
      break;
    case Action::kFinish:
      Finish(FinalStatus());
      break;
  }
}

StreamLoop::Action ConsumeStream::NextAction() {
  if (finished_) return Action::kNone;
  if (ended_) {
    if (sending_ || evicting_) return Action::kNone;
    finished_ = true;
    return Action::kFinish;
  }
  if (woken_ && !sending_ && session_ != nullptr) {
    woken_ = false;
    sending_ = true;
    return Action::kSend;
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
