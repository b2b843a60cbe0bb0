#include "eventhub/subscriber.h"

#include <utility>

#include "client/src/base/option_checks.h"
#include "client/src/subscribe/subscriber_core.h"
#include "storage/base/status_macros.h"

namespace eventhub::client {
namespace {

absl::Status CheckOptions(const SubscriberOptions& options) {
  if (options.subscription.empty()) return absl::InvalidArgumentError("subscription must be set");
  if (options.consumer.size() > 256) {
    return absl::InvalidArgumentError("consumer must be at most 256 bytes long");
  }
  const int handlers =
      (options.on_event ? 1 : 0) + (options.on_batch ? 1 : 0) + (options.on_event_async ? 1 : 0);
  if (handlers != 1) {
    return absl::InvalidArgumentError("one of on_event, on_batch and on_event_async must be set");
  }
  if (!options.on_batch && options.max_batch_events != 0) {
    return absl::InvalidArgumentError("max_batch_events has no effect without on_batch");
  }
  if (options.on_batch && options.order == Order::kPerKey) {
    return absl::InvalidArgumentError("on_batch cannot have an order of kPerKey");
  }
  RETURN_IF_ERROR(CheckRange("threads", options.threads, 1, 1024));
  if (options.max_response_bytes != 0 &&
      (options.max_response_bytes < 4096 || options.max_response_bytes > 4'000'000)) {
    return absl::InvalidArgumentError("max_response_bytes must be 0 or 4,096 to 4,000,000");
  }
  if (options.max_lease_extension < absl::ZeroDuration()) {
    return absl::InvalidArgumentError("max_lease_extension must be at least 0");
  }
  RETURN_IF_ERROR(CheckMoreThanZero("reconnect_deadline", options.reconnect_deadline));
  return CheckRetryOptions(options.retry);
}

}  // namespace

absl::StatusOr<std::unique_ptr<Subscriber>> Subscriber::Start(
    std::shared_ptr<Connection> connection, SubscriberOptions options) {
  RETURN_IF_ERROR(CheckOptions(options));
  const size_t threads = options.threads;
  auto core =
      std::make_shared<SubscriberCore>(std::move(connection), std::move(options), Clock::System());
  core->Start(threads);
  return std::make_unique<Subscriber>(std::move(core));
}

absl::Status Subscriber::Run(std::shared_ptr<Connection> connection, SubscriberOptions options) {
  ASSIGN_OR_RETURN(const auto subscriber, Start(std::move(connection), std::move(options)));
  return subscriber->Wait();
}

absl::Status Subscriber::RunUntilSignal(std::shared_ptr<Connection> connection,
                                        SubscriberOptions options, absl::Duration stop_timeout) {
  ASSIGN_OR_RETURN(const auto subscriber, Start(std::move(connection), std::move(options)));
  return subscriber->WaitForSignal(stop_timeout);
}

Subscriber::Subscriber(std::shared_ptr<SubscriberCore> core) : core_(std::move(core)) {}

Subscriber::~Subscriber() { core_->Close(); }

void Subscriber::SetCredit(const Credit& credit) { core_->SetCredit(credit); }

void Subscriber::Pause() { core_->SetPaused(true); }

void Subscriber::Resume() { core_->SetPaused(false); }

void Subscriber::RequestStop() { core_->RequestStop(); }

absl::Status Subscriber::Wait(absl::Duration timeout) { return core_->Wait(timeout); }

absl::Status Subscriber::Stop(absl::Duration timeout) { return core_->Stop(timeout); }

absl::Status Subscriber::WaitForSignal(absl::Duration stop_timeout) {
  return core_->WaitForSignal(stop_timeout);
}

SubscriberCounters Subscriber::counters() const { return core_->counters(); }

}  // namespace eventhub::client
