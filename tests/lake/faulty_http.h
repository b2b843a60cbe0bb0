// An HTTP service that misbehaves on demand, in front of a real one.
#pragma once

#include <functional>
#include <string>
#include <thread>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "storage/base/mutex.h"

namespace eventhub::lake {

// Listens on loopback. Each request is read whole, and then what the script says happens to it.
class FaultyHttp {
 public:
  struct Request {
    std::string method;
    std::string target;   // Path and query.
    std::string headers;  // As they were sent.
    int number = 0;       // How many requests came before.
  };
  struct Action {
    enum class Kind {
      kForward,
      kCutRequest,    // The service gets half of the request; then both connections are reset.
      kLoseResponse,  // The service gets the request; the client's connection is reset.
      kAnswer,        // The service gets nothing; the client gets `status`, `headers` and `body`.
      kStall,         // Nobody gets anything until this object is destroyed.
    };
    Kind kind = Kind::kForward;
    int status = 200;
    std::string headers = {};  // Lines that end with \r\n.
    std::string body = {};
  };
  using Script = std::function<Action(const Request&)>;

  // `service`, "127.0.0.1:PORT", may be empty if the script forwards nothing.
  explicit FaultyHttp(std::string service);
  ~FaultyHttp();
  FaultyHttp(const FaultyHttp&) = delete;
  FaultyHttp& operator=(const FaultyHttp&) = delete;

  // The script is called by one thread at a time. At first all requests are forwarded.
  void SetScript(Script script);
  std::string endpoint() const;

 private:
  void Accept();
  void Serve(int client);
  bool ReadRequest(int client, std::string* text);

  const std::string service_;
  int listener_;
  uint16_t port_ = 0;
  Mutex mutex_;
  Script script_ ABSL_GUARDED_BY(mutex_);
  int requests_ ABSL_GUARDED_BY(mutex_) = 0;
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;
  std::vector<int> clients_ ABSL_GUARDED_BY(mutex_);
  std::vector<std::thread> threads_ ABSL_GUARDED_BY(mutex_);
  std::thread acceptor_;
};

}  // namespace eventhub::lake
