#include "tests/abuse/loopback.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstdint>
#include <cstdlib>

namespace eventhub::abuse {
namespace {

sockaddr_in LoopbackAddress(Host host, int port) {
  sockaddr_in address = {};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<uint16_t>(port));
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK - 1 + static_cast<uint32_t>(host));
  return address;
}

}  // namespace

int ConnectFrom(Host from, const std::string& address) {
  const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  const sockaddr_in source = LoopbackAddress(from, 0);
  const sockaddr_in to =
      LoopbackAddress(Host::kTest, std::atoi(address.substr(address.rfind(':') + 1).c_str()));
  if (bind(fd, reinterpret_cast<const sockaddr*>(&source), sizeof(source)) == 0 &&
      connect(fd, reinterpret_cast<const sockaddr*>(&to), sizeof(to)) == 0) {
    return fd;
  }
  close(fd);
  return -1;
}

}  // namespace eventhub::abuse
