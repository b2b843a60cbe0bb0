#include "tests/support/tcp_proxy.h"

#include <netinet/in.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstdlib>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"

namespace eventhub {
namespace {

sockaddr_in Loopback(uint16_t port) {
  sockaddr_in address = {};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  address.sin_port = htons(port);
  return address;
}

uint16_t PortOf(const std::string& address) {
  uint32_t port = 0;
  if (!absl::SimpleAtoi(address.substr(address.rfind(':') + 1), &port)) std::abort();
  return static_cast<uint16_t>(port);
}

// Resets the connection instead of closing it in order.
void Reset(int fd) {
  const linger now = {1, 0};
  setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
  close(fd);
}

// Returns whether more bytes may follow.
bool Pass(int from, int to) {
  char bytes[16384];
  const ssize_t count = read(from, bytes, sizeof(bytes));
  for (ssize_t done = 0; done < count;) {
    const ssize_t sent = send(to, bytes + done, static_cast<size_t>(count - done), MSG_NOSIGNAL);
    if (sent <= 0) return false;
    done += sent;
  }
  return count > 0;
}

}  // namespace

TcpProxy::TcpProxy(const std::string& target)
    : target_port_(PortOf(target)),
      listener_(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)),
      stop_(eventfd(0, EFD_CLOEXEC)) {
  sockaddr_in address = Loopback(0);
  socklen_t size = sizeof(address);
  if (bind(listener_, reinterpret_cast<sockaddr*>(&address), size) != 0 ||
      listen(listener_, 16) != 0 ||
      getsockname(listener_, reinterpret_cast<sockaddr*>(&address), &size) != 0) {
    std::abort();  // No test can run without it.
  }
  address_ = absl::StrCat("127.0.0.1:", ntohs(address.sin_port));
  thread_ = std::thread([this] { Run(); });
}

void TcpProxy::Cut() {
  if (!thread_.joinable()) return;
  eventfd_write(stop_, 1);
  thread_.join();
  close(stop_);
}

void TcpProxy::Accept() {
  const int client = accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC);
  const int hub = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  const sockaddr_in address = Loopback(target_port_);
  if (connect(hub, reinterpret_cast<const sockaddr*>(&address), sizeof(address)) != 0) {
    std::abort();
  }
  ends_.insert(ends_.end(), {client, hub});
}

void TcpProxy::Run() {
  for (;;) {
    std::vector<pollfd> polled = {{stop_, POLLIN, 0}, {listener_, POLLIN, 0}};
    for (const int end : ends_) polled.push_back({end, POLLIN, 0});
    poll(polled.data(), polled.size(), -1);
    if (polled[0].revents != 0) break;
    for (size_t i = 0; i + 2 < polled.size(); ++i) {
      if (polled[i + 2].revents == 0 || Pass(ends_[i], ends_[i ^ 1])) continue;
      const auto pair = ends_.begin() + static_cast<std::ptrdiff_t>(i & ~size_t{1});
      Reset(pair[0]);
      Reset(pair[1]);
      ends_.erase(pair, pair + 2);
      break;  // The others follow in the next round.
    }
    if (polled[1].revents != 0) Accept();
  }
  close(listener_);
  for (const int end : ends_) Reset(end);
}

}  // namespace eventhub
