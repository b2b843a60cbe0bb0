#include "server/rpc/server.h"

#include <algorithm>
#include <functional>
#include <limits>
#include <memory>
#include <optional>
#include <thread>
#include <utility>

#include "absl/strings/match.h"
#include "absl/synchronization/notification.h"
#include "absl/time/clock.h"
#include "grpcpp/resource_quota.h"
#include "grpcpp/server.h"
#include "grpcpp/server_builder.h"
#include "server/core/base/errors.h"
#include "server/link/link_manager.h"
#include "server/rpc/acceptor.h"
#include "server/rpc/admin_service.h"
#include "server/rpc/allocator.h"
#include "server/rpc/delayed_event_service.h"
#include "server/rpc/erasure_service.h"
#include "server/rpc/health_service.h"
#include "server/rpc/hub_service.h"
#include "server/rpc/link_service.h"
#include "server/rpc/listen_address.h"
#include "server/rpc/memory_guard.h"
#include "server/rpc/reflection_service.h"
#include "server/rpc/route_service.h"
#include "server/rpc/server_tls.h"
#include "server/rpc/stream_limits.h"
#include "server/rpc/stream_registry.h"
#include "server/rpc/subscription_service.h"
#include "server/rpc/topology_service.h"
#include "storage/base/status_macros.h"
#include "storage/base/work_pool.h"

namespace eventhub {
namespace {

// Continuing readers does not block, so one thread per core would do; two threads overlap on the
// smallest machine.
constexpr int kWakeThreads = 2;

// Concurrent calls of one connection; further calls wait at the client. gRPC receives a whole
// request before the hub can refuse it, so a connection may hold this many times the largest
// request.
constexpr int kMaxStreamsPerConnection = 100;

// The interval of pings, which detect clients that vanished without closing the connection. Clients
// may use the same interval.
constexpr int kKeepaliveMs = 60'000;
constexpr int kKeepaliveTimeoutMs = 20'000;
constexpr int kMinClientPingMs = 5'000;

// The time for the handshake of a new connection.
constexpr int kHandshakeMs = 10'000;

// The maximum amount read from a connection at a time: all of it is parsed before other connections
// are served.
constexpr int kReadBytes = 256 << 10;

// The limit on the headers of a request.
constexpr int kMaxMetadataBytes = 8 << 10;

// While others wait for memory, a reader must take its frame within this time.
constexpr absl::Duration kStalled = absl::Seconds(1);

// A reachable client answers the ping that starts a shutdown within this time.
constexpr absl::Duration kPingAnswer = absl::Seconds(1);

// A hub that has sealed data waits so long at its start for the lake to say whose data was erased.
constexpr absl::Duration kLakeAnswer = absl::Seconds(2);

// Until then, sealed data cannot be read, so its readers would have to try again. If the lake does
// not answer, the archiver goes on asking.
void AskLake(WorkPool& pool, std::function<absl::Status()> bring) {
  const auto asked = std::make_shared<absl::Notification>();
  pool.Post([bring = std::move(bring), asked] {
    bring().IgnoreError();
    asked->Notify();
  });
  asked->WaitForNotificationWithTimeout(kLakeAnswer);
}

// A full disk recovers when there is space; a failed store, with a restart.
HealthService::State HealthOf(const absl::Status& writable) {
  const std::optional<v1::ErrorDetail> detail = DetailOf(writable);
  const bool failed =
      detail.has_value() && detail->reason() == v1::ErrorDetail::REASON_STORE_FAILED;
  return {.ready = writable.ok(), .live = !failed};
}

}  // namespace

// In order of construction; destroyed in reverse order.
struct Server::Services {
  explicit Services(ServerOptions& options)
      : stream_limits(options.max_streams),
        frames(options.frame_bytes, *options.broker.clock),
        limits(options.publish_limits),
        calls(registry, stream_limits, limits, frames, *options.broker.clock),
        health(calls, limits),
        reflection(limits, registry, calls),
        connections(options.connections, limits, *options.broker.clock, metrics),
        wake_pool(kWakeThreads),
        disk_pool(options.disk_threads),
        lake_pool(options.broker.archive.has_value() ? options.lake_read_threads : 0) {}
  // The broker outlives the pool.
  ~Services() {
    if (broker != nullptr) broker->subscriptions().StopHistory();
  }

