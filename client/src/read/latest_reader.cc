#include "eventhub/latest_reader.h"

#include <utility>

namespace eventhub::client {

LatestReader::LatestReader(std::shared_ptr<Connection> connection, LatestReaderOptions options)
    : connection_(std::move(connection)), options_(std::move(options)) {}

absl::StatusOr<LatestEvent> LatestReader::Get(const std::string& key,
                                              std::optional<uint32_t> partition) {
  return connection_->latest().GetLatest(options_.topic, key, partition, options_.timeout);
}

void LatestReader::GetAsync(const std::string& key, Callback done,
                            std::optional<uint32_t> partition) {
  connection_->latest().StartGetLatest(
      options_.topic, key, partition, options_.timeout,
      [connection = connection_, done = std::move(done)](
          absl::StatusOr<LatestEvent> latest) mutable { std::move(done)(std::move(latest)); });
}

}  // namespace eventhub::client
