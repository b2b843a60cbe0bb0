#include "eventhub/connection/latest_calls.h"

#include <utility>

#include "client/src/connection/unimplemented.h"
#include "eventhub/latest_reader.h"

namespace eventhub::client {

absl::StatusOr<LatestEvent> LatestCalls::GetLatest(const std::string&, const std::string&,
                                                   std::optional<uint32_t>, absl::Duration) {
  return Unimplemented("GetLatest");
}

void LatestCalls::StartGetLatest(const std::string& topic, const std::string& key,
                                 std::optional<uint32_t> partition, absl::Duration timeout,
                                 Callback done) {
  std::move(done)(GetLatest(topic, key, partition, timeout));
}

}  // namespace eventhub::client
