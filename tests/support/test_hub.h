// The real server in the test's own process, on a free port, with its data in memory.
#pragma once

#include <memory>
#include <string>
#include <utility>

#include "eventhub/v1/admin.grpc.pb.h"
#include "eventhub/v1/delayed.grpc.pb.h"
#include "eventhub/v1/hub.grpc.pb.h"
#include "eventhub/v1/link.grpc.pb.h"
#include "eventhub/v1/route.grpc.pb.h"
#include "eventhub/v1/subscription.grpc.pb.h"
#include "eventhub/v1/topology.grpc.pb.h"
#include "grpc/health/v1/health.grpc.pb.h"
#include "grpcpp/support/channel_arguments.h"
#include "server/rpc/server.h"
#include "tests/support/gate_fs.h"

namespace eventhub {

// A separate connection to a hub, with the plain generated stubs. Thread-safe.
class HubClient {
 public:
  explicit HubClient(const std::string& address, const grpc::ChannelArguments& arguments = {});
  // Over a connected socket, which it takes; a broken connection is not replaced.
  explicit HubClient(int socket);

  v1::EventHubService::Stub& hub() { return *hub_; }
  v1::AdminService::Stub& admin() { return *admin_; }
  v1::SubscriptionService::Stub& subscriptions() { return *subscriptions_; }
  v1::DelayedEventService::Stub& delayed() { return *delayed_; }
  v1::LinkService::Stub& links() { return *links_; }
  v1::RouteService::Stub& routes() { return *routes_; }
  v1::TopologyService::Stub& topologies() { return *topologies_; }
  grpc::health::v1::Health::Stub& health() { return *health_; }
  const std::shared_ptr<grpc::Channel>& channel() const { return channel_; }

 private:
  explicit HubClient(std::shared_ptr<grpc::Channel> channel);

  const std::shared_ptr<grpc::Channel> channel_;
  const std::unique_ptr<v1::EventHubService::Stub> hub_;
  const std::unique_ptr<v1::AdminService::Stub> admin_;
  const std::unique_ptr<v1::SubscriptionService::Stub> subscriptions_;
  const std::unique_ptr<v1::DelayedEventService::Stub> delayed_;
  const std::unique_ptr<v1::LinkService::Stub> links_;
  const std::unique_ptr<v1::RouteService::Stub> routes_;
  const std::unique_ptr<v1::TopologyService::Stub> topologies_;
  const std::unique_ptr<grpc::health::v1::Health::Stub> health_;
};

// Arguments for a client whose gRPC buffers at most 64 KiB that the application has not requested,
// instead of a full connection window; so its backpressure reaches the hub early.
grpc::ChannelArguments SmallWindow();

// Options that suit most tests: loopback, a free port, and a shutdown limit of 10 s that is never
// reached.
ServerOptions TestServerOptions();

// Serves from construction until Shutdown or destruction. A failing start ends the test program.
class TestHub {
 public:
  explicit TestHub(ServerOptions options = TestServerOptions());
  // Opens the gate first, so that no commit remains blocked.
  ~TestHub();

  std::string address(size_t i = 0) const { return server_->addresses()[i]; }
  Server& server() { return *server_; }
  HubClient& client() { return *client_; }
  SyncGate& gate() { return memory_.gate(); }

  // May be called once. See Server::Shutdown.
  void Shutdown(absl::Duration grace);

 private:
  GatedMemory memory_;
  std::unique_ptr<Server> server_;
  std::unique_ptr<HubClient> client_;
};

}  // namespace eventhub
