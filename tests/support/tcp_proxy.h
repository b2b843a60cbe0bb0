// A TCP connection that a test can cut.
#pragma once

#include <cstdint>
#include <string>
#include <thread>
#include <vector>

namespace eventhub {

// Listens on loopback and passes bytes on to and from a hub, until it is cut: then every connection
// is reset, at both ends, as when a client's process dies with data unread. It takes no connection
// after that. Thread-compatible.
class TcpProxy {
 public:
  // `target` is "127.0.0.1:PORT".
  explicit TcpProxy(const std::string& target);
  ~TcpProxy() { Cut(); }

  TcpProxy(const TcpProxy&) = delete;
  TcpProxy& operator=(const TcpProxy&) = delete;

  const std::string& address() const { return address_; }
  // Returns when all is cut.
  void Cut();

 private:
  void Run();
  void Accept();

  const uint16_t target_port_;
  int listener_;
  int stop_;  // An eventfd; read by the thread.
  std::string address_;
  std::vector<int> ends_;  // Two for each connection, one after the other. The thread's only.
  std::thread thread_;
};

}  // namespace eventhub
