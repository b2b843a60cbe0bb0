#include "server/rpc/publish_limits.h"

#include <utility>

#include "server/core/base/peer_address.h"

namespace eventhub {
namespace {

// What a request takes besides its bytes, approximately: its task, its reply, their bookkeeping.
constexpr size_t kRequestBytes = 1024;

}  // namespace

PublishLimits::Connection::Connection(PublishLimits& limits, std::string peer,
                                      std::shared_ptr<MemoryBudget> host)
    : limits_(limits),
      peer_(std::move(peer)),
      host_(std::move(host)),
      own_(limits.options_.connection_bytes) {}

PublishLimits::Connection::~Connection() {
  MutexLock lock(limits_.mutex_);
  const auto it = limits_.connections_.find(peer_);
  // The peer may have reconnected, with a new share, after the last reference to this one was
  // dropped.
  if (it != limits_.connections_.end() && it->second.expired()) limits_.connections_.erase(it);
  host_.reset();
  const auto host = limits_.hosts_.find(HostOf(peer_));
  if (host != limits_.hosts_.end() && host->second.expired()) limits_.hosts_.erase(host);
}

void PublishLimits::Connection::Hold(size_t bytes) {
  own_.Add(bytes + kRequestBytes);
  host_->Add(bytes + kRequestBytes);
  limits_.total_.Add(bytes + kRequestBytes);
}

bool PublishLimits::Connection::TryHold(size_t bytes) {
  bytes += kRequestBytes;
  if (!own_.AddUnlessSpent(bytes)) return false;
  if (host_->AddUnlessSpent(bytes)) {
    if (limits_.total_.AddUnlessSpent(bytes)) return true;
    host_->Release(bytes);
  }
  own_.Release(bytes);
  return false;
}

void PublishLimits::Connection::Release(size_t bytes) {
  own_.Release(bytes + kRequestBytes);
  host_->Release(bytes + kRequestBytes);
  limits_.total_.Release(bytes + kRequestBytes);
}

MemoryBudget* PublishLimits::Connection::NotifyWhenFree(Watermark::Waiter& waiter) {
  for (MemoryBudget* budget : {&own_, host_.get(), &limits_.total_}) {
    if (budget->NotifyWhenFree(waiter)) return budget;
  }
  return nullptr;
}

std::shared_ptr<PublishLimits::Connection> PublishLimits::Connect(const std::string& peer) {
  MutexLock lock(mutex_);
  std::weak_ptr<Connection>& known = connections_[peer];
  std::shared_ptr<Connection> connection = known.lock();
  if (connection == nullptr) {
    std::weak_ptr<MemoryBudget>& known_host = hosts_[HostOf(peer)];
    std::shared_ptr<MemoryBudget> host = known_host.lock();
    if (host == nullptr) {
      host = std::make_shared<MemoryBudget>(options_.host_bytes());
      known_host = host;
    }
    connection = std::make_shared<Connection>(*this, peer, std::move(host));
    known = connection;
  }
  return connection;
}

}  // namespace eventhub
