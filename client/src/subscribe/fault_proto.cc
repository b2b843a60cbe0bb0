#include "client/src/subscribe/fault_proto.h"

#include <algorithm>

#include "client/src/base/proto_time.h"
#include "client/src/base/reason.h"

namespace eventhub::client {
namespace {

constexpr size_t kMaxFaultNameBytes = 256;
constexpr size_t kMaxFaultMessageBytes = 2048;
constexpr size_t kMaxFaultCauseBytes = 512;
constexpr size_t kMaxFaultCauses = 8;
constexpr int kMaxFaults = 100;

}  // namespace

void ToProto(const FaultDetail& fault, v1::FaultDetail& proto) {
  proto.set_processor(CleanText(fault.processor, kMaxFaultNameBytes));
  proto.set_pipeline(CleanText(fault.pipeline, kMaxFaultNameBytes));
  proto.set_step(CleanText(fault.step, kMaxFaultNameBytes));
  proto.set_error(CleanText(fault.error, kMaxFaultNameBytes));
  proto.set_message(CleanText(fault.message, kMaxFaultMessageBytes));
  for (size_t i = 0; i < std::min(fault.causes.size(), kMaxFaultCauses); ++i) {
    proto.add_causes(CleanText(fault.causes[i], kMaxFaultCauseBytes));
  }
  proto.set_attempts(fault.attempts);
  proto.set_host(CleanText(fault.host, kMaxFaultNameBytes));
  if (fault.time) ToProto(*fault.time, *proto.mutable_time());
  proto.set_trace_id(CleanText(fault.trace_id, kMaxFaultNameBytes));
  proto.set_group(CleanText(fault.group, kMaxFaultNameBytes));
}

void AddFaults(const std::vector<FaultDetail>& faults, v1::Nack& nack) {
  for (const FaultDetail& fault : faults) {
    if (nack.faults_size() == kMaxFaults) return;
    v1::FaultDetail& added = *nack.add_faults();
    ToProto(fault, added);
    const auto& all = nack.faults();
    const bool repeated = std::any_of(
        all.begin(), all.end() - 1,
        [&](const v1::FaultDetail& other) { return other.pipeline() == added.pipeline(); });
    if (repeated) nack.mutable_faults()->RemoveLast();
  }
}

FaultDetail FromProto(const v1::FaultDetail& proto) {
  FaultDetail fault{.processor = proto.processor(),
                    .pipeline = proto.pipeline(),
                    .step = proto.step(),
                    .error = proto.error(),
                    .message = proto.message(),
                    .causes = {proto.causes().begin(), proto.causes().end()},
                    .attempts = proto.attempts(),
                    .host = proto.host(),
                    .trace_id = proto.trace_id(),
                    .group = proto.group()};
  if (proto.has_time()) fault.time = FromProto(proto.time());
  return fault;
}

}  // namespace eventhub::client
