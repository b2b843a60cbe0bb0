// A stream of requests that change the log: each is answered by one reply, in order.
#pragma once

#include <atomic>
#include <cstdint>
#include <deque>
#include <memory>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "grpcpp/support/byte_buffer.h"
#include "grpcpp/support/server_callback.h"
#include "server/core/base/errors.h"
#include "server/core/base/memory_budget.h"
#include "server/rpc/byte_buffers.h"
#include "server/rpc/open_stream.h"
#include "server/rpc/publish_limits.h"
#include "server/rpc/stream_loop.h"
#include "storage/base/shared_bytes.h"
#include "storage/watermark.h"

namespace eventhub {

// The base of streams that take requests, nearly all of them for the broker.
// Requests are passed to the broker as they arrive; their outcomes arrive from the commit thread,
// and are sent in the order of the requests. While too much is in flight, on the connection or in
// the hub, or too many replies wait to be sent, the stream does not read, so HTTP/2 flow control
// slows down the client.
//
// gRPC holds a reference until OnDone, and so does each request that the broker has.
class PipelinedStream : public grpc::ServerBidiReactor<grpc::ByteBuffer, grpc::ByteBuffer>,
                        public OpenStream<PipelinedStream>,
                        private StreamLoop,
                        private Watermark::Waiter {
 public:
  void OnReadDone(bool ok) override;
  void OnWriteDone(bool ok) override;
  void OnCancel() override;
  void OnDone() override;
  void Drain() override;

 protected:
  PipelinedStream(PublishLimits& limits, StreamRegistry& registry, Caller caller,
                  StreamLimits::Place place);
  ~PipelinedStream() override = default;

  // Starts to read, and takes gRPC's reference. Call it once, when a shared_ptr owns the stream.
  void Begin();

  // Passes a request to the broker. If OK is returned, Answer is called for it, now or later;
  // otherwise Refuse is.
  virtual absl::Status Submit(const SharedBytes& message, uint64_t number) = 0;
  virtual void Refuse(uint64_t number, const absl::Status& status) = 0;

  // Answers request `number`, once. Response has the fields correlation_id, result and error.
  template <typename Response, typename Result>
  void Answer(uint64_t number, uint64_t correlation_id, absl::StatusOr<Result> outcome) {
    Response response;
    response.set_correlation_id(correlation_id);
    if (outcome.ok()) {
      *response.mutable_result() = *std::move(outcome);
    } else {
      *response.mutable_error() = ToErrorStatus(outcome.status());
    }
    Reply(number, Serialize(response));
  }

  // Likewise, with an encoded response.
  void Reply(uint64_t number, grpc::ByteBuffer bytes);

  // Reads no further request until the budget is free; null: see PublishLimits alone.
  void SetFlow(MemoryBudget* flow) { flow_.store(flow, std::memory_order_relaxed); }

  // Where the bytes of requests are counted while the broker has them.
  PublishLimits::Connection& connection() { return *connection_; }

 private:
  // The slot of a request's reply, in order.
  struct Slot {
    bool ready = false;
    grpc::ByteBuffer bytes;
  };
  void Wake() override;  // The budget may have room again.

  void Handle(uint64_t number);
  // Called after each change.
  void Proceed() { Run(shared_from_this()); }
  Action NextAction() override ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void Take(Action action) override;
  bool MayRead() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  bool MayFinish() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  grpc::Status FinalStatus();

  const std::shared_ptr<PublishLimits::Connection> connection_;
  std::atomic<MemoryBudget*> flow_{nullptr};

  grpc::ByteBuffer in_;   // Used by the read in progress.
  grpc::ByteBuffer out_;  // Used by the write in progress.

  std::deque<Slot> replies_ ABSL_GUARDED_BY(mutex_);  // Starting with request number first_reply_.
  uint64_t first_reply_ ABSL_GUARDED_BY(mutex_) = 0;
  size_t reply_bytes_ ABSL_GUARDED_BY(mutex_) = 0;  // Of those that are ready.
  size_t unanswered_ ABSL_GUARDED_BY(mutex_) = 0;
  bool reading_ ABSL_GUARDED_BY(mutex_) = false;  // Until the request read is passed to the broker.
  bool writing_ ABSL_GUARDED_BY(mutex_) = false;
  MemoryBudget* waiting_for_ ABSL_GUARDED_BY(mutex_) = nullptr;
  bool half_closed_ ABSL_GUARDED_BY(mutex_) = false;  // The client sends no more.
  bool broken_ ABSL_GUARDED_BY(mutex_) = false;       // The client has disconnected.
  bool draining_ ABSL_GUARDED_BY(mutex_) = false;
  bool finished_ ABSL_GUARDED_BY(mutex_) = false;
};

}  // namespace eventhub
