#include "eventhub/reader.h"

#include <set>
#include <utility>

#include "client/src/read/reader_core.h"
#include "storage/base/status_macros.h"

namespace eventhub::client {
namespace {

absl::Status CheckOptions(const ReaderOptions& options) {
  if (options.topic.empty()) return absl::InvalidArgumentError("topic must be set");
  if (std::set<uint32_t>(options.partitions.begin(), options.partitions.end()).size() !=
      options.partitions.size()) {
    return absl::InvalidArgumentError("partitions must not name a partition twice");
  }
  if (options.max_response_bytes != 0 &&
      (options.max_response_bytes < 4096 || options.max_response_bytes > 4'000'000)) {
    return absl::InvalidArgumentError("max_response_bytes must be 0 or 4,096 to 4,000,000");
  }
  if (options.reconnect_deadline < absl::ZeroDuration()) {
    return absl::InvalidArgumentError("reconnect_deadline must not be negative");
  }
  return CheckRetryOptions(options.retry);
}

}  // namespace

absl::StatusOr<std::unique_ptr<Reader>> Reader::Create(std::shared_ptr<Connection> connection,
                                                       ReaderOptions options) {
  RETURN_IF_ERROR(CheckOptions(options));
  return std::make_unique<Reader>(
      std::make_unique<ReaderCore>(std::move(connection), std::move(options), Clock::System()));
}

Reader::Reader(std::unique_ptr<ReaderCore> core) : core_(std::move(core)) {}

Reader::~Reader() = default;

absl::StatusOr<EventBatch> Reader::Next(absl::Duration timeout) { return core_->Next(timeout); }

void Reader::Cancel() { core_->Cancel(); }

std::vector<PartitionOffset> Reader::positions() const { return core_->positions(); }

std::optional<int64_t> Reader::start_of(uint32_t partition) const {
  return core_->start_of(partition);
}

uint64_t Reader::skipped_events() const { return core_->skipped_events(); }

}  // namespace eventhub::client
