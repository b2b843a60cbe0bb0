#include "server/core/base/peer_address.h"

#include <arpa/inet.h>
#include <netinet/in.h>

#include <cstring>

#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"

namespace eventhub {

uint16_t PortOf(const sockaddr_storage& address) {
  return ntohs(address.ss_family == AF_INET6
                   ? reinterpret_cast<const sockaddr_in6&>(address).sin6_port
                   : reinterpret_cast<const sockaddr_in&>(address).sin_port);
}

PeerAddress PeerOf(const sockaddr_storage& address) {
  char text[INET6_ADDRSTRLEN];
  if (address.ss_family == AF_INET) {
    const auto& ipv4 = reinterpret_cast<const sockaddr_in&>(address);
    inet_ntop(AF_INET, &ipv4.sin_addr, text, sizeof(text));
    return {text, absl::StrCat("ipv4:", text, ":", PortOf(address))};
  }
  if (address.ss_family != AF_INET6) return {"unix", "unix:"};
  in6_addr ip = reinterpret_cast<const sockaddr_in6&>(address).sin6_addr;
  if (IN6_IS_ADDR_V4MAPPED(&ip)) {
    inet_ntop(AF_INET, &ip.s6_addr[12], text, sizeof(text));
    return {text, absl::StrCat("ipv4:", text, ":", PortOf(address))};
  }
  inet_ntop(AF_INET6, &ip, text, sizeof(text));
  PeerAddress peer;
  peer.name = absl::StrCat("ipv6:%5B", text, "%5D:", PortOf(address));
  std::memset(&ip.s6_addr[8], 0, 8);
  inet_ntop(AF_INET6, &ip, text, sizeof(text));
  peer.host = absl::StrCat(text, "/64");
  return peer;
}

std::string HostOf(absl::string_view name) {
  sockaddr_storage address = {};
  if (absl::ConsumePrefix(&name, "ipv4:")) {
    auto& ipv4 = reinterpret_cast<sockaddr_in&>(address);
    ipv4.sin_family = AF_INET;
    const std::string ip(name.substr(0, name.rfind(':')));
    return inet_pton(AF_INET, ip.c_str(), &ipv4.sin_addr) == 1 ? PeerOf(address).host : ip;
  }
  if (absl::ConsumePrefix(&name, "ipv6:%5B")) {
    auto& ipv6 = reinterpret_cast<sockaddr_in6&>(address);
    ipv6.sin6_family = AF_INET6;
    const std::string ip(name.substr(0, name.find('%')));  // A scope also starts with '%'.
    return inet_pton(AF_INET6, ip.c_str(), &ipv6.sin6_addr) == 1 ? PeerOf(address).host : ip;
  }
  return PeerOf(address).host;
}

}  // namespace eventhub
