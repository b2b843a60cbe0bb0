#include "server/rpc/connection_table.h"

#include <linux/tcp.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <optional>
#include <utility>

namespace eventhub {
namespace {

// Legitimate calls have this many bytes of frames and headers.
constexpr double kMinWaste = 1 << 20;

// A host with fewer connections does not exhaust a hub's memory by their number.
constexpr size_t kManyConnections = 16;

// How long a host is refused after one of its connections was cut off.
constexpr double kBanSeconds = 2;

// The kernel's figures of a TCP connection; nullopt for other sockets.
std::optional<tcp_info> TcpInfoOf(int fd) {
  tcp_info info = {};
  socklen_t size = sizeof(info);
  if (getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &size) != 0 ||
      size < offsetof(tcp_info, tcpi_bytes_received) + sizeof(info.tcpi_bytes_received)) {
    return std::nullopt;
  }
  return info;
}

// Ends a connection, and discards received data that was not read.
void CutOff(int fd) {
  constexpr size_t kAll = size_t{64} << 20;
  shutdown(fd, SHUT_RDWR);
  while (recv(fd, nullptr, kAll, MSG_TRUNC | MSG_DONTWAIT) > 0) {
  }
}

}  // namespace

ConnectionTable::~ConnectionTable() {
  for (const auto& [fd, connection] : connections_) close(fd);
}

void ConnectionTable::Fill(Host& host, absl::Duration now) const {
  host.tokens =
      std::min(limits_.new_per_second,
               host.tokens + limits_.new_per_second * absl::ToDoubleSeconds(now - host.filled));
  host.filled = now;
}

bool ConnectionTable::Admit(const PeerAddress& peer, int watched) {
  std::shared_ptr<PublishLimits::Connection> share = publish_limits_.Connect(peer.name);
  const absl::Duration now = clock_.Monotonic();
  MutexLock lock(mutex_);
  const auto [it, first] = hosts_.try_emplace(peer.host, Host{0, limits_.new_per_second, now});
  Host& host = it->second;
  Fill(host, now);
  const bool full = connections_.size() >= limits_.total || host.connections >= limits_.per_peer;
  if (full || host.tokens < 1 || (closed_ && !AdmitWhileClosed(now))) {
    counters_.refused.Add();
    return false;
  }
  --host.tokens;
  ++host.connections;
  counters_.accepted.Add();
  connections_[watched] = {peer.host, std::move(share)};
  if (hosts_.size() > sweep_at_) ForgetIdleHosts(now);
  return true;
}

bool ConnectionTable::AdmitWhileClosed(absl::Duration now) {
  if (connections_.size() < kAlways) return true;
  if (now - trickled_ < kTrickle) return false;
  trickled_ = now;
  return true;
}

void ConnectionTable::ForgetIdleHosts(absl::Duration now) {
  absl::erase_if(hosts_, [&](auto& entry) {
    Fill(entry.second, now);
    return entry.second.connections == 0 && entry.second.tokens >= limits_.new_per_second;
  });
  sweep_at_ = std::max<size_t>(1024, 2 * hosts_.size());
}

void ConnectionTable::Remove(int watched) {
  std::shared_ptr<PublishLimits::Connection> share;  // Released without the lock.
  MutexLock lock(mutex_);
  const auto it = connections_.find(watched);
  if (it == connections_.end()) return;
  --hosts_[it->second.host].connections;
  share = std::move(it->second.share);
  connections_.erase(it);
  close(watched);
}

size_t ConnectionTable::size() const {
  MutexLock lock(mutex_);
  return connections_.size();
}

void ConnectionTable::Sample() {
  const absl::Duration now = clock_.Monotonic();
  MutexLock lock(mutex_);
  const double left = std::exp2(-absl::ToDoubleSeconds(now - std::exchange(sampled_, now)));
  for (auto& [fd, connection] : connections_) {
    const std::optional<tcp_info> info = TcpInfoOf(fd);
    if (!info.has_value()) continue;
    const uint64_t taken = connection.share->taken_bytes();
    // A request may be counted before the kernel's figure is read, but never after.
    const uint64_t wasted =
        info->tcpi_bytes_received > taken ? info->tcpi_bytes_received - taken : 0;
    // Waste decreases when a large request is complete.
    connection.wasted = std::max(0.0, left * connection.wasted + static_cast<double>(wasted) -
                                          static_cast<double>(connection.wasted_before));
    connection.wasted_before = wasted;
    const uint64_t more = taken - std::exchange(connection.taken_before, taken);
    connection.taken = left * connection.taken + static_cast<double>(more);
  }
}

// The overhead of requests (headers, frames, TLS) is smaller than the requests themselves.
double ConnectionTable::WasteOf(const Connection& connection) {
  return connection.shed || connection.wasted < connection.taken ? 0 : connection.wasted;
}

size_t ConnectionTable::Shed() {
  MutexLock lock(mutex_);
  double most = 0;
  for (const auto& [fd, connection] : connections_) most = std::max(most, WasteOf(connection));
  if (most < kMinWaste) return 0;
  size_t count = 0;
  for (auto& [fd, connection] : connections_) {
    if (WasteOf(connection) < std::max(kMinWaste, most / 8)) continue;
    Shed(fd, connection);
    ++count;
  }
  return count;
}

size_t ConnectionTable::ShedHost() {
  MutexLock lock(mutex_);
  const auto most = std::max_element(
      hosts_.begin(), hosts_.end(),
      [](const auto& a, const auto& b) { return a.second.connections < b.second.connections; });
  if (most == hosts_.end() || most->second.connections < kManyConnections) return 0;
  const std::string host = most->first;
  size_t count = 0;
  for (auto& [fd, connection] : connections_) {
    if (connection.shed || connection.host != host) continue;
    Shed(fd, connection);
    ++count;
  }
  return count;
}

void ConnectionTable::Shed(int fd, Connection& connection) {
  CutOff(fd);
  connection.shed = true;
  hosts_[connection.host].tokens = -limits_.new_per_second * kBanSeconds;
  counters_.shed.Add();
}

void ConnectionTable::SetClosed(bool closed) {
  MutexLock lock(mutex_);
  closed_ = closed;
}

void ConnectionTable::MarkReceived() {
  MutexLock lock(mutex_);
  for (auto& [fd, connection] : connections_) {
    if (const auto info = TcpInfoOf(fd)) connection.marked = info->tcpi_bytes_received;
  }
}

void ConnectionTable::CloseSilent() {
  MutexLock lock(mutex_);
  for (const auto& [fd, connection] : connections_) {
    const std::optional<tcp_info> info = TcpInfoOf(fd);
    if (info.has_value() && info->tcpi_bytes_received == connection.marked) CutOff(fd);
  }
}

}  // namespace eventhub
