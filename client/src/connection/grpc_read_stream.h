// ReadStream over gRPC.
#pragma once

#include <grpcpp/channel.h>
#include <grpcpp/client_context.h>
#include <grpcpp/completion_queue.h>
#include <grpcpp/generic/generic_stub.h>

#include <memory>

#include "client/src/connection/channel_pool.h"
#include "eventhub/connection.h"

namespace eventhub::client {

// One Read call on raw bytes. It has its own completion queue, which the caller of Read polls: a
// response is received on the thread that wants it.
class GrpcReadStream final : public ReadStream {
 public:
  // Starts the call.
  GrpcReadStream(ChannelPool& channels, const ReadSpec& spec);
  ~GrpcReadStream() override;

  Outcome Read(absl::Duration timeout, Bytes& frame) override;
  absl::Status status() const override { return status_; }
  void Cancel() override { context_.TryCancel(); }

 private:
  // The operation that a completion belongs to; the values are gRPC's tags.
  enum class Step : intptr_t { kStarted = 1, kWritten, kRead, kFinished };

  static void* Tag(Step step) { return reinterpret_cast<void*>(step); }
  // Handles a completion. Returns true if it ends a call of Read, with `outcome`.
  bool Complete(Step step, bool ok, Bytes& frame, Outcome& outcome);
  // Returns false, and closes the stream, if the response cannot be decoded.
  bool TakeFrame(Bytes& frame);

  const ChannelPool::Place place_;
  grpc::ClientContext context_;
  grpc::CompletionQueue queue_;
  std::unique_ptr<grpc::GenericClientAsyncReaderWriter> call_;
  grpc::ByteBuffer request_;
  grpc::ByteBuffer response_;
  grpc::Status grpc_status_;
  bool closed_ = false;
  absl::Status status_;
};

}  // namespace eventhub::client
