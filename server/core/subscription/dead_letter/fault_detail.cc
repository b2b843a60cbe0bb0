#include "server/core/subscription/dead_letter/fault_detail.h"

#include <algorithm>
#include <limits>
#include <memory>
#include <vector>

#include "absl/container/flat_hash_set.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "proto/wire/utf8.h"
#include "server/core/base/errors.h"

namespace eventhub {
namespace {

constexpr int kMaxFaultsPerNack = 100;
constexpr size_t kMaxFaultNameBytes = 256;
constexpr size_t kMaxFaultMessageBytes = 2048;
constexpr size_t kMaxFaultCauseBytes = 512;
constexpr int kMaxFaultCauses = 8;

struct ReportedFaults {
  std::vector<v1::FaultDetail> details;
  RequestMemory::Lease memory;
};

std::string CutText(const std::string& text, size_t max_bytes) {
  if (text.size() <= max_bytes) return text;
  const absl::string_view kept = wire::Shorten(text, max_bytes);
  return absl::StrCat(kept, " [", text.size() - kept.size(), " bytes cut]");
}

v1::FaultDetail WithinLimits(const v1::FaultDetail& from) {
  v1::FaultDetail detail;
  detail.set_processor(CutText(from.processor(), kMaxFaultNameBytes));
  detail.set_pipeline(from.pipeline());
  detail.set_step(CutText(from.step(), kMaxFaultNameBytes));
  detail.set_error(CutText(from.error(), kMaxFaultNameBytes));
  detail.set_message(CutText(from.message(), kMaxFaultMessageBytes));
  for (int i = 0; i < from.causes_size() && i < kMaxFaultCauses; ++i) {
    detail.add_causes(CutText(from.causes(i), kMaxFaultCauseBytes));
  }
  detail.set_attempts(from.attempts());
  detail.set_host(CutText(from.host(), kMaxFaultNameBytes));
  // A time out of range would make the dead letter one that its readers refuse.
  const bool valid = from.time().nanos() >= 0 && from.time().nanos() < 1'000'000'000 &&
                     from.time().seconds() >= -62'135'596'800 &&
                     from.time().seconds() <= 253'402'300'799;
  if (from.has_time() && valid) *detail.mutable_time() = from.time();
  detail.set_trace_id(CutText(from.trace_id(), kMaxFaultNameBytes));
  detail.set_group(CutText(from.group(), kMaxFaultNameBytes));
  return detail;
}

}  // namespace

absl::Status CheckFaults(const v1::Nack& nack) {
  if (nack.faults_size() > kMaxFaultsPerNack) {
    return InvalidField("nacks.faults", absl::StrCat("has ", nack.faults_size(),
                                                     " entries, more than ", kMaxFaultsPerNack));
  }
  absl::flat_hash_set<absl::string_view> pipelines;
  for (const v1::FaultDetail& fault : nack.faults()) {
    if (fault.pipeline().size() > kMaxFaultNameBytes) {
      return InvalidField("nacks.faults.pipeline",
                          absl::StrCat("is longer than ", kMaxFaultNameBytes, " bytes"));
    }
    if (!pipelines.insert(fault.pipeline()).second) {
      return InvalidField("nacks.faults.pipeline",
                          absl::StrCat("'", fault.pipeline(), "' occurs twice"));
    }
  }
  return absl::OkStatus();
}

FaultDetails FaultsOf(const v1::Nack& nack, RequestMemory& memory) {
  if (nack.faults().empty()) return nullptr;
  auto reported = std::make_shared<ReportedFaults>();
  reported->details.reserve(static_cast<size_t>(nack.faults_size()));
  size_t bytes = 0;
  for (const v1::FaultDetail& fault : nack.faults()) {
    reported->details.push_back(WithinLimits(fault));
    bytes += reported->details.back().SpaceUsedLong();
  }
  reported->memory = memory.Take(bytes);
  return FaultDetails(reported, &reported->details);
}

void AddFaultAttributes(const v1::FaultDetail& detail,
                        absl::FunctionRef<v1::AttributeValue&(absl::string_view)> attribute) {
  const auto add = [&](absl::string_view name, const std::string& text) {
    if (!text.empty()) attribute(name).set_string(text);
  };
  add("processor", detail.processor());
  add("pipeline", detail.pipeline());
  add("step", detail.step());
  add("error", detail.error());
  add("message", detail.message());
  add("causes", absl::StrJoin(detail.causes(), "\n"));
  add("host", detail.host());
  add("trace", detail.trace_id());
  add("group", detail.group());
  if (detail.attempts() > 0) {
    constexpr uint32_t kMax = std::numeric_limits<int32_t>::max();
    attribute("stepattempts").set_integer(static_cast<int32_t>(std::min(detail.attempts(), kMax)));
  }
  if (detail.has_time()) *attribute("failtime").mutable_timestamp() = detail.time();
}

}  // namespace eventhub
