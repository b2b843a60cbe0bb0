#include "eventhub/committer.h"

#include <cstdint>
#include <utility>

#include "client/src/base/option_checks.h"
#include "client/src/commit/committer_core.h"
#include "storage/base/status_macros.h"

namespace eventhub::client {
namespace {

absl::Status CheckOptions(const CommitterOptions& options) {
  RETURN_IF_ERROR(CheckRange("max_in_flight", options.max_in_flight, 1, 1'000'000));
  RETURN_IF_ERROR(CheckRange("max_in_flight_bytes", options.max_in_flight_bytes, 1, SIZE_MAX / 4));
  RETURN_IF_ERROR(CheckMoreThanZero("deadline", options.deadline));
  RETURN_IF_ERROR(CheckMoreThanZero("reply_timeout", options.reply_timeout));
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
