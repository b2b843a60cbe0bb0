// Connect: builds the channels of a connection, and ends them on the right thread.
#include <grpc/grpc.h>
#include <grpcpp/create_channel.h>

#include <algorithm>
#include <cstdlib>
#include <thread>
#include <utility>

#include "client/src/connection/grpc_connection.h"
#include "client/src/connection/grpc_credentials.h"
#include "client/src/connection/keep_memory.h"

namespace eventhub::client {
namespace {

// Frames as large as requests and responses: fewer frames, received with fewer reads.
constexpr int kHttp2FrameBytes = 1 << 20;
// The range of ConnectionOptions::stream_buffer_bytes.
constexpr size_t kMinStreamBuffer = size_t{64} << 10;
constexpr size_t kMaxStreamBuffer = size_t{64} << 20;

// Despite its name, GRPC_ARG_MIN_RECONNECT_BACKOFF_MS is how long an attempt to connect may take.
// It must leave room for a second SYN and for a hub or client that is short of CPU. A refused
// attempt fails at once.
constexpr int kConnectTimeoutMs = 5000;

int Milliseconds(absl::Duration duration) {
  return static_cast<int>(std::clamp<int64_t>(absl::ToInt64Milliseconds(duration), 1, INT32_MAX));
}

std::shared_ptr<grpc::Channel> CreateChannel(
    const std::string& target, const std::shared_ptr<grpc::ChannelCredentials>& credentials,
    const ConnectionOptions& options) {
  grpc::ChannelArguments arguments;
  arguments.SetMaxReceiveMessageSize(-1);
  arguments.SetMaxSendMessageSize(-1);
  arguments.SetInt(GRPC_ARG_HTTP2_MAX_FRAME_SIZE, kHttp2FrameBytes);
  arguments.SetInt(GRPC_ARG_HTTP2_STREAM_LOOKAHEAD_BYTES,
                   static_cast<int>(std::clamp(options.stream_buffer_bytes, kMinStreamBuffer,
                                               kMaxStreamBuffer)));
  arguments.SetInt(GRPC_ARG_HTTP2_WRITE_BUFFER_SIZE, kHttp2FrameBytes);
  // Connections do not share sockets: a reader's flood does not delay a publisher's replies.
  arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
  // gRPC 1.51's own retries can lose a call forever if it is cancelled after its reply arrived and
  // before its write completed. And only the SDK knows what may be sent again.
  arguments.SetInt(GRPC_ARG_ENABLE_RETRIES, 0);
  const int max_backoff = std::max(Milliseconds(options.max_reconnect_delay), 100);
  arguments.SetInt(GRPC_ARG_INITIAL_RECONNECT_BACKOFF_MS, std::min(100, max_backoff));
  arguments.SetInt(GRPC_ARG_MIN_RECONNECT_BACKOFF_MS, kConnectTimeoutMs);
  arguments.SetInt(GRPC_ARG_MAX_RECONNECT_BACKOFF_MS, max_backoff);
  if (options.keepalive != absl::InfiniteDuration()) {
    arguments.SetInt(GRPC_ARG_KEEPALIVE_TIME_MS,
                     Milliseconds(std::max(options.keepalive, absl::Seconds(10))));
    arguments.SetInt(GRPC_ARG_HTTP2_MAX_PINGS_WITHOUT_DATA, 0);
  }
  if (options.tls && !options.tls->server_name.empty()) {
    arguments.SetSslTargetNameOverride(options.tls->server_name);
  }
  if (!options.user_agent.empty()) arguments.SetUserAgentPrefix(options.user_agent);
  return grpc::CreateCustomChannel(target, credentials, arguments);
}

// gRPC would shut down with its last channel, and would then wait up to ten seconds for a thread of
// its own that sleeps in a poll, delaying the program's exit. So it stays initialized.
void KeepGrpc() {
  static const bool kept = (grpc_init(), true);
  (void)kept;
}

// Longer than a connection takes to be destroyed, in the worst case.
constexpr absl::Duration kExitWaits = absl::Seconds(10);

// The connections that are being destroyed on threads of their own. Never destroyed itself: such a
// thread may outlive main.
ChannelUsers& Departing() {
  static ChannelUsers& departing = *new ChannelUsers;
  return departing;
}

// Exit waits for such threads. Otherwise they would use gRPC and OpenSSL while the static objects
// of both are destroyed. To be called after both are initialized, so that exit waits first.
void AwaitDepartingAtExit() {
  static const int registered =
      std::atexit([] { static_cast<void>(Departing().AwaitNone(kExitWaits)); });
  (void)registered;
}

// Destroys a connection whose last reference is gone. On a thread of gRPC's, which the destructor
// would wait for, leaves it to another thread.
void Destroy(GrpcConnection* connection) {
  if (!GrpcThreadScope::Active()) {
    delete connection;
    return;
  }
  Departing().Add();
  std::thread([connection] {
    delete connection;
    Departing().Remove();
  }).detach();
}

}  // namespace

std::shared_ptr<Connection> Connect(std::string_view address, ConnectionOptions options) {
  KeepFreedMemory();
  KeepGrpc();
  auto open = [target = std::string(address), credentials = CredentialsFor(address, options),
               options] { return CreateChannel(target, credentials, options); };
  auto channels = std::make_shared<ChannelPool>(std::move(open));
  AwaitDepartingAtExit();
  return std::shared_ptr<Connection>(new GrpcConnection(std::move(channels)), Destroy);
}

}  // namespace eventhub::client
