#include "tests/support/test_hub.h"

#include <fcntl.h>

#include <cstdio>
#include <cstdlib>
#include <limits>
#include <utility>

#include "grpcpp/create_channel.h"
#include "grpcpp/create_channel_posix.h"

namespace eventhub {
namespace {

std::shared_ptr<grpc::Channel> NewChannel(const std::string& address,
                                          grpc::ChannelArguments arguments) {
  arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
  arguments.SetMaxReceiveMessageSize(std::numeric_limits<int>::max());
  return grpc::CreateCustomChannel(address, grpc::InsecureChannelCredentials(), arguments);
}

std::shared_ptr<grpc::Channel> NewChannel(int socket) {
  fcntl(socket, F_SETFL, fcntl(socket, F_GETFL) | O_NONBLOCK);
  return grpc::CreateInsecureChannelFromFd("hub", socket);
}

}  // namespace

HubClient::HubClient(const std::string& address, const grpc::ChannelArguments& arguments)
    : HubClient(NewChannel(address, arguments)) {}

HubClient::HubClient(int socket) : HubClient(NewChannel(socket)) {}

HubClient::HubClient(std::shared_ptr<grpc::Channel> channel)
    : channel_(std::move(channel)),
      hub_(v1::EventHubService::NewStub(channel_)),
      admin_(v1::AdminService::NewStub(channel_)),
      subscriptions_(v1::SubscriptionService::NewStub(channel_)),
      delayed_(v1::DelayedEventService::NewStub(channel_)),
      links_(v1::LinkService::NewStub(channel_)),
      routes_(v1::RouteService::NewStub(channel_)),
      topologies_(v1::TopologyService::NewStub(channel_)),
      health_(grpc::health::v1::Health::NewStub(channel_)) {}

grpc::ChannelArguments SmallWindow() {
  grpc::ChannelArguments arguments;
  arguments.SetInt(GRPC_ARG_HTTP2_BDP_PROBE, 0);
  arguments.SetInt(GRPC_ARG_HTTP2_STREAM_LOOKAHEAD_BYTES, 64 << 10);
  return arguments;
}

ServerOptions TestServerOptions() {
  ServerOptions options;
  options.listen = {"127.0.0.1:0"};
  options.disk_threads = 2;
  options.version = "test";
  options.broker.store.directory = "/hub";
  return options;
}

TestHub::TestHub(ServerOptions options) {
  if (options.broker.store.directory == "/hub") options.broker.store.env = memory_.env();
  absl::StatusOr<std::unique_ptr<Server>> server = Server::Start(std::move(options));
  if (!server.ok()) {
    std::fprintf(stderr, "no hub: %s\n", server.status().ToString().c_str());
    std::abort();
  }
  server_ = *std::move(server);
  client_ = std::make_unique<HubClient>(address());
}

TestHub::~TestHub() {
  gate().Open();
  client_.reset();
}

void TestHub::Shutdown(absl::Duration grace) { server_->Shutdown(grace); }

}  // namespace eventhub
