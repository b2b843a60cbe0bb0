#include "server/rpc/topology_service.h"

#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "proto/wire/message_fields.h"
#include "server/core/base/errors.h"
#include "server/rpc/byte_buffers.h"
#include "server/rpc/rpc_status.h"
#include "server/rpc/unary.h"
#include "storage/base/shared_bytes.h"
#include "storage/base/status_macros.h"

namespace eventhub {

namespace {

// Of all calls that wait for their turn.
constexpr size_t kMaxFields = 200'000;

constexpr absl::Duration kApplyRetry = absl::Seconds(1);

}  // namespace

TopologyService::TopologyService(Topologies& topologies, const Calls& calls)
    : topologies_(topologies), calls_(calls), fields_(kMaxFields) {}

grpc::ServerUnaryReactor* TopologyService::ApplyTopology(grpc::CallbackServerContext* context,
                                                         const grpc::ByteBuffer* request,
                                                         grpc::ByteBuffer* response) {
  return calls_.Serve(context, [&](const Caller& caller, grpc::ServerUnaryReactor* reactor) {
    const auto start = [&]() -> absl::Status {
      ASSIGN_OR_RETURN(const SharedBytes bytes, Gather(*request));
      v1::ApplyTopologyRequest parsed;
      const size_t fields = wire::CountFields(*parsed.GetDescriptor(), bytes.view(), kMaxFields);
      if (fields > kMaxFields) {
        return InvalidField("topology", absl::StrCat("has more than ", kMaxFields, " fields"));
      }
      std::optional<MemoryMeter::Lease> lease = fields_.Take(fields);
      if (!lease.has_value()) return TooMuchInFlight("topologies", kApplyRetry);
      RETURN_IF_ERROR(Parse(bytes, &parsed));
      topologies_.Apply(caller, std::move(parsed),
                        [reactor, response, lease = *std::move(lease)](
                            absl::StatusOr<v1::ApplyTopologyResponse> outcome) {
                          FinishCall(reactor, std::move(outcome), response);
                        });
      return absl::OkStatus();
    };
    if (const absl::Status status = start(); !status.ok()) reactor->Finish(ToGrpcStatus(status));
  });
}

grpc::ServerUnaryReactor* TopologyService::ExportTopology(grpc::CallbackServerContext* context,
                                                          const v1::ExportTopologyRequest*,
                                                          v1::ExportTopologyResponse* response) {
  return calls_.Serve(context, [&](const Caller& caller, grpc::ServerUnaryReactor* reactor) {
    topologies_.Export(caller, FinishLater(reactor, response));
  });
}

}  // namespace eventhub
