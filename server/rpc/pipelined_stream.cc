#include "server/rpc/pipelined_stream.h"

#include <utility>

#include "server/rpc/rpc_status.h"
#include "storage/base/check.h"

namespace eventhub {
namespace {

// The stream does not read while this many replies, or bytes of them, wait to be sent. Replies
// about many delayed events or duplicates are as large as the requests.
constexpr size_t kMaxReplies = 1024;
constexpr size_t kMaxReplyBytes = size_t{64} << 10;

}  // namespace

PipelinedStream::PipelinedStream(PublishLimits& limits, StreamRegistry& registry, Caller caller,
                                 StreamLimits::Place place)
    : OpenStream(registry, std::move(caller), std::move(place)),
      connection_(limits.Connect(this->caller().peer())) {}

void PipelinedStream::Begin() {
  Register();
  Proceed();
}

void PipelinedStream::OnReadDone(bool ok) {
  bool taken = false;
  uint64_t number = 0;
  {
    MutexLock lock(mutex_);
    half_closed_ |= !ok;
    if (ok && !finished_) {
      taken = true;
      number = first_reply_ + replies_.size();
      replies_.emplace_back();
      ++unanswered_;
    }
  }
  if (taken) Handle(number);
  in_.Clear();
  {
    // Set only now: meanwhile another thread may send a reply to an earlier request and then read,
    // and the next request could reach the broker before this one.
    MutexLock lock(mutex_);
    reading_ = false;
  }
  Proceed();
}

void PipelinedStream::Handle(uint64_t number) {
  const absl::StatusOr<SharedBytes> message = Gather(in_);
  const absl::Status status = message.ok() ? Submit(*message, number) : message.status();
  if (!status.ok()) Refuse(number, status);
}

void PipelinedStream::Reply(uint64_t number, grpc::ByteBuffer bytes) {
  {
    MutexLock lock(mutex_);
    EVENTHUB_CHECK(number - first_reply_ < replies_.size(),
                   "a request is answered before its reply is sent");
    Slot& slot = replies_[number - first_reply_];
    EVENTHUB_CHECK(!slot.ready, "a request is answered once");
    slot.ready = true;
    slot.bytes.Swap(&bytes);
    reply_bytes_ += slot.bytes.Length();
    --unanswered_;
  }
  Proceed();
}

void PipelinedStream::OnWriteDone(bool ok) {
  {
    MutexLock lock(mutex_);
    writing_ = false;
    broken_ |= !ok;
  }
  Proceed();
}

void PipelinedStream::OnCancel() {
  {
    MutexLock lock(mutex_);
    broken_ = true;
  }
  Proceed();
}

void PipelinedStream::Drain() {
  {
    MutexLock lock(mutex_);
    draining_ = true;
  }
  Proceed();
}

void PipelinedStream::Wake() {
  const std::shared_ptr<PipelinedStream> self = shared_from_this();
  {
    MutexLock lock(mutex_);
    waiting_for_ = nullptr;
  }
  Proceed();
}

void PipelinedStream::OnDone() { Unregister(); }

void PipelinedStream::Take(Action action) {
  switch (action) {
    case Action::kNone:
      break;
    case Action::kRead:
      StartRead(&in_);
      break;
    case Action::kSend:
      StartWrite(&out_);
      break;
    case Action::kFinish:
      Finish(FinalStatus());
      break;
  }
}

StreamLoop::Action PipelinedStream::NextAction() {
  if (finished_) return Action::kNone;
  if (!writing_ && !replies_.empty() && replies_.front().ready) {
    out_.Swap(&replies_.front().bytes);
    reply_bytes_ -= out_.Length();
    replies_.pop_front();
    ++first_reply_;
    if (!broken_) {
      writing_ = true;
      return Action::kSend;
    }
    return NextAction();
  }
  if (MayFinish()) {
    finished_ = true;
    return Action::kFinish;
  }
  if (MayRead()) {
    reading_ = true;
    return Action::kRead;
  }
  return Action::kNone;
}

bool PipelinedStream::MayRead() {
  if (reading_ || half_closed_ || broken_ || draining_ || waiting_for_ != nullptr) return false;
  if (replies_.size() >= kMaxReplies || reply_bytes_ >= kMaxReplyBytes) return false;
  waiting_for_ = connection_->NotifyWhenFree(*this);
  MemoryBudget* const flow = flow_.load(std::memory_order_relaxed);
  if (waiting_for_ == nullptr && flow != nullptr && flow->NotifyWhenFree(*this)) {
    waiting_for_ = flow;
  }
  return waiting_for_ == nullptr;
}

bool PipelinedStream::MayFinish() {
  if (!half_closed_ && !broken_ && !draining_) return false;
  if (waiting_for_ != nullptr && waiting_for_->Cancel(*this)) waiting_for_ = nullptr;
  return waiting_for_ == nullptr && !writing_ && unanswered_ == 0 && replies_.empty();
}

grpc::Status PipelinedStream::FinalStatus() {
  MutexLock lock(mutex_);
  if (draining_) return ToGrpcStatus(ShuttingDown(kReconnectDelay));
  if (broken_) return grpc::Status(grpc::StatusCode::CANCELLED, "the client has gone");
  return grpc::Status::OK;
}

}  // namespace eventhub
