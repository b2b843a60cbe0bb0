#include "client/src/connection/grpc_connection.h"

#include <grpc/grpc.h>
#include <grpcpp/create_channel.h>

#include <algorithm>
#include <chrono>
#include <new>
#include <thread>
#include <utility>

#include "absl/strings/match.h"
#include "client/src/connection/grpc_consume_stream.h"
#include "client/src/connection/grpc_credentials.h"
#include "client/src/connection/grpc_publish_stream.h"
#include "client/src/connection/grpc_read_stream.h"
#include "client/src/connection/keep_memory.h"
#include "client/src/publish/transaction_proto.h"

namespace eventhub::client {
namespace {

// Frames as large as the requests and responses are: fewer, and received with fewer reads.
constexpr int kHttp2FrameBytes = 1 << 20;
// How much a stream may receive before the program takes it; also bounds a reader's memory.
constexpr int kStreamLookaheadBytes = 4 << 20;

// Whatever its name says, gRPC's argument is how long an attempt to connect may take: a second
// SYN, and a hub or a client that is short of CPU, have to fit in. What is refused fails at once.
constexpr int kConnectTimeoutMs = 5000;

// How long a connection waits for its streams, which were cancelled, before it ends without them.
constexpr absl::Duration kStreamsEndWithin = absl::Seconds(5);

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
  arguments.SetInt(GRPC_ARG_HTTP2_STREAM_LOOKAHEAD_BYTES, kStreamLookaheadBytes);
  arguments.SetInt(GRPC_ARG_HTTP2_WRITE_BUFFER_SIZE, kHttp2FrameBytes);
  // Connections do not share sockets: a reader's flood does not delay a publisher's replies.
  arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
  // gRPC 1.51's own retries can lose a call for ever that is cancelled after its reply came and
  // before its write is noted as done. The SDK knows better what may be sent again.
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

// gRPC has two ways to write an absolute path; this one tells a target from the address that a
// connection to it has.
std::string TargetOf(std::string_view address) {
  constexpr std::string_view kUnix = "unix:";
  std::string target(address);
  const bool absolute = absl::StartsWith(target, "unix:/") && !absl::StartsWith(target, "unix://");
  if (absolute) target.insert(kUnix.size(), "//");
  return target;
}

// gRPC would stop with its last channel, and then waits up to ten seconds for a thread of its own
// that sleeps in a poll: a program could not end before. So it does not stop.
void KeepGrpc() {
  static const bool kept = (grpc_init(), true);
  (void)kept;
}

}  // namespace

GrpcConnection::GrpcConnection(std::shared_ptr<ChannelPool> channels)
    : channels_(std::move(channels)),
      events_(channels_->first()),
      admin_(channels_->first()),
      subscriptions_(channels_->first()),
      routes_(channels_->first()),
      links_(channels_->first()),
      delayed_(channels_->first()),
      topology_(channels_->first()),
      health_(channels_->first()) {}

GrpcConnection::~GrpcConnection() {
  if (users_->AwaitNone(kStreamsEndWithin)) return;
  // A cancelled stream ends at once; should gRPC ever lose one, the program must be able to end all
  // the same. Then the channels stay: the last reference may go on no thread of gRPC's.
  static_cast<void>(new (std::nothrow) std::shared_ptr<ChannelPool>(channels_));
}

absl::StatusOr<TransactionResult> GrpcConnection::Transact(const Transaction& transaction,
                                                           absl::Duration timeout) {
  const auto response =
      Call(events_, &v1::EventHubService::Stub::Transact, ToProto(transaction), timeout);
  if (!response.ok()) return response.status();
  return FromProto(*response, transaction);
}

std::shared_ptr<PublishStream> GrpcConnection::OpenPublishStream(
    std::shared_ptr<PublishStream::Handler> handler) {
  return GrpcPublishStream::Start(*channels_, users_, std::move(handler));
}

std::unique_ptr<ReadStream> GrpcConnection::OpenReadStream(const ReadSpec& spec) {
  return std::make_unique<GrpcReadStream>(*channels_, spec);
}

std::shared_ptr<ConsumeStream> GrpcConnection::OpenConsumeStream(
    std::shared_ptr<ConsumeStream::Handler> handler) {
  return GrpcConsumeStream::Start(*channels_, users_, std::move(handler));
}

void GrpcConnection::RunAfter(absl::Duration delay, absl::AnyInvocable<void() &&> work) {
  timer_.RunAfter(delay, std::move(work));
}

GrpcConnection::Deadline GrpcConnection::DeadlineAfter(absl::Duration timeout) {
  return std::chrono::system_clock::now() +
         absl::ToChronoMicroseconds(std::min(timeout, absl::Hours(24 * 365)));
}

absl::Status GrpcConnection::FailureOf(const grpc::Status& status,
                                       const grpc::ClientContext& call) const {
  absl::Status failure = FromGrpc(status, call, channels_->target());
  if (!absl::IsCancelled(failure) || calls_.cancelled()) return failure;
  absl::Status unavailable = absl::UnavailableError(failure.message());
  failure.ForEachPayload([&unavailable](absl::string_view url, const absl::Cord& payload) {
    unavailable.SetPayload(url, payload);
  });
  return unavailable;
}

bool GrpcConnection::MayCallAgain(const absl::Status& status, bool changes_nothing) {
  return absl::IsUnavailable(status) && (changes_nothing || SaysNothingDone(status));
}

std::shared_ptr<Connection> Connect(std::string_view address, ConnectionOptions options) {
  KeepFreedMemory();
  KeepGrpc();
  const std::string target = TargetOf(address);
  auto open = [target, credentials = CredentialsFor(target, options), options] {
    return CreateChannel(target, credentials, options);
  };
  auto channels = std::make_shared<ChannelPool>(target, std::move(open));
  return std::shared_ptr<Connection>(new GrpcConnection(std::move(channels)),
                                     [](GrpcConnection* connection) {
                                       if (GrpcThreadScope::Active()) {
                                         std::thread([connection] { delete connection; }).detach();
                                       } else {
                                         delete connection;
                                       }
                                     });
}

}  // namespace eventhub::client
