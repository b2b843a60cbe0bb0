#include "server/rpc/read_stream.h"

#include <utility>

#include "grpcpp/server_context.h"
#include "server/core/base/errors.h"
#include "server/core/erasure/open_events.h"
#include "server/rpc/frame_encoder.h"
#include "server/rpc/request_intake.h"
#include "server/rpc/rpc_status.h"

namespace eventhub {
ReadStream::ReadStream(Readers& readers, ReadPools pools, StreamRegistry& registry, Caller caller,
                       StreamLimits::Place place, grpc::CallbackServerContext* context)
    : OpenStream(registry, std::move(caller), std::move(place)),
      readers_(readers),
      pools_(pools),
      context_(context) {}

ReadStream* ReadStream::Start(Readers& readers, ReadPools pools, PublishLimits& limits,
                              StreamRegistry& registry, Caller caller, StreamLimits::Place place,
                              grpc::CallbackServerContext* context,
                              const grpc::ByteBuffer& encoded) {
  std::shared_ptr<ReadStream> stream(
      new ReadStream(readers, pools, registry, std::move(caller), std::move(place), context));
  stream->Register();
  v1::ReadRequest request;
  absl::StatusOr<RequestLease> lease =
      ReceiveRequest(stream->caller().peer(), encoded, kListRequest, limits, &request);
  // Finding the start may read from disk.
  pools.disk.Post([stream, request = std::move(request), lease = std::move(lease)] {
    lease.ok() ? stream->Open(request) : stream->End(lease.status());
  });
  return stream.get();
}

void ReadStream::Open(const v1::ReadRequest& request) {
  absl::StatusOr<std::unique_ptr<TopicReader>> reader = readers_.Open(caller(), request);
  if (!reader.ok()) return End(reader.status());
  reader_ = *std::move(reader);
  Advance();
}

void ReadStream::Advance() {
  for (;;) {
    if (StopRequested()) return EndBecause(stop_);
    Frame frame;
    const size_t room = pools_.frames.Suggest(*this, reader_->frame_bytes());
    const absl::StatusOr<TopicReader::Step> step = reader_->Poll(&frame, room);
    if (!step.ok()) return End(step.status());
    switch (*step) {
      case TopicReader::Step::kFrame:
        if (reader_->as_stored() || !MayBeSealed(pools_.keys, frame.deliveries)) {
          return Send(std::move(frame), room);
        }
        return pools_.disk.Post(
            [self = shared_from_this(), frame = std::move(frame), room]() mutable {
              self->Continue(absl::OkStatus(), std::move(frame), room);
            });
      case TopicReader::Step::kEnd:
        return End(absl::OkStatus());
      case TopicReader::Step::kCold:
      case TopicReader::Step::kHistory:
        return AwaitFrameMemory(*step);
      case TopicReader::Step::kWait:
        if (Sleep()) return;
        break;
    }
  }
}

void ReadStream::AwaitFrameMemory(TopicReader::Step step) {
  from_lake_ = step == TopicReader::Step::kHistory;
  // Keeps the stream alive: once registered, it may continue, and end, on another thread.
  const std::shared_ptr<ReadStream> self = shared_from_this();
  const size_t granted = pools_.frames.Take(*this, reader_->frame_bytes());
  if (granted != 0) return Granted(granted);
  // A stop requested before the registration found nothing to wake.
  if (StopRequested() && pools_.frames.Cancel(*this)) EndBecause(stop_);
}

void ReadStream::Granted(size_t bytes) {
  const std::shared_ptr<ReadStream> self = shared_from_this();
  if (!from_lake_) return pools_.disk.Post([self, bytes] { self->ReadCold(bytes); });
  lake_read_.store(LakeRead::kUnderWay, std::memory_order_seq_cst);
  pools_.lake.Post([self, bytes] { self->ReadHistory(bytes); });
  // A stop requested before found nothing to abandon.
  if (StopRequested()) AbandonLakeRead();
}

void ReadStream::ReadCold(size_t room) {
  if (StopRequested()) return EndBecause(stop_);
  Frame frame;
  const absl::Status status = reader_->ReadCold(&frame, room);
  Continue(status, std::move(frame), room);
}

void ReadStream::ReadHistory(size_t room) {
  if (lake_read_.load(std::memory_order_seq_cst) == LakeRead::kAbandoned) return;
  Frame frame;
  const absl::Status status = reader_->ReadHistory(&frame, room);
  LakeRead expected = LakeRead::kUnderWay;
  if (!lake_read_.compare_exchange_strong(expected, LakeRead::kNone, std::memory_order_seq_cst)) {
    return;
  }
  Continue(status, std::move(frame), room);
}

void ReadStream::AbandonLakeRead() {
  LakeRead expected = LakeRead::kUnderWay;
  if (lake_read_.compare_exchange_strong(expected, LakeRead::kAbandoned,
                                         std::memory_order_seq_cst)) {
    EndBecause(stop_);
  }
}

void ReadStream::Continue(absl::Status status, Frame frame, size_t room) {
  if (status.ok() && !reader_->as_stored()) {
    status = OpenSealed(pools_.keys, &frame.deliveries, &frame.bytes);
  }
  if (!status.ok()) return End(status);
  if (!frame.empty()) return Send(std::move(frame), room);
  pools_.frames.Return(*this);
  Advance();
}

absl::AnyInvocable<void() &&> ReadStream::Eviction() {
  // The write is in progress, since the holder holds its frame.
  eviction_.store(EvictionState::kUnderWay, std::memory_order_seq_cst);
  return [self = shared_from_this()] { self->Evict(); };
}

void ReadStream::Evict() {
  context_->TryCancel();
  EvictionState expected = EvictionState::kUnderWay;
  if (eviction_.compare_exchange_strong(expected, EvictionState::kNone,
                                        std::memory_order_seq_cst)) {
    return;
  }
  eviction_.store(EvictionState::kNone, std::memory_order_seq_cst);
  ContinueAfterWrite(written_);
}

void ReadStream::Send(Frame frame, size_t room) {
  EncodedFrame encoded = EncodeFrame(std::move(frame), room);
  out_.Swap(&encoded.message);
  pools_.frames.Send(*this, encoded.held);
  StartWrite(&out_);
}

bool ReadStream::Sleep() {
  // Keeps the stream alive: once registered, it may be woken, and end, on another thread.
  const std::shared_ptr<ReadStream> self = shared_from_this();
  waiting_reader_.store(reader_.get(), std::memory_order_seq_cst);
  if (!reader_->NotifyWhenMore(*this)) return false;
  // A stop requested before the registration found nothing to wake. If the wait cannot be canceled,
  // another thread has taken it and continues.
  return !StopRequested() || !reader_->CancelNotify(*this);
}

void ReadStream::Wake() {
  pools_.wake.Post([self = shared_from_this()] { self->Advance(); });
}

bool ReadStream::StopRequested() { return stop_.load(std::memory_order_seq_cst) != Stop::kNo; }

void ReadStream::OnWriteDone(bool ok) {
  out_.Clear();
  pools_.frames.Return(*this);
  written_ = ok;
  EvictionState expected = EvictionState::kUnderWay;
  if (eviction_.compare_exchange_strong(expected, EvictionState::kWriteIsDone,
                                        std::memory_order_seq_cst)) {
    return;  // The eviction needs the call's context, which ends with the call.
  }
  ContinueAfterWrite(ok);
}

void ReadStream::ContinueAfterWrite(bool ok) {
  if (!ok) return End(absl::CancelledError("the client has gone"));
  Advance();
}

void ReadStream::OnCancel() {
  Stop expected = Stop::kNo;
  stop_.compare_exchange_strong(expected, Stop::kCancelled, std::memory_order_seq_cst);
  WakeToStop();
}

void ReadStream::Drain() {
  Stop expected = Stop::kNo;
  stop_.compare_exchange_strong(expected, Stop::kDraining, std::memory_order_seq_cst);
  WakeToStop();
}

// Cancels the wait, if there is one; this gives the right to end the stream.
void ReadStream::WakeToStop() {
  if (pools_.frames.Cancel(*this)) return EndBecause(stop_);
  AbandonLakeRead();
  TopicReader* const reader = waiting_reader_.load(std::memory_order_seq_cst);
  if (reader != nullptr && reader->CancelNotify(*this)) EndBecause(stop_);
}

void ReadStream::EndBecause(Stop stop) {
  End(stop == Stop::kDraining ? ShuttingDown(kReconnectDelay)
                              : absl::CancelledError("the client has gone"));
}

void ReadStream::End(const absl::Status& status) {
  pools_.frames.Return(*this);
  Finish(ToGrpcStatus(status));
}

void ReadStream::OnDone() { Unregister(); }

}  // namespace eventhub
