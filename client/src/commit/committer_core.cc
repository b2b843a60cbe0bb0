#include "client/src/commit/committer_core.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "client/src/base/failure.h"
#include "client/src/base/guarded.h"
#include "client/src/base/numbered_handler.h"
#include "client/src/commit/transaction_limits.h"
#include "client/src/publish/transaction_proto.h"
#include "eventhub/error.h"
#include "storage/base/status_macros.h"

namespace eventhub::client {
namespace {

// The answer to a transaction that is sent as several requests: the first error, which leaves the
// whole in doubt if another part took effect or may have.
class JoinedAnswer {
 public:
  JoinedAnswer(size_t parts, Committer::Callback done) : left_(parts), done_(std::move(done)) {}

  void Take(const absl::StatusOr<TransactionResult>& result) {
    {
      MutexLock lock(mutex_);
      if (result.ok()) {
        duplicate_ |= result->duplicate;
      } else {
        failure_.Update(result.status());
      }
      took_effect_ |= result.ok() || OutcomeIsUnknown(result.status());
      if (--left_ > 0) return;
    }
    std::move(done_)(Whole());
  }

 private:
  absl::StatusOr<TransactionResult> Whole() {
    MutexLock lock(mutex_);
    if (failure_.ok()) return TransactionResult{.duplicate = duplicate_};
    return took_effect_ ? WithUnknownOutcome(failure_) : failure_;
  }

  Mutex mutex_;
  size_t left_ ABSL_GUARDED_BY(mutex_);
  bool duplicate_ ABSL_GUARDED_BY(mutex_) = false;
  bool took_effect_ ABSL_GUARDED_BY(mutex_) = false;
  absl::Status failure_ ABSL_GUARDED_BY(mutex_);
  Committer::Callback done_;
};

// One callback for each of `requests`.
std::vector<Committer::Callback> CallbacksFor(size_t requests, Committer::Callback done) {
  std::vector<Committer::Callback> callbacks;
  if (requests == 1) {
    callbacks.push_back(std::move(done));
    return callbacks;
  }
  const auto joined = std::make_shared<JoinedAnswer>(requests, std::move(done));
  for (size_t i = 0; i < requests; ++i) {
    callbacks.emplace_back(
        [joined](const absl::StatusOr<TransactionResult>& result) { joined->Take(result); });
  }
  return callbacks;
}

}  // namespace

class CommitterCore::StreamHandler final : public NumberedHandler<CommitterCore, TransactStream> {
 public:
  using NumberedHandler::NumberedHandler;

