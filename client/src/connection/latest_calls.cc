#include "eventhub/connection/latest_calls.h"

#include "client/src/connection/unimplemented.h"
#include "eventhub/latest_reader.h"

namespace eventhub::client {

absl::StatusOr<LatestEvent> LatestCalls::GetLatest(const std::string&, const std::string&,
                                                   std::optional<uint32_t>, absl::Duration) {
  return Unimplemented("GetLatest");
}

}  // namespace eventhub::client
