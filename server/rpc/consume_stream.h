// The streaming method EventHubService.Consume.
#pragma once

#include <atomic>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "grpcpp/support/byte_buffer.h"
#include "grpcpp/support/server_callback.h"
#include "server/core/read/frame_budget.h"
#include "server/core/subscription/subscriptions.h"
#include "server/rpc/open_stream.h"
#include "server/rpc/publish_limits.h"
#include "server/rpc/read_stream.h"
#include "server/rpc/stream_loop.h"

namespace eventhub {

// One consumer. The two directions are independent: requests are taken as they arrive, unless too
// many of them wait for their settlement; when gRPC has taken a response the next one is made, from
// memory at once, or from disk on a pool, when the budget has room for it. With nothing to send the
// stream sleeps, and costs nothing until the subscription wakes it.
//
// gRPC holds a reference until OnDone.
class ConsumeStream final : public grpc::ServerBidiReactor<grpc::ByteBuffer, grpc::ByteBuffer>,
                            public OpenStream<ConsumeStream>,
                            private StreamLoop,
                            private FrameBudget::Holder {
 public:
  static ConsumeStream* Start(Subscriptions& subscriptions, ReadPools pools, PublishLimits& limits,
                              StreamRegistry& registry, Caller caller, StreamLimits::Place place,
                              grpc::CallbackServerContext* context);

  void OnReadDone(bool ok) override;
  void OnWriteDone(bool ok) override;
  void OnCancel() override;
  void OnDone() override;
  void Drain() override;

 private:
  ConsumeStream(Subscriptions& subscriptions, ReadPools pools, PublishLimits& limits,
                StreamRegistry& registry, Caller caller, StreamLimits::Place place,
                grpc::CallbackServerContext* context);

  absl::Status Handle(const grpc::ByteBuffer& message);
  absl::Status Open(const v1::ConsumeRequest& request);
  // Called on any thread when there may be something to send.
  void Wake();
  // Makes the next response, in the loop.
  void Poll();
  // Continues with ReadCold when there is memory for it.
  void AwaitFrameMemory();
  void CancelFrameMemoryWait();
  void Granted(size_t bytes) override;
  void ReadCold(size_t room);
  // Opens sealed data first, which may read the disk.
  void OpenAndSend(ConsumeFrame frame, size_t room);
  void Send(ConsumeFrame frame, size_t room);
  absl::AnyInvocable<void() &&> Eviction() override;
  void Evict();
  void EndWith(const absl::Status& status);

  // Called after each change.
  void Proceed() { Run(shared_from_this()); }
  Action NextAction() override ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void Take(Action action) override;
  bool MayRead() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  grpc::Status FinalStatus();
  // Null until the session is open; then valid until OnDone.
  ConsumerSession* session();

  Subscriptions& subscriptions_;
  const ReadPools pools_;
  const std::shared_ptr<PublishLimits::Connection> connection_;
  grpc::CallbackServerContext* const context_;  // Valid until OnDone.

  grpc::ByteBuffer in_;   // Used by the read in progress.
  grpc::ByteBuffer out_;  // Used by the write in progress.

  // The eviction needs the call's context, so the call must not end.
  std::atomic<bool> evicting_{false};

  std::unique_ptr<ConsumerSession> session_ ABSL_GUARDED_BY(mutex_);
  bool reading_ ABSL_GUARDED_BY(mutex_) = false;
  bool sending_ ABSL_GUARDED_BY(mutex_) = false;  // From Poll until the response is sent.
  bool woken_ ABSL_GUARDED_BY(mutex_) = false;    // There may be something to send.
  bool half_closed_ ABSL_GUARDED_BY(mutex_) = false;
  bool evicted_ ABSL_GUARDED_BY(mutex_) = false;  // To free memory.
  bool draining_ ABSL_GUARDED_BY(mutex_) = false;
  bool ended_ ABSL_GUARDED_BY(mutex_) = false;  // With `status_`.
  bool finished_ ABSL_GUARDED_BY(mutex_) = false;
  absl::Status status_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace eventhub