  void OnWritten() override { Tell(&CommitterCore::OnWritten); }
  void OnReply(TransactReply reply) override { Tell(&CommitterCore::OnReply, std::move(reply)); }
  void OnClosed(absl::Status status) override { Tell(&CommitterCore::OnClosed, status); }
};

CommitterCore::CommitterCore(std::shared_ptr<Connection> connection, CommitterOptions options,
                             const Clock& clock)
    : connection_(std::move(connection)),
      options_(options),
      clock_(clock),
      queue_(options_.retry),
      slot_(options_.retry, clock.Monotonic()) {}

absl::Status CommitterCore::Commit(Transaction transaction, Committer::Callback done) {
  if (done == nullptr) {
    return WithNothingDone(absl::InvalidArgumentError("a callback for the answer is required"));
  }
  JoinAcks(transaction);
  RETURN_IF_ERROR(CheckTransaction(transaction));
  const size_t bytes = RequestBytes(transaction);
  std::vector<Transaction> requests = Split(std::move(transaction));
  std::vector<Committer::Callback> callbacks = CallbacksFor(requests.size(), std::move(done));
  bool pump = false;
  {
    MutexLock lock(mutex_);
    RETURN_IF_ERROR(AwaitSpace(requests.size(), bytes));
    const absl::Duration deadline = Now() + options_.deadline;
    for (size_t i = 0; i < requests.size(); ++i) {
      auto held = std::make_unique<HeldTransaction>();
      held->number = next_number_++;
      held->transaction = std::move(requests[i]);
      held->bytes = bytes / requests.size();
      held->deadline = deadline;
      held->done = std::move(callbacks[i]);
      unresolved_.insert(unresolved_.end(), held->number);
      queue_.Push(std::move(held));
    }
    Arm(deadline);
    pump = !slot_.busy();
  }
  if (pump) Pump();
  return absl::OkStatus();
}

bool CommitterCore::HasSpace(size_t requests, size_t bytes) const {
  return queue_.empty() || (queue_.size() + requests <= options_.max_in_flight &&
                            queue_.bytes() + bytes <= options_.max_in_flight_bytes);
}

absl::Status CommitterCore::AwaitSpace(size_t requests, size_t bytes) {
  const absl::Duration give_up = Now() + options_.deadline;
  while (options_.when_full == WhenFull::kBlock && !closing_ && !HasSpace(requests, bytes) &&
         Now() < give_up) {
    Arm(give_up);
    ++waiting_for_space_;
    space_.Wait(mutex_);
    --waiting_for_space_;
  }
  if (closing_) return WithNothingDone(absl::CancelledError("the committer is closed"));
  if (HasSpace(requests, bytes)) return absl::OkStatus();
  return WithNothingDone(absl::ResourceExhaustedError(
      absl::StrCat("the committer holds ", queue_.size(), " transactions of ", queue_.bytes(),
                   " bytes that are not answered yet")));
}

void CommitterCore::Pump() {
  std::shared_ptr<TransactStream> stream;
  uint64_t number = 0;
  std::string request;
  {
    MutexLock lock(mutex_);
    if (slot_.busy() || closed_) return;
    const absl::Duration now = Now();
    if (!slot_.is_open()) {
      if (!queue_.has_unsent() || now < slot_.not_before()) return;
      number = slot_.BeginOpen();
    } else {
      const HeldTransaction* const held = queue_.Send(now);
      if (held == nullptr) return;
      Arm(now + options_.reply_timeout);
      request = Encode(held->transaction, held->number);
      stream = slot_.BeginWrite();
    }
  }
  if (stream != nullptr) {
    stream->Write(std::move(request));
  } else {
    OpenStream(number);
  }
}

void CommitterCore::OpenStream(uint64_t number) {
  std::shared_ptr<TransactStream> stream = connection_->transact_streams().OpenTransactStream(
      std::make_shared<StreamHandler>(weak_from_this(), number));
  {
    MutexLock lock(mutex_);
    if (!slot_.Opened(number, stream)) return;
  }
  Pump();
}

void CommitterCore::OnWritten(uint64_t stream) {
  {
    MutexLock lock(mutex_);
    if (!slot_.Written(stream)) return;
  }
  Pump();
}

void CommitterCore::OnReply(uint64_t stream, TransactReply reply) {
  Answers answers;
  std::shared_ptr<TransactStream> lost;
  {
    MutexLock lock(mutex_);
    if (!slot_.Is(stream)) return;
    const absl::Status status = reply.status;
    if (!queue_.OnReply(std::move(reply), Now(), answers)) {
      const absl::Status broken = absl::InternalError("the hub sent a reply to no transaction");
      lost = LoseStream(broken, answers);
      BackOff(broken);
    } else if (status.ok()) {
      slot_.NoteSuccess();
    } else if (answers.empty()) {
      slot_.NoteFailure(status);  // It is retried.
      Arm(queue_.NextDelayed());
    }
    Finish(answers);
  }
  if (lost != nullptr) lost->Cancel();
  Pump();
  Report(std::move(answers));
}

void CommitterCore::OnClosed(uint64_t stream, const absl::Status& status) {
  Answers answers;
  std::shared_ptr<TransactStream> lost;
  {
    MutexLock lock(mutex_);
    if (!slot_.Is(stream)) return;
    // gRPC does not tell which request it was.
    const bool too_large = GetErrorReason(status) == ErrorReason::kRequestTooLarge;
    if (too_large) queue_.FailLargest(status, answers);
    const absl::Status why =
        status.ok() ? absl::UnavailableError("the hub ended the stream") : status;
    lost = LoseStream(why, answers);
    if (too_large) {
      // The other transactions are sent again at once.
    } else if (MayPass(why)) {
      if (!queue_.empty()) BackOff(why);
    } else {
      queue_.FailAll(why, answers);
    }
    Finish(answers);
  }
  Pump();
  Report(std::move(answers));
}

std::shared_ptr<TransactStream> CommitterCore::LoseStream(const absl::Status& status,
                                                          Answers& answers) {
  queue_.OnStreamLost(status, answers);
  return slot_.Lose();
}

void CommitterCore::BackOff(const absl::Status& status) {
  slot_.BackOff(status, Now());
  Arm(slot_.not_before());
}

void CommitterCore::Arm(absl::Duration when) {
  if (when >= armed_for_) return;
  armed_for_ = when;
  connection_->RunAfter(std::max(when - Now(), absl::ZeroDuration()), [weak = weak_from_this()] {
    if (const auto core = weak.lock()) core->OnTimer();
  });
}

void CommitterCore::OnTimer() {
  Answers answers;
  std::shared_ptr<TransactStream> silent;
  {
    MutexLock lock(mutex_);
    const absl::Duration now = Now();
    if (now < armed_for_) return;  // An earlier time superseded this one.
    armed_for_ = absl::InfiniteDuration();
    queue_.Expire(now, DeadlineError(), answers);
    if (queue_.OldestSentAt() + options_.reply_timeout <= now) {
      const absl::Status why = absl::UnavailableError("the hub does not reply");
      silent = LoseStream(why, answers);
      BackOff(why);
    }
    Arm(std::min(queue_.NextDeadline(), queue_.OldestSentAt() + options_.reply_timeout));
    if (queue_.NextDelayed() > now) Arm(queue_.NextDelayed());
    if (queue_.has_unsent() && now < slot_.not_before()) Arm(slot_.not_before());
    Finish(answers);
  }
  space_.NotifyAll();  // Waiters look at the time themselves.
  resolved_.NotifyAll();
  if (silent != nullptr) silent->Cancel();
  Pump();
  Report(std::move(answers));
}

absl::Status CommitterCore::DeadlineError() const {
  std::string message = "the transaction could not be committed within its deadline";
  if (!slot_.last_failure().ok()) {
    absl::StrAppend(&message, "; the last attempt that failed: ", slot_.last_failure().message());
  }
  return absl::DeadlineExceededError(message);
}

void CommitterCore::Finish(const Answers& answers) {
  reporting_ += answers.size();
  if (waiting_for_space_ > 0) space_.NotifyAll();
}

void CommitterCore::Report(Answers answers) {
  if (answers.empty()) return;
  for (CommitAnswer& answer : answers) {
    absl::Status called =
        Guarded("a callback of Commit", [&] { std::move(answer.done)(std::move(answer.result)); });
    answer.done = nullptr;  // Its captures go before Flush returns.
    MutexLock lock(mutex_);
    thrown_.Update(std::move(called));
    unresolved_.erase(answer.number);
    --reporting_;
  }
  resolved_.NotifyAll();
}

absl::Status CommitterCore::Flush(absl::Duration timeout) {
  MutexLock lock(mutex_);
  const uint64_t next = next_number_;
  const absl::Duration give_up = Now() + timeout;
  while (!unresolved_.empty() && *unresolved_.begin() < next) {
    if (Now() >= give_up) {
      return absl::DeadlineExceededError("not all transactions are answered yet");
    }
    Arm(give_up);
    resolved_.Wait(mutex_);
  }
  return std::exchange(thrown_, absl::OkStatus());
}

absl::Status CommitterCore::Close(absl::Duration timeout) {
  {
    MutexLock lock(mutex_);
    closing_ = true;
  }
  space_.NotifyAll();
  const absl::Status status = Flush(timeout);
  Answers answers;
  std::shared_ptr<TransactStream> stream;
  {
    MutexLock lock(mutex_);
    closed_ = true;
    const absl::Status why = absl::CancelledError("the committer is closed");
    stream = LoseStream(why, answers);
    queue_.FailAll(why, answers);
    Finish(answers);
  }
  if (stream != nullptr) stream->Cancel();
  Report(std::move(answers));
  MutexLock lock(mutex_);
  while (reporting_ > 0) resolved_.Wait(mutex_);
  return status;
}

size_t CommitterCore::in_flight() const {
  MutexLock lock(mutex_);
  return queue_.size();
}

absl::Status CommitterCore::last_failure() const {
  MutexLock lock(mutex_);
  return slot_.last_failure();
}

}  // namespace eventhub::client
