#include "server/rpc/acceptor.h"

#include <fcntl.h>
#include <linux/tcp.h>
#include <netinet/in.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

#include "absl/strings/str_cat.h"

namespace eventhub {
namespace {

// Connections accepted in a row before the ends of others are handled.
constexpr int kTurn = 64;
constexpr int kEvents = 128;

// How long to wait before accepting again after running out of descriptors.
constexpr int kRestMs = 100;

// Closes a connection with a reset, so that the kernel keeps no state for it.
void Refuse(int fd) {
  const linger at_once = {1, 0};
  setsockopt(fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once));
  close(fd);
}

}  // namespace

Acceptor::Acceptor(std::unique_ptr<GrpcAcceptor> network,
                   std::unique_ptr<GrpcAcceptor> unix_sockets, ConnectionTable& connections)
    : network_(std::move(network)),
      unix_sockets_(std::move(unix_sockets)),
      connections_(connections) {}

Acceptor::~Acceptor() {
  Stop();
  if (thread_.joinable()) {
    {
      MutexLock lock(mutex_);
      ending_ = true;
    }
    eventfd_write(wake_, 1);
    thread_.join();
  }
  if (poll_ >= 0) close(poll_);
  if (wake_ >= 0) close(wake_);
}

absl::Status Acceptor::Start(std::vector<ListenSockets> sockets) {
  sockets_ = std::move(sockets);
  poll_ = epoll_create1(EPOLL_CLOEXEC);
  wake_ = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  if (poll_ < 0 || wake_ < 0 || !Watch(wake_, EPOLLIN)) {
    return absl::ResourceExhaustedError(absl::StrCat("cannot listen: ", strerror(errno)));
  }
  {
    MutexLock lock(mutex_);
    accepting_ = true;
  }
  ListenAgain(true);
  thread_ = std::thread([this] { Run(); });
  return absl::OkStatus();
}

bool Acceptor::Watch(int fd, uint32_t events) {
  epoll_event event = {};
  event.events = events;
  event.data.fd = fd;
  return epoll_ctl(poll_, EPOLL_CTL_ADD, fd, &event) == 0;
}

void Acceptor::ListenAgain(bool listen) {
  resting_ = !listen;
  for (const ListenSockets& sockets : sockets_) {
    for (const int fd : sockets.descriptors()) {
      if (listen) {
        Watch(fd, EPOLLIN);
      } else {
        epoll_ctl(poll_, EPOLL_CTL_DEL, fd, nullptr);
      }
    }
  }
}

void Acceptor::Stop() {
  if (!thread_.joinable()) return;
  {
    MutexLock lock(mutex_);
    accepting_ = false;
  }
  eventfd_write(wake_, 1);
  MutexLock lock(mutex_);
  while (!sockets_.empty()) stopped_.Wait(mutex_);
}

void Acceptor::Run() {
  epoll_event events[kEvents];
  for (;;) {
    const int count = epoll_wait(poll_, events, kEvents, resting_ ? kRestMs : -1);
    // Read before the requests: a later request wakes the thread again.
    eventfd_t ignored;
    eventfd_read(wake_, &ignored);
    bool accepting;
    {
      MutexLock lock(mutex_);
      if (ending_) return;
      accepting = accepting_;
      if (!accepting && !sockets_.empty()) {
        sockets_.clear();  // Connections in the backlog are refused.
        stopped_.NotifyAll();
      }
    }
    if (resting_ && accepting) ListenAgain(true);
    for (int i = 0; i < count; ++i) {
      const int fd = events[i].data.fd;
      const bool is_listener =
          std::any_of(sockets_.begin(), sockets_.end(), [fd](const ListenSockets& sockets) {
            return std::count(sockets.descriptors().begin(), sockets.descriptors().end(), fd) != 0;
          });
      if (fd == wake_) continue;
      if (is_listener) {
        Accept(fd);
      } else {
        // Closing the descriptor would not end the watch, since gRPC may still have the socket.
        epoll_ctl(poll_, EPOLL_CTL_DEL, fd, nullptr);
        connections_.Remove(fd);
      }
    }
  }
}

void Acceptor::Accept(int listener) {
  for (int i = 0; i < kTurn; ++i) {
    sockaddr_storage address = {};
    socklen_t size = sizeof(address);
    const int fd = accept4(listener, reinterpret_cast<sockaddr*>(&address), &size,
                           SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (fd >= 0) {
      HandOver(fd, address);
    } else if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM) {
      return ListenAgain(false);
    } else if (errno != EINTR && errno != ECONNABORTED) {
      return;
    }
  }
}

void Acceptor::HandOver(int fd, const sockaddr_storage& address) {
  const int watched = fcntl(fd, F_DUPFD_CLOEXEC, 0);
  if (watched < 0) return Refuse(fd);
  if (!connections_.Admit(PeerOf(address), watched)) {
    close(watched);
    return Refuse(fd);
  }
  const int on = 1;
  setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
  // Hang-ups are always reported. Registered first: gRPC may close the connection at once.
  if (!Watch(watched, 0)) {
    connections_.Remove(watched);
    return Refuse(fd);
  }
  GrpcAcceptor::NewConnectionParameters connection;
  connection.fd = fd;
  connection.listener_fd = -1;
  (address.ss_family == AF_UNIX ? unix_sockets_ : network_)->HandleNewConnection(&connection);
}

}  // namespace eventhub
