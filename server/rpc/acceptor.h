// Accepts connections and hands them to gRPC.
#pragma once

#include <memory>
#include <thread>
#include <vector>

#include "absl/status/status.h"
#include "grpcpp/server_builder.h"
#include "server/rpc/connection_table.h"
#include "server/rpc/listen_address.h"

namespace eventhub {

// One thread that accepts, from Start() to Stop(), and notes the ends of connections until
// destruction. gRPC would take whoever comes, without a limit, and as fast as they come.
class Acceptor {
 public:
  using GrpcAcceptor = grpc::experimental::ExternalConnectionAcceptor;

  // Where accepted sockets go, those of the network and others. The table outlives this object.
  Acceptor(std::unique_ptr<GrpcAcceptor> network, std::unique_ptr<GrpcAcceptor> unix_sockets,
           ConnectionTable& connections);
  ~Acceptor();

  Acceptor(const Acceptor&) = delete;
  Acceptor& operator=(const Acceptor&) = delete;

  // Once, when gRPC has started. RESOURCE_EXHAUSTED if the system has no descriptors left.
  absl::Status Start(std::vector<ListenSockets> sockets);

  // Accepts nothing any more, from when it returns on. Before gRPC shuts down.
  void Stop();

 private:
  void Run();
  // Until no more wait, or a turn is over.
  void Accept(int listener);
  void HandOver(int fd, const sockaddr_storage& address);
  bool Watch(int fd, uint32_t events);
  // While there are no descriptors: whoever waits in the backlog would wake the thread for ever.
  void ListenAgain(bool listen);

  const std::unique_ptr<GrpcAcceptor> network_;
  const std::unique_ptr<GrpcAcceptor> unix_sockets_;
  ConnectionTable& connections_;
  std::vector<ListenSockets> sockets_;
  int poll_ = -1;
  int wake_ = -1;  // Readable once something is asked of the thread.

  Mutex mutex_;
  CondVar stopped_;
  bool accepting_ ABSL_GUARDED_BY(mutex_) = false;
  bool ending_ ABSL_GUARDED_BY(mutex_) = false;

  bool resting_ = false;  // The thread's own.
  std::thread thread_;
};

}  // namespace eventhub
