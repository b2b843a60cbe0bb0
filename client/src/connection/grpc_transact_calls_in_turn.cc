#include "client/src/connection/grpc_transact_calls_in_turn.h"

#include <grpcpp/generic/generic_stub.h>
#include <grpcpp/support/slice.h>

#include <utility>

#include "client/src/connection/grpc_bidi_stream.h"
#include "client/src/connection/grpc_status.h"
#include "client/src/publish/transaction_proto.h"
#include "eventhub/error.h"
#include "proto/wire/field_reader.h"

namespace eventhub::client {
namespace {

constexpr char kTransactMethod[] = "/eventhub.v1.EventHubService/Transact";

uint64_t CorrelationId(std::string_view request) {
  wire::FieldReader field(request);
  uint64_t id = 0;
  while (field.Next()) {
    if (field.Is(v1::TransactStreamRequest::kCorrelationIdFieldNumber, wire::WireType::kVarint)) {
      id = field.value();
    }
  }
  return id;
}

absl::Status Cancelled() { return absl::CancelledError("the stream is cancelled"); }

}  // namespace

GrpcTransactCallsInTurn::GrpcTransactCallsInTurn(std::shared_ptr<ChannelUsers> users,
                                                 ChannelPool::Place place,
                                                 std::shared_ptr<std::atomic<bool>> unknown,
                                                 std::shared_ptr<Handler> handler)
    : use_(std::move(users)),
      place_(std::move(place)),
      unknown_(std::move(unknown)),
      handler_(std::move(handler)) {}

std::shared_ptr<TransactStream> GrpcTransactCallsInTurn::Start(
    ChannelPool& channels, std::shared_ptr<ChannelUsers> users,
    std::shared_ptr<std::atomic<bool>> unknown, std::shared_ptr<Handler> handler) {
  auto calls = std::make_shared<GrpcTransactCallsInTurn>(std::move(users), channels.TakePlace(),
                                                         std::move(unknown), std::move(handler));
  return CancelledWhenDropped<TransactStream>(std::move(calls));
}

void GrpcTransactCallsInTurn::Write(std::string request) {
  auto call = std::make_unique<Call>();
  // A Transact skips the correlation number as a field that it does not know.
  call->correlation_id = CorrelationId(request);
  const grpc::Slice slice(request);
  call->request = grpc::ByteBuffer(&slice, 1);
  Call& started = *call;
  {
    MutexLock lock(mutex_);
    if (closed_) return;
    call_ = std::move(call);
  }
  grpc::TemplatedGenericStub<grpc::ByteBuffer, v1::TransactResponse> stub(place_.channel());
  stub.UnaryCall(&started.context, kTransactMethod, {}, &started.request, &started.response,
                 [self = shared_from_this()](const grpc::Status& status) { self->OnDone(status); });
}

void GrpcTransactCallsInTurn::OnDone(const grpc::Status& status) {
  const GrpcThreadScope scope;
  std::unique_ptr<Call> call;
  TransactReply reply;
  bool cancelled = false;
  bool of_hub = false;  // Whether the outcome is the hub's.
  {
    MutexLock lock(mutex_);
    call = std::move(call_);
    reply.status = FromGrpc(status, call->context);
    of_hub = reply.status.ok() || GetErrorInfo(reply.status).has_value();
    cancelled = closed_;
    closed_ |= !of_hub;
  }
  if (!of_hub) {
    *unknown_ = false;
    handler_->OnClosed(reply.status);
    return;
  }
  reply.correlation_id = call->correlation_id;
  if (reply.status.ok()) SetResult(call->response, reply);
  handler_->OnReply(std::move(reply));
  if (cancelled) {
    handler_->OnClosed(Cancelled());
  } else {
    handler_->OnWritten();
  }
}

void GrpcTransactCallsInTurn::Cancel() {
  {
    MutexLock lock(mutex_);
    if (closed_) return;
    closed_ = true;
    if (call_ != nullptr) {
      call_->context.TryCancel();
      return;  // OnDone closes it.
    }
  }
  handler_->OnClosed(Cancelled());
}

}  // namespace eventhub::client
