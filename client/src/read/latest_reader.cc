#include "eventhub/latest_reader.h"

#include <utility>

namespace eventhub::client {

LatestReader::LatestReader(std::shared_ptr<Connection> connection, LatestReaderOptions options)
    : connection_(std::move(connection)), options_(std::move(options)) {}

absl::StatusOr<LatestEvent> LatestReader::Get(const std::string& key,
                                              std::optional<uint32_t> partition) {
  return connection_->latest().GetLatest(options_.topic, key, partition, options_.timeout);
}

}  // namespace eventhub::client
