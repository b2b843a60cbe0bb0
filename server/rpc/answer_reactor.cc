#include "server/rpc/answer_reactor.h"

#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "grpcpp/server_context.h"
#include "server/core/base/errors.h"

namespace eventhub {
namespace {

// gRPC has the message and its encoding.
constexpr size_t kForms = 2;

// Until then, clients take their answers, or their calls are cancelled.
constexpr absl::Duration kAnswerRetry = absl::Seconds(1);

}  // namespace

absl::Status AnswersInFlight(size_t bytes) {
  return WithMessage(TooMuchInFlight("answers", kAnswerRetry),
                     absl::StrCat("answers that clients have not taken leave no memory for one of ",
                                  bytes, " bytes"));
}

bool AnswerReactor::Count(size_t bytes) {
  const size_t held = kForms * bytes;
  if (held > FrameBudget::kMinFrame && frames_.used() + held > frames_.limit()) return false;
  frames_.Send(*this, held);
  return true;
}

void AnswerReactor::OnDone() {
  frames_.Return(*this);
  {
    const std::lock_guard<std::recursive_mutex> lock(call_->mutex);
    call_->context = nullptr;
  }
  delete this;
}

absl::AnyInvocable<void() &&> AnswerReactor::Eviction() {
  return [call = call_] {
    const std::lock_guard<std::recursive_mutex> lock(call->mutex);
    if (call->context != nullptr) call->context->TryCancel();
  };
}

}  // namespace eventhub
