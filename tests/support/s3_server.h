// A service that speaks S3, for the tests of a whole program: Ceph's radosgw, on a port of its own.
#pragma once

#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstdint>
#include <cstdlib>
#include <string>

#include "absl/strings/str_cat.h"
#include "tests/support/temp_directory.h"

namespace eventhub {

// Runs while this object exists. Its keys are S3Server::kAccessKey and kSecretKey; it has no
// bucket.
class S3Server {
 public:
  static constexpr const char* kAccessKey = "LAKEKEY";
  static constexpr const char* kSecretKey = "lakesecret";

  S3Server() : port_(FreePorts()) {
    running_ = Run(absl::StrCat("start ", directory_ / "ceph", " ", port_));
  }
  ~S3Server() { Run(absl::StrCat("stop ", directory_ / "ceph")); }
  S3Server(const S3Server&) = delete;
  S3Server& operator=(const S3Server&) = delete;

  // False if this machine has no Ceph, or the test is not run by root.
  bool running() const { return running_; }
  std::string address() const { return absl::StrCat("127.0.0.1:", port_); }

 private:
  // Two consecutive ports that nobody listens on.
  static uint16_t FreePorts() {
    for (;;) {
      uint16_t port = 0;
      if (TryToBind(&port) && port < 65535 && TryToBind(&(++port))) {
        return static_cast<uint16_t>(port - 1);
      }
    }
  }
  static bool TryToBind(uint16_t* port) {
    const int listener = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in address = {};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    address.sin_port = htons(*port);
    socklen_t size = sizeof(address);
    const bool bound = ::bind(listener, reinterpret_cast<sockaddr*>(&address), size) == 0 &&
                       ::getsockname(listener, reinterpret_cast<sockaddr*>(&address), &size) == 0;
    *port = ntohs(address.sin_port);
    ::close(listener);
    return bound;
  }
  bool Run(const std::string& command) {
    return std::system(
               absl::StrCat("tests/support/radosgw.sh ", command, " >", directory_ / "log", " 2>&1")
                   .c_str()) == 0;
  }

  TempDirectory directory_;
  const uint16_t port_;
  bool running_ = false;
};

}  // namespace eventhub
