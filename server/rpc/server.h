// The hub as a gRPC server: broker, services, listeners, and their orderly shutdown.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "eventhub/connection.h"
#include "server/core/archive/archive_target.h"
#include "server/core/archive/history.h"
#include "server/core/base/memory_meter.h"
#include "server/core/broker.h"
#include "server/lake/archive/archiver.h"
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

// A lake, to be written and to be read.
struct OpenedLake {
  std::unique_ptr<ArchiveTarget> target;
  std::unique_ptr<History> history;
};

// Opens the lake at `BrokerOptions::archive->location`; `hub_id` identifies the hub that writes it.
// `history_memory` is for what is read. The arguments outlive the lake. An error ends
// Server::Start.
using OpenLake = std::function<absl::StatusOr<OpenedLake>(
    const std::string& hub_id, const Clock& clock, MemoryMeter& history_memory)>;

struct ServerOptions {
  BrokerOptions broker;
  // See ListenSockets::Open.
  std::vector<std::string> listen = {"127.0.0.1:7070"};
  // For connections over the network; unix sockets are protected by file permissions instead.
  ServerTlsOptions tls;
  // For links that use TLS: the trusted authorities, and the hub's own identity.
  client::TlsOptions link_tls;
  PublishLimitOptions publish_limits;
  // The largest request; a larger one fails its call with RESOURCE_EXHAUSTED. Bytes.
  size_t max_request_bytes = size_t{4} << 20;
  // The memory limit of the process; 0: no limit. Bytes.
  size_t memory_limit = 0;
  // The memory limit of gRPC: requests being received, and data waiting to be sent. Bytes.
  size_t transport_bytes = size_t{512} << 20;
  // The limit on data that was sent to readers and not taken by them, in total. Bytes.
  size_t frame_bytes = size_t{512} << 20;
  ConnectionLimits connections;
  // Open streams over all connections.
  size_t max_streams = 10'000;
  // Threads that read from disk for readers that have fallen behind.
  int disk_threads = 4;
  // How topics are archived, if the broker has a lake.
  ArchiverOptions archiver;
  OpenLake open_lake;
  // Threads that read from the lake, for readers of events that the log does not have any more.
  int lake_read_threads = 4;
  // Called when a link starts to flow, and with the reason when it does not; see LinkReport.
  LinkReport on_link_change = [](absl::string_view, const absl::Status&) {};
  // Called with the number of connections that were cut off to save memory. On any thread.
  absl::AnyInvocable<void(size_t connections)> on_shed = [](size_t) {};
  // Called when new connections are refused, except for a few, because the process uses `used`
  // bytes of its limit; and when all are admitted again.
  absl::AnyInvocable<void(bool refused, size_t used)> on_memory_short = [](bool, size_t) {};
  // Reported by GetStats.
  std::string version = "unknown";
};

// Serves from Start() to Shutdown() or destruction. Thread-safe.
class Server {
 public:
  // Errors: those of Broker::Open and NetworkCredentials; UNAVAILABLE if listening on an address
  // fails.
  static absl::StatusOr<std::unique_ptr<Server>> Start(ServerOptions options);
  ~Server();

  // The addresses listened on, with the actual ports; in the order of ServerOptions::listen.
  const std::vector<std::string>& addresses() const { return addresses_; }

  // Those addresses that anybody can reach and call: neither local nor restricted to clients with a
  // certificate.
  std::vector<std::string> unprotected_addresses() const;

  // A test has moved the clock: ends the leases and the delays of retries that are due by it now.
  // Delayed events look at the clock by themselves, every second.
  void OnClockMoved();

  // Drains: health turns NOT_SERVING, streams end with UNAVAILABLE, accepted requests are committed
  // and answered. Calls that are not done after `grace` are cancelled. Blocks. Call it once.
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
