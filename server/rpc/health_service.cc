#include "server/rpc/health_service.h"

#include <utility>
#include <vector>

#include "server/rpc/byte_buffers.h"
#include "server/rpc/refused_stream.h"
#include "server/rpc/request_intake.h"
#include "server/rpc/stream_loop.h"

namespace eventhub {

using grpc::health::v1::HealthCheckRequest;
using grpc::health::v1::HealthCheckResponse;
using WatchReactor = grpc::ServerWriteReactor<grpc::ByteBuffer>;

// One watch. Sends the newest status when the previous one was sent; skips those in between.
class HealthWatch final : public WatchReactor,
                          public std::enable_shared_from_this<HealthWatch>,
                          private StreamLoop {
 public:
  HealthWatch(HealthService& service, HealthService::Question question, StreamLimits::Place place)
      : service_(service), question_(question), place_(std::move(place)) {}

  HealthService::Question question() const { return question_; }

  void HoldForGrpc() { self_ = shared_from_this(); }

  void Set(HealthCheckResponse::ServingStatus status, bool last) {
    {
      MutexLock lock(mutex_);
      wanted_ = status;
      ending_ |= last;
    }
    Proceed();
  }

  void OnWriteDone(bool ok) override {
    {
      MutexLock lock(mutex_);
      writing_ = false;
      ending_ |= !ok;
    }
    Proceed();
  }

  void OnCancel() override {
    {
      MutexLock lock(mutex_);
      wanted_ = sent_;
      ending_ = true;
    }
    Proceed();
  }

  void OnDone() override {
    {
      MutexLock lock(service_.mutex_);
      service_.watches_.erase(this);
    }
    const std::shared_ptr<HealthWatch> last = std::move(self_);
  }

 private:
  void Proceed() { Run(shared_from_this()); }

  Action NextAction() override ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    if (writing_ || finished_) return Action::kNone;
    if (wanted_ != sent_ && wanted_ != HealthCheckResponse::UNKNOWN) {
      sent_ = wanted_;
      HealthCheckResponse response;
      response.set_status(sent_);
      out_ = Serialize(response);
      writing_ = true;
      return Action::kSend;
    }
    if (!ending_) return Action::kNone;
    finished_ = true;
    return Action::kFinish;
  }

  void Take(Action action) override {
    if (action == Action::kSend) {
      StartWrite(&out_);
    } else {
      Finish(grpc::Status(grpc::StatusCode::UNAVAILABLE, "the hub is shutting down"));
    }
  }

  HealthService& service_;
  const HealthService::Question question_;
  const StreamLimits::Place place_;
  std::shared_ptr<HealthWatch> self_;
  grpc::ByteBuffer out_;  // Used by the write in progress.

  HealthCheckResponse::ServingStatus wanted_ ABSL_GUARDED_BY(mutex_) = HealthCheckResponse::UNKNOWN;
  HealthCheckResponse::ServingStatus sent_ ABSL_GUARDED_BY(mutex_) = HealthCheckResponse::UNKNOWN;
  bool writing_ ABSL_GUARDED_BY(mutex_) = false;
  bool ending_ ABSL_GUARDED_BY(mutex_) = false;
  bool finished_ ABSL_GUARDED_BY(mutex_) = false;
};

HealthService::HealthService(const Calls& calls, PublishLimits& limits)
    : UnaryService(calls), limits_(limits) {
  Serve(kNameRequest,
        [this](const Caller&, const HealthCheckRequest& request) { return ServeCheck(request); });
}

absl::StatusOr<HealthCheckResponse> HealthService::ServeCheck(const HealthCheckRequest& request) {
  const Question question = QuestionOf(request.service());
  if (question == Question::kUnknown) return absl::NotFoundError("not a service of this hub");
  HealthCheckResponse response;
  MutexLock lock(mutex_);
  response.set_status(Answer(question));
  return response;
}

WatchReactor* HealthService::Watch(grpc::CallbackServerContext* context,
                                   const grpc::ByteBuffer* encoded) {
  return calls().Open<WatchReactor>(
      context, [&](const Caller& caller, StreamLimits::Place place) -> WatchReactor* {
        HealthCheckRequest request;
        const absl::Status received =
            ReceiveRequest(caller.peer(), *encoded, kNameRequest, limits_, &request).status();
        if (!received.ok()) return new RefusedStream<WatchReactor>(received);
        const auto watch =
            std::make_shared<HealthWatch>(*this, QuestionOf(request.service()), std::move(place));
        watch->HoldForGrpc();
        {
          MutexLock lock(mutex_);
          watches_.emplace(watch.get(), watch);
        }
        Tell();
        return watch.get();
      });
}

void HealthService::AddService(absl::string_view name) { services_.emplace(name); }

HealthService::Question HealthService::QuestionOf(absl::string_view service) const {
  if (service == "live") return Question::kLive;
  const bool ready = service.empty() || service == "ready" || services_.contains(service);
  return ready ? Question::kReady : Question::kUnknown;
}

HealthCheckResponse::ServingStatus HealthService::Answer(Question question) const {
  if (question == Question::kUnknown) return HealthCheckResponse::SERVICE_UNKNOWN;
  const bool well = question == Question::kLive ? state_.live : state_.ready;
  return well && !shutdown_ ? HealthCheckResponse::SERVING : HealthCheckResponse::NOT_SERVING;
}

void HealthService::SetState(State state) {
  {
    MutexLock lock(mutex_);
    state_ = state;
  }
  Tell();
}

void HealthService::Shutdown() {
  {
    MutexLock lock(mutex_);
    shutdown_ = true;
  }
  Tell();
}

void HealthService::Tell() {
  std::vector<std::pair<std::shared_ptr<HealthWatch>, HealthCheckResponse::ServingStatus>> answers;
  bool last;
  {
    MutexLock lock(mutex_);
    for (const auto& [raw, watch] : watches_) {
      if (auto alive = watch.lock()) {
        const auto answer = Answer(alive->question());
        answers.emplace_back(std::move(alive), answer);
      }
    }
    last = shutdown_;
  }
  for (const auto& [watch, answer] : answers) watch->Set(answer, last);
}

}  // namespace eventhub
