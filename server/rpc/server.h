// The hub as a gRPC server: broker, services, listeners, and their orderly end.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "server/core/broker.h"
#include "server/link/link_worker.h"
#include "server/rpc/publish_limits.h"

namespace grpc {
class Server;
}  // namespace grpc

namespace eventhub {

struct ServerOptions {
  BrokerOptions broker;
  // "HOST:PORT" (port 0: any free one) or "unix:PATH".
  std::vector<std::string> listen = {"0.0.0.0:7070"};
  PublishLimitOptions publish_limits;
  // The largest request; a larger one ends its call with RESOURCE_EXHAUSTED. Bytes.
  size_t max_request_bytes = size_t{4} << 20;
  // Threads that read from the disk for readers that are behind.
  int disk_threads = 4;
  // Told when a link begins to flow, and why it does not; see LinkReport.
  LinkReport on_link_change = [](absl::string_view, const absl::Status&) {};
  // Said by GetStats.
  std::string version = "unknown";
};

// Serves from Start() to Shutdown() or destruction. Thread-safe.
class Server {
 public:
  // Errors: those of Broker::Open; UNAVAILABLE if an address cannot be listened on.
  static absl::StatusOr<std::unique_ptr<Server>> Start(ServerOptions options);
  ~Server();

  // What is listened on, with the actual ports; in the order of ServerOptions::listen.
  const std::vector<std::string>& addresses() const { return addresses_; }

  // Drains: health turns NOT_SERVING, streams end with UNAVAILABLE, what was accepted is committed
  // and answered. Calls that are not done after `grace` are cancelled. Blocks; once.
  void Shutdown(absl::Duration grace);

 private:
  struct Services;

  Server();
  absl::Status Listen(const ServerOptions& options);

  std::vector<std::string> addresses_;
  std::unique_ptr<Services> services_;
  std::unique_ptr<grpc::Server> server_;
};

}  // namespace eventhub
