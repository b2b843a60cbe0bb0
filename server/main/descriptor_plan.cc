#include "server/main/descriptor_plan.h"

#include <sys/resource.h>

#include <algorithm>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"

namespace eventhub {
namespace {

// For the store's logs and the files of its background jobs; gRPC's and the hub's own descriptors;
// connections of links to other hubs.
constexpr size_t kReserved = 128;

constexpr size_t kLeastStoreFiles = 64;
constexpr size_t kMostStoreFiles = 1024;

// The socket, and the acceptor's duplicate of it.
constexpr size_t kOfConnection = 2;
constexpr size_t kLeastConnections = 32;

constexpr size_t kLeastDescriptors =
    kReserved + kLeastStoreFiles + kOfConnection * kLeastConnections;

}  // namespace

absl::StatusOr<DescriptorPlan> DescriptorPlan::For(size_t limit, size_t wanted) {
  if (limit < kLeastDescriptors) {
    return absl::ResourceExhaustedError(absl::StrCat(
        "the hub may have ", limit, " files and connections open, and needs ", kLeastDescriptors,
        " at least; raise the limit (ulimit -n, LimitNOFILE= of systemd, --ulimit nofile= of "
        "docker)"));
  }
  const size_t rest = limit - kReserved;
  DescriptorPlan plan;
  plan.store_files = std::clamp(rest / 4, kLeastStoreFiles, kMostStoreFiles);
  plan.connections = std::min(wanted, (rest - plan.store_files) / kOfConnection);
  return plan;
}

size_t RaiseDescriptorLimit() {
  rlimit limit = {};
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return 0;
  const rlim_t before = limit.rlim_cur;
  limit.rlim_cur = limit.rlim_max;
  return setrlimit(RLIMIT_NOFILE, &limit) == 0 ? limit.rlim_cur : before;
}

}  // namespace eventhub
