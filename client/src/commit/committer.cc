#include "eventhub/committer.h"

#include <cstdint>
#include <utility>

#include "client/src/commit/committer_core.h"
#include "storage/base/status_macros.h"

namespace eventhub::client {
namespace {

absl::Status CheckOptions(const CommitterOptions& options) {
  if (options.max_in_flight < 1 || options.max_in_flight > 1'000'000) {
    return absl::InvalidArgumentError("max_in_flight must be 1 to 1,000,000");
  }
  if (options.max_in_flight_bytes < 1 || options.max_in_flight_bytes > SIZE_MAX / 4) {
    return absl::InvalidArgumentError(
        "max_in_flight_bytes must be at least 1, and a quarter of "
        "what a size_t holds at most");
  }
  if (options.deadline <= absl::ZeroDuration()) {
    return absl::InvalidArgumentError("deadline must be more than 0");
  }
  if (options.reply_timeout <= absl::ZeroDuration()) {
    return absl::InvalidArgumentError("reply_timeout must be more than 0");
  }
  return CheckRetryOptions(options.retry);
}

}  // namespace

absl::StatusOr<std::unique_ptr<Committer>> Committer::Create(std::shared_ptr<Connection> connection,
                                                             CommitterOptions options) {
  RETURN_IF_ERROR(CheckOptions(options));
  return std::make_unique<Committer>(
      std::make_shared<CommitterCore>(std::move(connection), options, Clock::System()));
}

Committer::Committer(std::shared_ptr<CommitterCore> core) : core_(std::move(core)) {}

Committer::~Committer() { core_->Close(absl::ZeroDuration()).IgnoreError(); }

absl::Status Committer::Commit(Transaction transaction, Callback done) {
  return core_->Commit(std::move(transaction), std::move(done));
}

absl::Status Committer::Flush(absl::Duration timeout) { return core_->Flush(timeout); }

absl::Status Committer::Close(absl::Duration timeout) { return core_->Close(timeout); }

size_t Committer::in_flight() const { return core_->in_flight(); }

absl::Status Committer::last_failure() const { return core_->last_failure(); }

}  // namespace eventhub::client
