#include "server/rpc/listen_address.h"

#include <netdb.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <optional>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"

namespace eventhub {
namespace {

// What a "unix:PATH" address names; nullopt if its path is too long.
std::optional<sockaddr_un> SocketName(const std::string& address) {
  sockaddr_un name = {};
  name.sun_family = AF_UNIX;
  const std::string path = address.substr(sizeof(kUnixPrefix) - 1);
  if (path.size() >= sizeof(name.sun_path)) return std::nullopt;
  path.copy(name.sun_path, path.size());
  return name;
}

// Why no socket can be bound to it; empty if one can.
std::string WhyNotBound(const sockaddr& name, socklen_t size) {
  const int fd = socket(name.sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (fd < 0) return strerror(errno);
  const int reuse = 1;  // As gRPC has it: what is left of a process that ended is no reason.
  setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &reuse, sizeof(reuse));
  const std::string why = bind(fd, &name, size) == 0 ? "" : strerror(errno);
  close(fd);
  return why;
}

std::string WhyNoUnixSocket(const std::string& address) {
  const std::optional<sockaddr_un> name = SocketName(address);
  if (!name.has_value()) return "the path is too long";
  const std::string why = WhyNotBound(reinterpret_cast<const sockaddr&>(*name), sizeof(*name));
  if (why.empty()) unlink(name->sun_path);
  return why;
}

// Of "HOST:PORT".
std::string WhyNoPort(const std::string& address) {
  const size_t colon = address.rfind(':');
  if (colon == std::string::npos) return "";
  absl::string_view host = absl::string_view(address).substr(0, colon);
  if (absl::ConsumePrefix(&host, "[")) absl::ConsumeSuffix(&host, "]");
  addrinfo hints = {};
  hints.ai_flags = AI_PASSIVE;
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* found = nullptr;
  const int unknown =
      getaddrinfo(std::string(host).c_str(), address.c_str() + colon + 1, &hints, &found);
  if (unknown != 0) return gai_strerror(unknown);
  std::string why;
  for (const addrinfo* info = found; info != nullptr && why.empty(); info = info->ai_next) {
    why = WhyNotBound(*info->ai_addr, info->ai_addrlen);
  }
  freeaddrinfo(found);
  return why;
}

}  // namespace

bool IsUnixSocketInUse(const std::string& address) {
  const std::optional<sockaddr_un> name = SocketName(address);
  if (!name.has_value()) return false;  // gRPC refuses it.
  const int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (fd < 0) return false;
  const bool answers = connect(fd, reinterpret_cast<const sockaddr*>(&*name), sizeof(*name)) == 0;
  close(fd);
  return answers;
}

bool IsLocalAddress(absl::string_view address) {
  if (absl::StartsWith(address, kUnixPrefix)) return true;
  const absl::string_view host = address.substr(0, address.rfind(':'));
  return host == "localhost" || host == "[::1]" || absl::StartsWith(host, "127.");
}

absl::Status RestrictUnixSocket(const std::string& address) {
  if (!absl::StartsWith(address, kUnixPrefix)) return absl::OkStatus();
  const std::string path = address.substr(sizeof(kUnixPrefix) - 1);
  if (chmod(path.c_str(), S_IRUSR | S_IWUSR | S_IRGRP | S_IWGRP) == 0) return absl::OkStatus();
  return absl::ErrnoToStatus(errno, absl::StrCat("cannot restrict access to ", address));
}

absl::Status CannotListen(const std::string& address) {
  const std::string why =
      absl::StartsWith(address, kUnixPrefix) ? WhyNoUnixSocket(address) : WhyNoPort(address);
  return absl::UnavailableError(
      absl::StrCat("cannot listen on ", address, why.empty() ? "" : ": ", why));
}

}  // namespace eventhub
