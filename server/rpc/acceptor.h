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

// Accepts connections on one thread, from Start() to Stop(), and tracks the ends of connections
// until destruction. gRPC by itself would accept every connection, without limit and at any rate.
class Acceptor {
 public:
  using GrpcAcceptor = grpc::experimental::ExternalConnectionAcceptor;

  // Takes the gRPC acceptors for accepted sockets: of the network, and of unix sockets. The table
  // outlives this object.
  Acceptor(std::unique_ptr<GrpcAcceptor> network, std::unique_ptr<GrpcAcceptor> unix_sockets,
           ConnectionTable& connections);
  ~Acceptor();

  Acceptor(const Acceptor&) = delete;
  Acceptor& operator=(const Acceptor&) = delete;

  // Called once, after gRPC has started. RESOURCE_EXHAUSTED if the system has no descriptors left.
  absl::Status Start(std::vector<ListenSockets> sockets);

  // Nothing is accepted after it returns. Called before gRPC shuts down.
  void Stop();

 private:
  void Run();
  // Accepts until no connection waits, or kTurn were accepted.
  void Accept(int listener);
  void HandOver(int fd, const sockaddr_storage& address);
  bool Watch(int fd, uint32_t events);
  // Switched off while there are no descriptors: connections in the backlog would wake the thread
  // continuously.
  void ListenAgain(bool listen);

  const std::unique_ptr<GrpcAcceptor> network_;
  const std::unique_ptr<GrpcAcceptor> unix_sockets_;
  ConnectionTable& connections_;
  std::vector<ListenSockets> sockets_;
  int poll_ = -1;
  int wake_ = -1;  // Readable when the thread has a request.

  Mutex mutex_;
  CondVar stopped_;
  bool accepting_ ABSL_GUARDED_BY(mutex_) = false;
  bool ending_ ABSL_GUARDED_BY(mutex_) = false;

  bool resting_ = false;  // Used by the thread only.
  std::thread thread_;
};

}  // namespace eventhub
