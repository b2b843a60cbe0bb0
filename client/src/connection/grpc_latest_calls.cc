#include "client/src/connection/grpc_latest_calls.h"

#include <utility>

#include "client/src/base/proto_time.h"
#include "eventhub/latest_reader.h"
#include "storage/base/status_macros.h"

namespace eventhub::client {

absl::StatusOr<LatestEvent> GrpcLatestCalls::GetLatest(const std::string& topic,
                                                       const std::string& key,
                                                       std::optional<uint32_t> partition,
                                                       absl::Duration timeout) {
  v1::GetLatestRequest request;
  request.set_topic(topic);
  request.set_key(key);
  if (partition.has_value()) request.set_partition(*partition);
  ASSIGN_OR_RETURN(auto response, service_.Query(&Stub::GetLatest, request, timeout));
  LatestEvent latest;
  latest.event = std::move(*response.mutable_event());
  latest.partition = response.partition();
  latest.offset = response.offset();
  latest.append_time = FromProto(response.append_time());
  latest.run = response.run();
  return latest;
}

}  // namespace eventhub::client
