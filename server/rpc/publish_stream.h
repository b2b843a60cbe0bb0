// The streaming method EventHubService.PublishStream.
#pragma once

#include <cstdint>
#include <deque>
#include <memory>

#include "grpcpp/support/byte_buffer.h"
#include "grpcpp/support/server_callback.h"
#include "server/core/broker.h"
#include "server/rpc/publish_limits.h"
#include "server/rpc/stream_limits.h"
#include "server/rpc/stream_registry.h"
#include "storage/base/mutex.h"
#include "storage/watermark.h"

namespace eventhub {

// One stream. Requests are passed to the broker as they arrive; their outcomes arrive from the
// commit thread, and are sent in the order of the requests. While too much is in flight, on the
// connection or in the hub, or too many replies wait to be sent, the stream does not read, so
// HTTP/2 flow control slows down the client.
//
// gRPC holds a reference until OnDone, and so does each request that the broker has.
class PublishStream final : public grpc::ServerBidiReactor<grpc::ByteBuffer, grpc::ByteBuffer>,
                            public DrainableStream,
                            public std::enable_shared_from_this<PublishStream>,
                            private Watermark::Waiter {
 public:
  static PublishStream* Start(Broker& broker, std::shared_ptr<PublishLimits::Connection> connection,
                              StreamRegistry& registry, StreamLimits::Place place);

  void OnReadDone(bool ok) override;
  void OnWriteDone(bool ok) override;
  void OnCancel() override;
  void OnDone() override;
  void Drain() override;

 private:
  // The slot of a request's reply, in order.
  struct Reply {
    bool ready = false;
    grpc::ByteBuffer bytes;
  };
  enum class Action { kNone, kRead, kWrite, kFinish };

  PublishStream(Broker& broker, std::shared_ptr<PublishLimits::Connection> connection,
                StreamRegistry& registry, StreamLimits::Place place);

  void Wake() override;  // The budget may have room again.

  void Handle(uint64_t number);
  absl::Status Submit(const SharedBytes& message, uint64_t number);
  void Answer(uint64_t number, uint64_t correlation_id, absl::StatusOr<v1::PublishResult> outcome);

  // Takes all possible actions, one after another, on one thread at a time. Called after each
  // change.
  void Proceed();
  Action NextAction() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  bool MayRead() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  bool MayFinish() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  grpc::Status FinalStatus();

  Broker& broker_;
  const std::shared_ptr<PublishLimits::Connection> connection_;
  StreamRegistry& registry_;
  const StreamLimits::Place place_;
  std::shared_ptr<PublishStream> self_;  // gRPC's reference.

  grpc::ByteBuffer in_;   // Used by the read in progress.
  grpc::ByteBuffer out_;  // Used by the write in progress.

  Mutex mutex_;
  std::deque<Reply> replies_ ABSL_GUARDED_BY(mutex_);  // Starting with request number first_reply_.
  uint64_t first_reply_ ABSL_GUARDED_BY(mutex_) = 0;
  size_t unanswered_ ABSL_GUARDED_BY(mutex_) = 0;
  bool proceeding_ ABSL_GUARDED_BY(mutex_) = false;
  bool reading_ ABSL_GUARDED_BY(mutex_) = false;  // Until the request read is passed to the broker.
  bool writing_ ABSL_GUARDED_BY(mutex_) = false;
  MemoryBudget* waiting_for_ ABSL_GUARDED_BY(mutex_) = nullptr;
  bool half_closed_ ABSL_GUARDED_BY(mutex_) = false;  // The client sends no more.
  bool broken_ ABSL_GUARDED_BY(mutex_) = false;       // The client has disconnected.
  bool draining_ ABSL_GUARDED_BY(mutex_) = false;
  bool finished_ ABSL_GUARDED_BY(mutex_) = false;
};

}  // namespace eventhub