  Metrics metrics;
  StreamLimits stream_limits;
  StreamRegistry registry;
  FrameBudget frames;
  PublishLimits limits;
  Calls calls;
  HealthService health;
  ReflectionService reflection;
  ConnectionTable connections;
  std::unique_ptr<Broker> broker;
  OpenedLake lake;  // Null without a lake.
  WorkPool wake_pool;
  WorkPool disk_pool;
  WorkPool lake_pool;
  std::unique_ptr<HubService> hub;
  std::unique_ptr<AdminService> admin;
  std::unique_ptr<SubscriptionService> subscriptions;
  std::unique_ptr<DelayedEventService> delayed;
  std::unique_ptr<ErasureService> erasures;
  std::unique_ptr<RouteService> routes;
  std::unique_ptr<LinkService> links;
  std::unique_ptr<LinkManager> link_manager;  // Null until the server serves.
  std::unique_ptr<Archiver> archiver;         // Likewise, or without a lake.
  std::unique_ptr<TopologyService> topologies;
};

Server::Server(ServerTlsOptions tls) : tls_(std::move(tls)) {}

absl::StatusOr<std::unique_ptr<Server>> Server::Start(ServerOptions options) {
  std::unique_ptr<Server> server(new Server(options.tls));
  server->services_ = std::make_unique<Services>(options);
  Services& services = *server->services_;
  options.broker.on_writable_change =
      [&health = services.health,
       report = std::move(options.broker.on_writable_change)](const absl::Status& status) mutable {
        health.SetState(HealthOf(status));
        report(status);
      };
  options.broker.metrics = &services.metrics;
  options.broker.topic_limits = TopicLimitsFor(options.max_request_bytes);
  const Clock& clock = *options.broker.clock;
  const absl::Time start = clock.Now();
  ASSIGN_OR_RETURN(services.broker, Broker::Open(std::move(options.broker)));
  if (services.broker->archives() != nullptr) {
    ASSIGN_OR_RETURN(services.lake, options.open_lake(services.broker->links().hub_id(), clock,
                                                      services.broker->history_memory()));
    services.broker->readers().SetHistory(*services.lake.history);
    services.broker->subscriptions().SetHistory(*services.lake.history, services.lake_pool);
    const auto bring = [archives = services.broker->archives(), lake = services.lake.target.get()] {
      return archives->BringKeys(*lake);
    };
    services.broker->erasures().SetLake(bring);
    if (services.broker->keys().in_use()) AskLake(services.lake_pool, bring);
  }
  services.hub = std::make_unique<HubService>(
      *services.broker, services.limits,
      ReadPools{services.wake_pool, services.disk_pool, services.lake_pool, services.frames,
                services.broker->keys()},
      services.registry, services.calls);
  services.admin = std::make_unique<AdminService>(
      *services.broker, services.calls,
      MemoryReport{options.memory_limit, services.limits, services.frames, services.connections,
                   services.stream_limits},
      options.version, start);
  services.subscriptions = std::make_unique<SubscriptionService>(
      services.broker->subscriptions(), services.disk_pool, services.calls);
  services.delayed = std::make_unique<DelayedEventService>(services.broker->delayed(),
                                                           services.disk_pool, services.calls);
  services.erasures = std::make_unique<ErasureService>(services.broker->erasures(),
                                                       services.disk_pool, services.calls);
  services.routes = std::make_unique<RouteService>(services.broker->routes(), services.calls);
  services.links = std::make_unique<LinkService>(services.broker->links(), services.calls);
  services.topologies =
      std::make_unique<TopologyService>(services.broker->topologies(), services.calls);
  RETURN_IF_ERROR(server->Listen(options));
  server->WatchMemory(options);
  services.link_manager = std::make_unique<LinkManager>(
      services.broker->links(), std::move(options.link_tls), std::move(options.on_link_change));
  if (services.lake.target != nullptr) {
    options.archiver.ask_settings = [&broker = *services.broker](auto done) {
      broker.ExportForLake(std::move(done));
    };
    services.archiver = std::make_unique<Archiver>(
        *services.broker->archives(), *services.lake.target, clock, std::move(options.archiver));
  }
  services.health.SetState(HealthOf(services.broker->writable()));
  return server;
}

absl::Status Server::Listen(const ServerOptions& options) {
  ASSIGN_OR_RETURN(const std::shared_ptr<grpc::ServerCredentials> network,
                   NetworkCredentials(tls_));
  grpc::ServerBuilder builder;
  builder.SetMaxReceiveMessageSize(static_cast<int>(options.max_request_bytes));
  // gRPC decompresses a message before it checks its size: 4 MiB may become 4 GiB.
  builder.SetCompressionAlgorithmSupportStatus(GRPC_COMPRESS_DEFLATE, false);
  builder.SetCompressionAlgorithmSupportStatus(GRPC_COMPRESS_GZIP, false);
  builder.SetMaxSendMessageSize(std::numeric_limits<int>::max());
  builder.AddChannelArgument(GRPC_ARG_MAX_CONCURRENT_STREAMS, kMaxStreamsPerConnection);
  builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_TIME_MS, kKeepaliveMs);
  builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_TIMEOUT_MS, kKeepaliveTimeoutMs);
  builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_PERMIT_WITHOUT_CALLS, 1);
  builder.AddChannelArgument(GRPC_ARG_HTTP2_MIN_RECV_PING_INTERVAL_WITHOUT_DATA_MS,
                             kMinClientPingMs);
  builder.AddChannelArgument(GRPC_ARG_SERVER_HANDSHAKE_TIMEOUT_MS, kHandshakeMs);
  builder.AddChannelArgument(GRPC_ARG_MAX_METADATA_SIZE, kMaxMetadataBytes);
  // gRPC would enlarge the windows by what a client sends between two pings: of a client that sends
  // faster than its requests are taken, it would keep many MiB.
  builder.AddChannelArgument(GRPC_ARG_HTTP2_BDP_PROBE, 0);
  builder.AddChannelArgument(GRPC_ARG_TCP_MAX_READ_CHUNK_SIZE, kReadBytes);
  grpc::ResourceQuota quota("eventhub");
  quota.Resize(options.transport_bytes);
  builder.SetResourceQuota(quota);
  std::vector<ListenSockets> sockets;
  for (const std::string& address : options.listen) {
    ASSIGN_OR_RETURN(ListenSockets opened, ListenSockets::Open(address));
    addresses_.push_back(opened.address());
    sockets.push_back(std::move(opened));
  }
  const auto accept_with = [&builder](std::shared_ptr<grpc::ServerCredentials> credentials) {
    return builder.experimental().AddExternalConnectionAcceptor(
        grpc::ServerBuilder::experimental_type::ExternalConnectionType::FROM_FD,
        std::move(credentials));
  };
  acceptor_ = std::make_unique<Acceptor>(
      accept_with(network), accept_with(grpc::InsecureServerCredentials()), services_->connections);
  const auto add = [&](grpc::Service& service, const char* name) {
    builder.RegisterService(&service);
    services_->health.AddService(name);
    services_->reflection.AddService(name);
  };
  add(*services_->hub, v1::EventHubService::service_full_name());
  add(*services_->admin, v1::AdminService::service_full_name());
  add(*services_->erasures, v1::ErasureService::service_full_name());
  add(*services_->subscriptions, v1::SubscriptionService::service_full_name());
  add(*services_->delayed, v1::DelayedEventService::service_full_name());
  add(*services_->routes, v1::RouteService::service_full_name());
  add(*services_->links, v1::LinkService::service_full_name());
  add(*services_->topologies, v1::TopologyService::service_full_name());
  add(services_->health, grpc::health::v1::Health::service_full_name());
  builder.RegisterService(&services_->reflection);
  server_ = builder.BuildAndStart();
  if (server_ == nullptr) return absl::UnavailableError("the gRPC server failed to start");
  std::vector<v1::Listener> listeners;
  for (const std::string& address : addresses_) {
    listeners.push_back(Describe(address));
  }
  services_->admin->SetListeners(std::move(listeners));
  return acceptor_->Start(std::move(sockets));
}

