#include "server/rpc/publish_limits.h"

#include <utility>

namespace eventhub {
namespace {

// What a request takes besides its bytes, approximately: its task, its reply, their bookkeeping.
constexpr size_t kRequestBytes = 1024;

}  // namespace

PublishLimits::Connection::Connection(PublishLimits& limits, std::string peer)
    : limits_(limits), peer_(std::move(peer)), own_(limits.options_.connection_bytes) {}

PublishLimits::Connection::~Connection() {
  MutexLock lock(limits_.mutex_);
  const auto it = limits_.connections_.find(peer_);
  // The peer may have reconnected, with a new share, after the last reference to this one was
  // dropped.
  if (it != limits_.connections_.end() && it->second.expired()) limits_.connections_.erase(it);
}

void PublishLimits::Connection::Add(size_t bytes) {
  NoteTaken(bytes);
  own_.Add(bytes + kRequestBytes);
  limits_.total_.Add(bytes + kRequestBytes);
}

void PublishLimits::Connection::Release(size_t bytes) {
  own_.Release(bytes + kRequestBytes);
  limits_.total_.Release(bytes + kRequestBytes);
}

MemoryBudget* PublishLimits::Connection::NotifyWhenFree(Watermark::Waiter& waiter) {
  for (MemoryBudget* budget : {&own_, &limits_.total_}) {
    if (budget->NotifyWhenFree(waiter)) return budget;
  }
  return nullptr;
}

std::shared_ptr<PublishLimits::Connection> PublishLimits::Connect(const std::string& peer) {
  MutexLock lock(mutex_);
  std::weak_ptr<Connection>& known = connections_[peer];
  std::shared_ptr<Connection> connection = known.lock();
  if (connection == nullptr) {
    connection = std::make_shared<Connection>(*this, peer);
    known = connection;
  }
  return connection;
}

}  // namespace eventhub
