// The base of the connection's bidirectional streams over gRPC.
#pragma once

#include <grpcpp/client_context.h>
#include <grpcpp/generic/generic_stub.h>
#include <grpcpp/impl/codegen/proto_utils.h>
#include <grpcpp/support/byte_buffer.h>
#include <grpcpp/support/client_callback.h>

#include <memory>
#include <utility>

#include "absl/status/status.h"
#include "client/src/connection/channel_pool.h"
#include "client/src/connection/grpc_status.h"
#include "client/src/connection/grpc_thread.h"
#include "client/src/connection/grpc_write_gate.h"

namespace eventhub::client {

// One call, whose requests are raw bytes. Response is a message, or grpc::ByteBuffer.
template <typename Response>
class GrpcBidiStream : private grpc::ClientBidiReactor<grpc::ByteBuffer, Response> {
 protected:
  GrpcBidiStream(std::shared_ptr<ChannelUsers> users, ChannelPool::Place place)
      : use_(std::move(users)), place_(std::move(place)) {}

  // Starts the call. `self` owns the stream, and is kept until gRPC is done with it.
  void Begin(const char* method, std::shared_ptr<const void> self) {
    self_ = std::move(self);
    grpc::TemplatedGenericStub<grpc::ByteBuffer, Response> stub(place_.channel());
    stub.PrepareBidiStreamingCall(&context_, method, {}, this);
    this->AddHold();
    this->StartRead(&response_);
    this->StartCall();
  }

  // Starts a write. One at a time: the next after Written(). Does nothing after the call's end.
  void Send(grpc::ByteBuffer request) {
    if (!gate_.Enter()) return;
    request_.Swap(&request);
    this->StartWrite(&request_);
    if (gate_.Leave()) this->RemoveHold();
  }

  void CancelCall() { context_.TryCancel(); }

  // Takes a response. Returns false if the call must end.
  virtual bool Receive(Response& response) = 0;
  virtual void Written() = 0;
  // Called last.
  virtual void Ended(const grpc::Status& status) = 0;

  // The status of a call that ended, in our terms.
  absl::Status StatusOf(const grpc::Status& status) const { return FromGrpc(status, context_); }

 private:
  void OnReadDone(bool ok) final {
    const GrpcThreadScope scope;
    if (ok && Receive(response_)) {
      this->StartRead(&response_);
      return;
    }
    if (ok) context_.TryCancel();
    if (gate_.End()) this->RemoveHold();
  }

  void OnWriteDone(bool ok) final {
    const GrpcThreadScope scope;
    request_.Clear();
    if (ok) Written();
  }

  void OnDone(const grpc::Status& status) final {
    const GrpcThreadScope scope;
    const std::shared_ptr<const void> self = std::move(self_);
    Ended(status);
  }

  const ChannelUse use_;
  const ChannelPool::Place place_;
  grpc::ClientContext context_;
  WriteGate gate_;
  grpc::ByteBuffer request_;  // Of the write in progress.
  Response response_;         // Of the read in progress.
  std::shared_ptr<const void> self_;
};

// Returns the stream as the interface that it implements. Dropping the last copy of the result
// cancels the call.
template <typename Interface, typename Stream>
std::shared_ptr<Interface> CancelledWhenDropped(std::shared_ptr<Stream> stream) {
  Stream* const raw = stream.get();
  return std::shared_ptr<Interface>(raw,
                                    [stream = std::move(stream)](Interface*) { stream->Cancel(); });
}

}  // namespace eventhub::client