v1::Listener Server::Describe(const std::string& address) const {
  const bool unix_socket = absl::StartsWith(address, kUnixPrefix);
  v1::Listener listener;
  listener.set_address(address);
  listener.set_tls(!unix_socket && tls_.enabled());
  listener.set_client_certificates(!unix_socket && tls_.authenticates_clients());
  listener.set_unprotected(!IsLocalAddress(address) && !tls_.authenticates_clients());
  return listener;
}

std::vector<std::string> Server::unprotected_addresses() const {
  std::vector<std::string> unprotected;
  for (const std::string& address : addresses_) {
    if (Describe(address).unprotected()) unprotected.push_back(address);
  }
  return unprotected;
}

void Server::OnClockMoved() { services_->broker->subscriptions().RunDue(); }

void Server::WatchMemory(ServerOptions& options) {
  if (options.memory_limit == 0) return;
  Services& services = *services_;
  MemoryGuardActions actions;
  actions.used = AnonymousBytes;
  actions.surplus = AllocatorSurplus;
  actions.give_back = GiveBackSurplus;
  actions.size_caches = [&services](double share) { services.broker->SizeCaches(share); };
  actions.sample = [&services] { services.connections.Sample(); };
  // Only one thread calls it.
  const auto report =
      std::make_shared<absl::AnyInvocable<void(size_t)>>(std::move(options.on_shed));
  actions.shed = [&services, report] {
    const size_t shed = services.connections.Shed();
    if (shed != 0) (*report)(shed);
    return shed;
  };
  actions.shed_host = [&services, report] {
    const size_t shed = services.connections.ShedHost();
    if (shed != 0) (*report)(shed);
    return shed;
  };
  actions.evict = [&services] { services.frames.EvictStalled(kStalled); };
  actions.close = [&services](bool closed) { services.connections.SetClosed(closed); };
  actions.report = std::move(options.on_memory_short);
  memory_guard_ = std::make_unique<MemoryGuardThread>(
      std::make_unique<MemoryGuard>(options.memory_limit, std::move(actions)));
}

