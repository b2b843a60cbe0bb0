// A TCP connection that a test can cut.
#pragma once

#include <cstdint>
#include <string>
#include <thread>
#include <vector>

namespace eventhub {

// Listens on loopback and forwards bytes to and from a hub until it is cut. Cut() resets every
// connection at both ends, as when a client's process dies with unread data; the proxy then accepts
// no more connections. Thread-compatible.
class TcpProxy {
 public:
  // `target` is "127.0.0.1:PORT".
  explicit TcpProxy(const std::string& target);
  ~TcpProxy() { Cut(); }

  TcpProxy(const TcpProxy&) = delete;
  TcpProxy& operator=(const TcpProxy&) = delete;

  const std::string& address() const { return address_; }
  // Returns once all connections are reset.
  void Cut();

 private:
  void Run();
  void Accept();

  const uint16_t target_port_;
  int listener_;
  int stop_;  // An eventfd that the thread reads.
  std::string address_;
  std::vector<int> ends_;  // Two consecutive entries per connection. Used only by the thread.
  std::thread thread_;
};

}  // namespace eventhub
