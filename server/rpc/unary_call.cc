#include "server/rpc/unary_call.h"

#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "grpcpp/server_context.h"
#include "server/core/base/errors.h"
#include "server/rpc/byte_buffers.h"
#include "server/rpc/rpc_status.h"

namespace eventhub {
namespace {

// Until then, clients take their answers, or their calls are cancelled.
constexpr absl::Duration kAnswerRetry = absl::Seconds(1);

// An answer of this size has no memory now.
absl::Status AnswersInFlight(size_t bytes) {
  return WithMessage(TooMuchInFlight("answers", kAnswerRetry),
                     absl::StrCat("answers that clients have not taken leave no memory for one of ",
                                  bytes, " bytes"));
}

}  // namespace

UnaryCall::UnaryCall(grpc::CallbackServerContext& context, FrameBudget& frames,
                     grpc::ByteBuffer* response)
    : call_(std::make_shared<Call>()), frames_(frames), response_(response) {
  call_->context = &context;
}

void UnaryCall::Answer(const google::protobuf::Message& response) {
  const size_t bytes = response.ByteSizeLong();
  if (!Count(bytes)) return Refuse(AnswersInFlight(bytes));
  *response_ = Serialize(response);
  Finish(grpc::Status::OK);
}

void UnaryCall::Refuse(const absl::Status& status) { Finish(ToGrpcStatus(status)); }

bool UnaryCall::Count(size_t bytes) {
  if (bytes > FrameBudget::kMinFrame && frames_.used() + bytes > frames_.limit()) return false;
  frames_.Send(*this, bytes);
  return true;
}

void UnaryCall::OnDone() {
  frames_.Return(*this);
  {
    const std::lock_guard<std::recursive_mutex> lock(call_->mutex);
    call_->context = nullptr;
  }
  delete this;
}

absl::AnyInvocable<void() &&> UnaryCall::Eviction() {
  return [call = call_] {
    const std::lock_guard<std::recursive_mutex> lock(call->mutex);
    if (call->context != nullptr) call->context->TryCancel();
  };
}

}  // namespace eventhub
