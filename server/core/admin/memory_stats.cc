#include "server/core/admin/memory_stats.h"

#include <optional>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"

namespace eventhub {
namespace {

// Memory is reported as short from this part of a limit on.
constexpr double kShort = 0.75;

}  // namespace

std::string MebiBytes(size_t bytes) {
  return absl::StrFormat("%.1f MiB", static_cast<double>(bytes) / (1 << 20));
}

void AddMemoryShare(const MemoryUse& use, v1::MemoryStats* stats) {
  v1::MemoryShare& share = *stats->add_shares();
  share.set_name(std::string(use.name));
  share.set_used_bytes(use.used);
  share.set_limit_bytes(use.limit);
}

void AddMemoryShare(const MemoryUse& use, absl::FunctionRef<std::string()> advice,
                    v1::MemoryStats* stats) {
  AddMemoryShare(use, stats);
  if (static_cast<double>(use.used) < kShort * static_cast<double>(use.limit)) return;
  stats->add_findings(absl::StrCat(use.name, ": ", MebiBytes(use.used), " of ",
                                   MebiBytes(use.limit), " are used", advice()));
}

std::string LargestHost(const HostShares& shares, size_t unit) {
  const std::optional<HostShares::Use> largest = shares.Largest();
  if (!largest.has_value()) return "";
  return absl::StrCat("; the most by host ", largest->host, ": ",
                      MebiBytes(largest->amount * unit));
}

}  // namespace eventhub
