#include "eventhub/outbox.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "client/outbox/outbox_core.h"
#include "client/src/base/backoff.h"
#include "client/src/base/option_checks.h"
#include "storage/base/status_macros.h"

namespace eventhub::client {
namespace {

absl::Status CheckOptions(const OutboxOptions& options) {
  constexpr uint64_t kMax = uint64_t{1} << 60;
  constexpr uint64_t kMiB = uint64_t{1} << 20;
  if (options.directory.empty()) return absl::InvalidArgumentError("directory must be set");
  RETURN_IF_ERROR(CheckRange("max_bytes", options.max_bytes, kMiB, kMax));
  RETURN_IF_ERROR(CheckRange("max_batch_bytes", options.max_batch_bytes, 1024, 3 * kMiB));
  RETURN_IF_ERROR(CheckRange("max_in_flight_requests", options.max_in_flight_requests, 1, 64));
  RETURN_IF_ERROR(CheckRange("max_in_flight_bytes", options.max_in_flight_bytes, 1, kMax));
  RETURN_IF_ERROR(CheckRange("max_buffer_bytes", options.max_buffer_bytes, kMiB, kMax));
  RETURN_IF_ERROR(CheckMoreThanZero("spill_after", options.spill_after));
  RETURN_IF_ERROR(CheckMoreThanZero("reply_timeout", options.reply_timeout));
  if (options.max_block < absl::ZeroDuration()) {
    return absl::InvalidArgumentError("max_block must be at least 0");
  }
  RETURN_IF_ERROR(CheckRetryOptions(options.retry));
  const absl::Status stopped = CheckRetryOptions(options.stopped_retry);
  if (stopped.ok()) return stopped;
  return absl::InvalidArgumentError(absl::StrCat("stopped_", stopped.message()));
}

}  // namespace

absl::StatusOr<std::unique_ptr<Outbox>> Outbox::Open(std::shared_ptr<Connection> connection,
                                                     OutboxOptions options) {
  RETURN_IF_ERROR(CheckOptions(options));
  ASSIGN_OR_RETURN(std::shared_ptr<OutboxCore> core,
                   OutboxCore::Open(std::move(connection), std::move(options), Clock::System()));
  return std::make_unique<Outbox>(std::move(core));
}

Outbox::Outbox(std::shared_ptr<OutboxCore> core) : core_(std::move(core)) {}

Outbox::~Outbox() { core_->Close(absl::ZeroDuration()).IgnoreError(); }

absl::Status Outbox::Publish(std::string_view topic, const v1::Event& event) {
  return core_->Publish(topic, event);
}

absl::Status Outbox::Publish(std::string_view topic, const v1::Event& event, Callback done) {
  return core_->Publish(topic, event, std::move(done));
}

absl::Status Outbox::Flush(absl::Duration timeout) { return core_->Flush(timeout); }

absl::Status Outbox::Drain(absl::Duration timeout) { return core_->Drain(timeout); }

absl::Status Outbox::Close(absl::Duration timeout) { return core_->Close(timeout); }

OutboxStatus Outbox::status() const { return core_->status(); }

absl::Status Outbox::Retry(std::string_view topic) { return core_->Retry(topic); }

absl::StatusOr<uint64_t> Outbox::RetryRefused(std::string_view topic) {
  return core_->RetryRefused(topic);
}

absl::StatusOr<uint64_t> Outbox::DropRefused(std::string_view topic) {
  return core_->DropRefused(topic);
}

absl::StatusOr<uint64_t> Outbox::Drop(std::string_view topic) { return core_->Drop(topic); }

}  // namespace eventhub::client
