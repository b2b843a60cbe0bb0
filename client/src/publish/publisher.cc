#include "eventhub/publisher.h"

#include <utility>

#include "client/src/base/option_checks.h"
#include "client/src/publish/publisher_core.h"
#include "storage/base/status_macros.h"

namespace eventhub::client {
namespace {

absl::Status CheckOptions(const PublisherOptions& options) {
  constexpr size_t kMax = SIZE_MAX / 4;
  if (options.topic.empty()) return absl::InvalidArgumentError("topic must be set");
  RETURN_IF_ERROR(CheckRange("max_batch_bytes", options.max_batch_bytes, 1024, 3 * 1024 * 1024));
  RETURN_IF_ERROR(CheckRange("max_batch_events", options.max_batch_events, 1, 1'000'000));
  RETURN_IF_ERROR(CheckRange("max_in_flight_requests", options.max_in_flight_requests, 1, 64));
  RETURN_IF_ERROR(CheckRange("max_in_flight_bytes", options.max_in_flight_bytes, 1, kMax));
  RETURN_IF_ERROR(CheckRange("max_buffer_bytes", options.max_buffer_bytes, 1, kMax));
  RETURN_IF_ERROR(CheckRange("the length of producer_id", options.producer_id.size(), 0, 256));
  if (options.linger < absl::ZeroDuration() || options.linger > absl::Minutes(1)) {
    return absl::InvalidArgumentError("linger must be 0 to 1 minute");
  }
  if (!options.idempotent && !options.producer_id.empty()) {
    return absl::InvalidArgumentError("producer_id has no effect without idempotent");
  }
  RETURN_IF_ERROR(CheckMoreThanZero("deadline", options.deadline));
  RETURN_IF_ERROR(CheckMoreThanZero("reply_timeout", options.reply_timeout));
  return CheckRetryOptions(options.retry);
}

}  // namespace

absl::StatusOr<std::unique_ptr<Publisher>> Publisher::Create(std::shared_ptr<Connection> connection,
                                                             PublisherOptions options) {
  RETURN_IF_ERROR(CheckOptions(options));
  return std::make_unique<Publisher>(
      std::make_shared<PublisherCore>(std::move(connection), std::move(options), Clock::System()));
}

Publisher::Publisher(std::shared_ptr<PublisherCore> core) : core_(std::move(core)) {}

Publisher::~Publisher() { core_->Close(absl::ZeroDuration()).IgnoreError(); }

absl::Status Publisher::Publish(const v1::Event& event) {
  return core_->Add(std::nullopt, event, nullptr);
}

absl::Status Publisher::Publish(const v1::Event& event, Callback done) {
  return core_->Add(std::nullopt, event, std::move(done));
}

absl::Status Publisher::PublishTo(uint32_t partition, const v1::Event& event, Callback done) {
  return core_->Add(partition, event, std::move(done));
}

std::future<absl::StatusOr<PublishedEvent>> Publisher::PublishAsync(const v1::Event& event) {
  auto promise = std::make_shared<std::promise<absl::StatusOr<PublishedEvent>>>();
  auto future = promise->get_future();
  const absl::Status status = core_->Add(
      std::nullopt, event,
      [promise](absl::StatusOr<PublishedEvent> result) { promise->set_value(std::move(result)); });
  if (!status.ok()) promise->set_value(status);
  return future;
}

absl::Status Publisher::Flush(absl::Duration timeout) { return core_->Flush(timeout); }

absl::Status Publisher::Close(absl::Duration timeout) { return core_->Close(timeout); }

absl::Status Publisher::last_failure() const { return core_->last_failure(); }

}  // namespace eventhub::client
