// Addresses that the hub listens on.
#pragma once

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace eventhub {

// The prefix of "unix:PATH" addresses.
inline constexpr char kUnixPrefix[] = "unix:";
// The prefix of addresses in Linux's abstract namespace, which is not part of a file system.
inline constexpr char kAbstractPrefix[] = "unix-abstract:";

// The sockets of one address; a host name may resolve to several. Closes them on destruction.
class ListenSockets {
 public:
  ListenSockets() = default;
  ListenSockets(ListenSockets&& other) noexcept;
  ListenSockets& operator=(ListenSockets&& other) noexcept;
  ~ListenSockets() { Close(); }

  // Listens on "HOST:PORT" (port 0: any free port), "unix:PATH" or "unix-abstract:NAME".
  // UNAVAILABLE says why it cannot: an address is never shared with another process, nor taken from
  // a living one. Only the owner and the group of a unix socket's file may connect; an abstract
  // name has no owner, so whoever knows it may.
  static absl::StatusOr<ListenSockets> Open(const std::string& address);

  // With the bound port.
  const std::string& address() const { return address_; }
  const std::vector<int>& descriptors() const { return descriptors_; }

  // Refuses new connections, including those in the backlog; removes a unix socket from its
  // directory.
  void Close();

 private:
  static absl::StatusOr<ListenSockets> OpenUnix(const std::string& address);
  static absl::StatusOr<ListenSockets> OpenAbstract(const std::string& address);
  static absl::StatusOr<ListenSockets> OpenTcp(const std::string& address);

  std::string address_;
  std::string unix_path_;
  std::vector<int> descriptors_;
};

// Whether only processes of this machine can reach an address: a unix socket, or a loopback
// address.
bool IsLocalAddress(absl::string_view address);

}  // namespace eventhub
