// The hub as a gRPC server: broker, services, listeners, and their orderly end.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "eventhub/connection.h"
#include "server/core/broker.h"
#include "server/link/link_worker.h"
#include "server/rpc/connection_table.h"
#include "server/rpc/publish_limits.h"
#include "server/rpc/server_tls.h"

namespace grpc {
class Server;
}  // namespace grpc

namespace eventhub {

class Acceptor;
class MemoryGuardThread;

struct ServerOptions {
  BrokerOptions broker;
  // "HOST:PORT" (port 0: any free one) or "unix:PATH".
  std::vector<std::string> listen = {"127.0.0.1:7070"};
  // For what comes over the network; unix sockets are protected by the rights of their files
  // instead.
  ServerTlsOptions tls;
  // For links that ask for TLS: whom they trust, and who this hub says it is.
  client::TlsOptions link_tls;
  PublishLimitOptions publish_limits;
  // The largest request; a larger one ends its call with RESOURCE_EXHAUSTED. Bytes.
  size_t max_request_bytes = size_t{4} << 20;
  // Memory that the process is to take at most; 0: whatever it happens to. Bytes.
  size_t memory_limit = 0;
  // Bytes that gRPC may hold: requests being received, and what waits to be sent.
  size_t transport_bytes = size_t{512} << 20;
  // What readers may have been sent and not have taken, all together. Bytes.
  size_t frame_bytes = size_t{512} << 20;
  ConnectionLimits connections;
  // Streams that are open at a time, over all connections.
  size_t max_streams = 10'000;
  // Threads that read from the disk for readers that are behind.
  int disk_threads = 4;
  // Told when a link begins to flow, and why it does not; see LinkReport.
  LinkReport on_link_change = [](absl::string_view, const absl::Status&) {};
  // Told of connections that were cut off for want of memory. From any thread.
  absl::AnyInvocable<void(size_t connections)> on_shed = [](size_t) {};
  // Said by GetStats.
  std::string version = "unknown";
};

// Serves from Start() to Shutdown() or destruction. Thread-safe.
class Server {
 public:
  // Errors: those of Broker::Open and NetworkCredentials; UNAVAILABLE if an address cannot be
  // listened on.
  static absl::StatusOr<std::unique_ptr<Server>> Start(ServerOptions options);
  ~Server();

  // What is listened on, with the actual ports; in the order of ServerOptions::listen.
  const std::vector<std::string>& addresses() const { return addresses_; }

  // Those of them that anybody can reach and call: neither local nor closed to clients without a
  // certificate.
  std::vector<std::string> unprotected_addresses() const;

  // Drains: health turns NOT_SERVING, streams end with UNAVAILABLE, what was accepted is committed
  // and answered. Calls that are not done after `grace` are cancelled. Blocks; once.
  void Shutdown(absl::Duration grace);

 private:
  struct Services;

  explicit Server(ServerTlsOptions tls);
  v1::Listener Describe(const std::string& address) const;
  absl::Status Listen(const ServerOptions& options);
  void WatchMemory(ServerOptions& options);

  const ServerTlsOptions tls_;
  std::vector<std::string> addresses_;
  std::unique_ptr<Services> services_;
  std::unique_ptr<Acceptor> acceptor_;
  std::unique_ptr<grpc::Server> server_;
  std::unique_ptr<MemoryGuardThread> memory_guard_;
};

}  // namespace eventhub
