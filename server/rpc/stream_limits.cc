#include "server/rpc/stream_limits.h"

#include "server/rpc/listen_address.h"
#include "storage/base/check.h"

namespace eventhub {

std::optional<StreamLimits::Place> StreamLimits::Take(const std::string& peer) {
  std::string host = HostOf(peer);
  MutexLock lock(mutex_);
  const auto it = hosts_.find(host);
  const size_t has = it == hosts_.end() ? 0 : it->second;
  if (has >= most_ - open_) return std::nullopt;
  ++open_;
  if (it == hosts_.end()) {
    hosts_.emplace(host, 1);
  } else {
    ++it->second;
  }
  return Place(*this, std::move(host));
}

size_t StreamLimits::open() const {
  MutexLock lock(mutex_);
  return open_;
}

void StreamLimits::Return(const std::string& host) {
  MutexLock lock(mutex_);
  const auto it = hosts_.find(host);
  EVENTHUB_CHECK(it != hosts_.end() && open_ > 0, "a place is returned once");
  --open_;
  if (--it->second == 0) hosts_.erase(it);
}

}  // namespace eventhub
