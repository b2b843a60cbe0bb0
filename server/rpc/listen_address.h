// Addresses that the hub listens on, and those that its clients come from.
#pragma once

#include <sys/socket.h>

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace eventhub {

// What "unix:PATH" addresses begin with.
inline constexpr char kUnixPrefix[] = "unix:";

// The sockets of one address; a host name may stand for several. Closes them at its end.
class ListenSockets {
 public:
  ListenSockets() = default;
  ListenSockets(ListenSockets&& other) noexcept;
  ListenSockets& operator=(ListenSockets&& other) noexcept;
  ~ListenSockets() { Close(); }

  // Listens on "HOST:PORT" (port 0: any free one) or "unix:PATH". UNAVAILABLE says why it cannot:
  // an address is never shared with another process, nor taken from one that lives. The owner and
  // the group of a unix socket's file may connect, and nobody else.
  static absl::StatusOr<ListenSockets> Open(const std::string& address);

  // With the port that was bound.
  const std::string& address() const { return address_; }
  const std::vector<int>& descriptors() const { return descriptors_; }

  // Refuses new connections, those in the backlog too; removes a unix socket from its directory.
  void Close();

 private:
  static absl::StatusOr<ListenSockets> OpenUnix(const std::string& address);
  static absl::StatusOr<ListenSockets> OpenTcp(const std::string& address);

  std::string address_;
  std::string unix_path_;
  std::vector<int> descriptors_;
};

// Where a connection comes from.
struct PeerAddress {
  std::string host;  // Without the port; of IPv6 the network of 64 bits; "unix" for all of those.
  std::string name;  // As grpc::ServerContext::peer() has it.
};

PeerAddress PeerOf(const sockaddr_storage& address);

// The host of a name as grpc::ServerContext::peer() has it.
std::string HostOf(absl::string_view name);

// Whether only processes of this machine can reach an address: a unix socket, or one of the
// loopback.
bool IsLocalAddress(absl::string_view address);

}  // namespace eventhub
