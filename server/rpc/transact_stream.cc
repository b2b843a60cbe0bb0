#include "server/rpc/transact_stream.h"

#include <utility>

#include "proto/wire/field_reader.h"

namespace eventhub {
namespace {

// A request differs from a v1::TransactRequest in its correlation number alone.
using Request = v1::TransactStreamRequest;
static_assert(int{Request::kTransactionIdFieldNumber} ==
              int{v1::TransactRequest::kTransactionIdFieldNumber});
static_assert(int{Request::kDurabilityFieldNumber} ==
              int{v1::TransactRequest::kDurabilityFieldNumber});
static_assert(int{Request::kAcksFieldNumber} == int{v1::TransactRequest::kAcksFieldNumber});
static_assert(int{Request::kChecksFieldNumber} == int{v1::TransactRequest::kChecksFieldNumber});
static_assert(int{Request::kAppendsFieldNumber} == int{v1::TransactRequest::kAppendsFieldNumber});

// 0 if there is none, or the message is malformed.
uint64_t CorrelationId(absl::string_view message) {
  wire::FieldReader field(message);
  uint64_t id = 0;
  while (field.Next()) {
    if (field.Is(Request::kCorrelationIdFieldNumber, wire::WireType::kVarint)) {
      id = field.value();
    }
  }
  return field.ok() ? id : 0;
}

}  // namespace

TransactStream::TransactStream(Transactions& transactions, PublishLimits& limits,
                               StreamRegistry& registry, Caller caller, StreamLimits::Place place)
    : PipelinedStream(limits, registry, std::move(caller), std::move(place)),
      transactions_(transactions) {}

TransactStream* TransactStream::Start(Transactions& transactions, PublishLimits& limits,
                                      StreamRegistry& registry, Caller caller,
                                      StreamLimits::Place place) {
  std::shared_ptr<TransactStream> stream(
      new TransactStream(transactions, limits, registry, std::move(caller), std::move(place)));
  stream->Begin();
  return stream.get();
}

absl::Status TransactStream::Submit(const SharedBytes& message, uint64_t number) {
  const uint64_t id = CorrelationId(message.view());
  const absl::StatusOr<TransactionRequest> request = ParseTransaction(message);
  if (!request.ok()) {
    Answer<v1::TransactStreamResponse, v1::TransactResponse>(number, id, request.status());
    return absl::OkStatus();
  }
  const size_t bytes = message.size() + request->parsed_bytes;
  connection().NoteTaken(message.size());
  connection().Hold(bytes);
  SetFlow(transactions_.Transact(
      caller(), *request,
      [self = std::static_pointer_cast<TransactStream>(shared_from_this()), number, bytes,
       id](absl::StatusOr<v1::TransactResponse> outcome) {
        self->connection().Release(bytes);
        self->Answer<v1::TransactStreamResponse>(number, id, std::move(outcome));
      }));
  return absl::OkStatus();
}

void TransactStream::Refuse(uint64_t number, const absl::Status& status) {
  Answer<v1::TransactStreamResponse, v1::TransactResponse>(number, /*correlation_id=*/0, status);
}

}  // namespace eventhub