void Server::Shutdown(absl::Duration grace) {
  services_->health.Shutdown();
  if (services_->broker != nullptr) services_->broker->StopWaitingForSpace();
  if (services_->link_manager != nullptr) services_->link_manager->Stop();
  if (services_->archiver != nullptr) services_->archiver->Interrupt();
  services_->registry.Drain();
  // After the streams that wait for the lake have ended.
  if (services_->lake.history != nullptr) services_->lake.history->Interrupt();
  // Unary calls are still answered, from now on mostly with a refusal that gives the reason: a call
  // that arrives after gRPC's shutdown has begun is cancelled without one. gRPC closes a connection
  // once its client has confirmed everything sent before the shutdown. Streams that end later may
  // lose their last replies: if the client is still sending, the connection is reset. So the
  // streams end first, with most of the time.
  const absl::Time deadline = absl::Now() + grace;
  services_->registry.AwaitEmpty(grace * 0.75);
  if (services_->broker != nullptr) services_->broker->StopRenewing();
  // No connection is accepted any more, and gRPC pings each client to confirm that it has seen the
  // end.
  acceptor_->Stop();
  absl::Notification ended;
  services_->connections.MarkReceived();
  std::thread shutdown([&] {
    server_->Shutdown(absl::ToChronoTime(deadline));
    server_->Wait();
    ended.Notify();
  });
  // gRPC would wait for unresponsive clients until the deadline.
  if (!ended.WaitForNotificationWithTimeout(std::min(kPingAnswer, grace))) {
    services_->connections.CloseSilent();
  }
  shutdown.join();
}

Server::~Server() {
  if (server_ != nullptr) Shutdown(absl::ZeroDuration());
}

}  // namespace eventhub
