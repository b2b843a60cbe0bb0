#include "server/rpc/listen_address.h"

#include <arpa/inet.h>
#include <netdb.h>
#include <netinet/in.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>
#include <cstring>
#include <memory>
#include <optional>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "server/core/base/peer_address.h"
#include "storage/base/status_macros.h"

namespace eventhub {
namespace {

// Connections waiting to be accepted; the kernel's own limit may be lower.
constexpr int kBacklog = 4096;

absl::Status CannotListen(const std::string& address, absl::string_view why) {
  return absl::UnavailableError(absl::StrCat("cannot listen on ", address, ": ", why));
}

// The socket address of "unix:PATH"; nullopt if the path is too long.
std::optional<sockaddr_un> SocketName(const std::string& address) {
  sockaddr_un name = {};
  name.sun_family = AF_UNIX;
  const std::string path = address.substr(sizeof(kUnixPrefix) - 1);
  if (path.size() >= sizeof(name.sun_path)) return std::nullopt;
  path.copy(name.sun_path, path.size());
  return name;
}

bool IsInUse(const sockaddr_un& name) {
  const int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (fd < 0) return false;
  const bool answers = connect(fd, reinterpret_cast<const sockaddr*>(&name), sizeof(name)) == 0;
  close(fd);
  return answers;
}

void SetOption(int fd, int level, int option, int value) {
  setsockopt(fd, level, option, &value, sizeof(value));
}

// Returns a listening socket; -1 with errno on failure.
int ListenOn(const sockaddr& name, socklen_t size) {
  const int fd = socket(name.sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (fd < 0) return -1;
  // Remains of a process that ended must not prevent listening.
  if (name.sa_family != AF_UNIX) SetOption(fd, SOL_SOCKET, SO_REUSEADDR, 1);
  if (name.sa_family == AF_INET6) SetOption(fd, IPPROTO_IPV6, IPV6_V6ONLY, 0);
  if (bind(fd, &name, size) == 0 && listen(fd, kBacklog) == 0) return fd;
  const int error = errno;
  close(fd);
  errno = error;
  return -1;
}

void SetPort(sockaddr* name, uint16_t port) {
  if (name->sa_family == AF_INET6) {
    reinterpret_cast<sockaddr_in6*>(name)->sin6_port = htons(port);
  } else {
    reinterpret_cast<sockaddr_in*>(name)->sin_port = htons(port);
  }
}

uint16_t BoundPort(int fd) {
  sockaddr_storage name = {};
  socklen_t size = sizeof(name);
  getsockname(fd, reinterpret_cast<sockaddr*>(&name), &size);
  return PortOf(name);
}

}  // namespace

ListenSockets::ListenSockets(ListenSockets&& other) noexcept { *this = std::move(other); }

ListenSockets& ListenSockets::operator=(ListenSockets&& other) noexcept {
  std::swap(address_, other.address_);
  std::swap(unix_path_, other.unix_path_);
  std::swap(descriptors_, other.descriptors_);
  return *this;
}

void ListenSockets::Close() {
  for (const int fd : descriptors_) close(fd);
  descriptors_.clear();
  if (!unix_path_.empty()) unlink(std::exchange(unix_path_, "").c_str());
}

absl::StatusOr<ListenSockets> ListenSockets::Open(const std::string& address) {
  if (absl::StartsWith(address, kAbstractPrefix)) return OpenAbstract(address);
  return absl::StartsWith(address, kUnixPrefix) ? OpenUnix(address) : OpenTcp(address);
}

absl::StatusOr<ListenSockets> ListenSockets::OpenAbstract(const std::string& address) {
  const std::string path = address.substr(sizeof(kAbstractPrefix) - 1);
  sockaddr_un name = {};
  name.sun_family = AF_UNIX;
  if (path.empty() || path.size() >= sizeof(name.sun_path)) {
    return CannotListen(address, "the name is empty or too long");
  }
  path.copy(name.sun_path + 1, path.size());  // The zero before it makes it abstract.
  const size_t size = offsetof(sockaddr_un, sun_path) + 1 + path.size();
  const int fd = ListenOn(reinterpret_cast<const sockaddr&>(name), static_cast<socklen_t>(size));
  if (fd < 0) return CannotListen(address, strerror(errno));
  ListenSockets sockets;
  sockets.address_ = address;
  sockets.descriptors_.push_back(fd);
  return sockets;
}

absl::StatusOr<ListenSockets> ListenSockets::OpenUnix(const std::string& address) {
  const std::optional<sockaddr_un> name = SocketName(address);
  if (!name.has_value()) return CannotListen(address, "the path is too long");
  if (IsInUse(*name)) return CannotListen(address, "another process is listening");
  struct stat left_over;  // Left by a hub that was killed.
  if (stat(name->sun_path, &left_over) == 0 && S_ISSOCK(left_over.st_mode)) unlink(name->sun_path);
  const int fd = ListenOn(reinterpret_cast<const sockaddr&>(*name), sizeof(*name));
  if (fd < 0) return CannotListen(address, strerror(errno));
  ListenSockets sockets;
  sockets.address_ = address;
  sockets.unix_path_ = name->sun_path;
  sockets.descriptors_.push_back(fd);
  if (chmod(name->sun_path, S_IRUSR | S_IWUSR | S_IRGRP | S_IWGRP) != 0) {
    return absl::ErrnoToStatus(errno, absl::StrCat("cannot restrict access to ", address));
  }
  return sockets;
}

absl::StatusOr<ListenSockets> ListenSockets::OpenTcp(const std::string& address) {
  const size_t colon = address.rfind(':');
  if (colon == std::string::npos) return CannotListen(address, "it is not HOST:PORT");
  absl::string_view host = absl::string_view(address).substr(0, colon);
  if (absl::ConsumePrefix(&host, "[")) absl::ConsumeSuffix(&host, "]");
  // A socket for all IPv6 addresses serves IPv4 as well.
  const bool any = host == "0.0.0.0";
  addrinfo hints = {};
  hints.ai_flags = AI_PASSIVE;
  hints.ai_socktype = SOCK_STREAM;
  for (const absl::string_view tried : {any ? absl::string_view("::") : host, host}) {
    addrinfo* found = nullptr;
    const int unknown =
        getaddrinfo(std::string(tried).c_str(), address.c_str() + colon + 1, &hints, &found);
    if (unknown != 0) return CannotListen(address, gai_strerror(unknown));
    const std::unique_ptr<addrinfo, decltype(&freeaddrinfo)> owner(found, &freeaddrinfo);
    ListenSockets sockets;
    uint16_t port = 0;  // All sockets use the port of the first.
    int error = 0;
    for (addrinfo* info = found; info != nullptr; info = info->ai_next) {
      if (port != 0) SetPort(info->ai_addr, port);
      const int fd = ListenOn(*info->ai_addr, info->ai_addrlen);
      if (fd < 0) {
        error = errno;
        // An address in use is an error; an address that this machine does not have is skipped.
        if (error == EADDRINUSE) break;
        continue;
      }
      sockets.descriptors_.push_back(fd);
      port = BoundPort(fd);
    }
    if (error != EADDRINUSE && !sockets.descriptors_.empty()) {
      sockets.address_ = absl::StrCat(address.substr(0, colon), ":", port);
      return sockets;
    }
    if (error == EADDRINUSE || tried == host) return CannotListen(address, strerror(error));
  }
  return CannotListen(address, strerror(EADDRNOTAVAIL));
}

bool IsLocalAddress(absl::string_view address) {
  if (absl::StartsWith(address, kUnixPrefix)) return true;
  const absl::string_view host = address.substr(0, address.rfind(':'));
  return host == "localhost" || host == "[::1]" || absl::StartsWith(host, "127.");
}

}  // namespace eventhub
