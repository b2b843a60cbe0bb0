// The real Connection: gRPC.

#include <grpcpp/channel.h>
#include <grpcpp/client_context.h>
#include <grpcpp/create_channel.h>
#include <grpcpp/security/credentials.h>

#include <algorithm>
#include <chrono>
#include <thread>
#include <utility>

#include "client/src/grpc_publish_stream.h"
#include "client/src/grpc_read_stream.h"
#include "client/src/grpc_status.h"
#include "client/src/grpc_thread.h"
#include "client/src/timer_thread.h"
#include "client/src/topic_proto.h"
#include "eventhub/connection.h"
#include "eventhub/v1/admin.grpc.pb.h"
#include "grpc/health/v1/health.grpc.pb.h"

namespace eventhub::client {
namespace {

// Frames as large as the requests and responses are: fewer, and received with fewer reads.
constexpr int kHttp2FrameBytes = 1 << 20;
// How much a stream may receive before the program takes it; also bounds a reader's memory.
constexpr int kStreamLookaheadBytes = 4 << 20;

int Milliseconds(absl::Duration duration) {
  return static_cast<int>(std::clamp<int64_t>(absl::ToInt64Milliseconds(duration), 1, INT32_MAX));
}

std::shared_ptr<grpc::Channel> CreateChannel(std::string_view address,
                                             const ConnectionOptions& options) {
  grpc::ChannelArguments arguments;
  arguments.SetMaxReceiveMessageSize(-1);
  arguments.SetMaxSendMessageSize(-1);
  arguments.SetInt(GRPC_ARG_HTTP2_MAX_FRAME_SIZE, kHttp2FrameBytes);
  arguments.SetInt(GRPC_ARG_HTTP2_STREAM_LOOKAHEAD_BYTES, kStreamLookaheadBytes);
  arguments.SetInt(GRPC_ARG_HTTP2_WRITE_BUFFER_SIZE, kHttp2FrameBytes);
  // Connections do not share sockets: a reader's flood does not delay a publisher's replies.
  arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
  const int max_backoff = std::max(Milliseconds(options.max_reconnect_delay), 100);
  arguments.SetInt(GRPC_ARG_INITIAL_RECONNECT_BACKOFF_MS, std::min(100, max_backoff));
  arguments.SetInt(GRPC_ARG_MIN_RECONNECT_BACKOFF_MS, std::min(100, max_backoff));
  arguments.SetInt(GRPC_ARG_MAX_RECONNECT_BACKOFF_MS, max_backoff);
  if (options.keepalive != absl::InfiniteDuration()) {
    arguments.SetInt(GRPC_ARG_KEEPALIVE_TIME_MS,
                     Milliseconds(std::max(options.keepalive, absl::Seconds(10))));
    arguments.SetInt(GRPC_ARG_HTTP2_MAX_PINGS_WITHOUT_DATA, 0);
  }
  if (!options.user_agent.empty()) arguments.SetUserAgentPrefix(options.user_agent);
  return grpc::CreateCustomChannel(std::string(address), grpc::InsecureChannelCredentials(),
                                   arguments);
}

void SetTimeout(absl::Duration timeout, grpc::ClientContext& context) {
  if (timeout == absl::InfiniteDuration()) return;
  context.set_deadline(std::chrono::system_clock::now() +
                       absl::ToChronoMicroseconds(std::min(timeout, absl::Hours(24 * 365))));
}

class GrpcConnection final : public Connection {
 public:
  GrpcConnection(std::string_view address, const ConnectionOptions& options)
      : channel_(CreateChannel(address, options)), admin_(channel_), health_(channel_) {}

  // The streams have ended, or are about to: who opened them holds the connection for longer.
  ~GrpcConnection() override { users_.AwaitNone(); }

  std::shared_ptr<PublishStream> OpenPublishStream(
      std::shared_ptr<PublishStream::Handler> handler) override {
    return GrpcPublishStream::Start(channel_, users_, std::move(handler));
  }

  std::unique_ptr<ReadStream> OpenReadStream(const ReadSpec& spec) override {
    return std::make_unique<GrpcReadStream>(channel_, spec);
  }

  void RunAfter(absl::Duration delay, absl::AnyInvocable<void() &&> work) override {
    timer_.RunAfter(delay, std::move(work));
  }

  absl::StatusOr<Topic> CreateTopic(const Topic& topic, absl::Duration timeout) override {
    v1::CreateTopicRequest request;
    *request.mutable_topic() = ToProto(topic);
    const auto response =
        Call(&v1::AdminService::Stub::CreateTopic, request, timeout, v1::CreateTopicResponse());
    if (!response.ok()) return response.status();
    return FromProto(response->topic());
  }

  absl::StatusOr<TopicDescription> GetTopic(const std::string& name,
                                            absl::Duration timeout) override {
    v1::GetTopicRequest request;
    request.set_name(name);
    const auto response =
        Call(&v1::AdminService::Stub::GetTopic, request, timeout, v1::GetTopicResponse());
    if (!response.ok()) return response.status();
    return TopicDescription{FromProto(response->topic()), FromProto(response->stats())};
  }

  absl::StatusOr<Page<Topic>> ListTopics(uint32_t page_size, const std::string& page_token,
                                         absl::Duration timeout) override {
    v1::ListTopicsRequest request;
    request.set_page_size(page_size);
    request.set_page_token(page_token);
    const auto response =
        Call(&v1::AdminService::Stub::ListTopics, request, timeout, v1::ListTopicsResponse());
    if (!response.ok()) return response.status();
    Page<Topic> page{.next_page_token = response->next_page_token()};
    for (const v1::Topic& topic : response->topics()) page.items.push_back(FromProto(topic));
    return page;
  }

  absl::StatusOr<Topic> UpdateTopic(const std::string& name, const TopicUpdate& update,
                                    absl::Duration timeout) override {
    const auto response = Call(&v1::AdminService::Stub::UpdateTopic, ToProto(name, update), timeout,
                               v1::UpdateTopicResponse());
    if (!response.ok()) return response.status();
    return FromProto(response->topic());
  }

  absl::Status DeleteTopic(const std::string& name, absl::Duration timeout) override {
    v1::DeleteTopicRequest request;
    request.set_name(name);
    return Call(&v1::AdminService::Stub::DeleteTopic, request, timeout, v1::DeleteTopicResponse())
        .status();
  }

  absl::StatusOr<Page<PartitionInfo>> ListPartitions(const std::string& topic, uint32_t page_size,
                                                     const std::string& page_token,
                                                     absl::Duration timeout) override {
    v1::ListPartitionsRequest request;
    request.set_topic(topic);
    request.set_page_size(page_size);
    request.set_page_token(page_token);
    const auto response = Call(&v1::AdminService::Stub::ListPartitions, request, timeout,
                               v1::ListPartitionsResponse());
    if (!response.ok()) return response.status();
    Page<PartitionInfo> page{.next_page_token = response->next_page_token()};
    for (const v1::PartitionInfo& info : response->partitions()) {
      page.items.push_back(FromProto(info));
    }
    return page;
  }

  absl::StatusOr<HubStats> GetStats(absl::Duration timeout) override {
    const auto response = Call(&v1::AdminService::Stub::GetStats, v1::GetStatsRequest(), timeout,
                               v1::GetStatsResponse());
    if (!response.ok()) return response.status();
    return FromProto(*response);
  }

  absl::StatusOr<Health> CheckHealth(const std::string& service, absl::Duration timeout) override {
    grpc::health::v1::HealthCheckRequest request;
    request.set_service(service);
    grpc::health::v1::HealthCheckResponse response;
    grpc::ClientContext context;
    SetTimeout(timeout, context);
    const grpc::Status status = health_.Check(&context, request, &response);
    if (!status.ok()) return FromGrpc(status);
    switch (response.status()) {
      case grpc::health::v1::HealthCheckResponse::SERVING:
        return Health::kServing;
      case grpc::health::v1::HealthCheckResponse::NOT_SERVING:
        return Health::kNotServing;
      default:
        return Health::kUnknown;
    }
  }

 private:
  template <typename Request, typename Response>
  absl::StatusOr<Response> Call(grpc::Status (v1::AdminService::Stub::*method)(grpc::ClientContext*,
                                                                               const Request&,
                                                                               Response*),
                                const Request& request, absl::Duration timeout, Response response) {
    grpc::ClientContext context;
    SetTimeout(timeout, context);
    const grpc::Status status = (admin_.*method)(&context, request, &response);
    if (!status.ok()) return FromGrpc(status);
    return response;
  }

  ChannelUsers users_;
  const std::shared_ptr<grpc::Channel> channel_;
  v1::AdminService::Stub admin_;
  grpc::health::v1::Health::Stub health_;
  TimerThread timer_;
};

}  // namespace

std::shared_ptr<Connection> Connect(std::string_view address, ConnectionOptions options) {
  return std::shared_ptr<Connection>(new GrpcConnection(address, options),
                                     [](GrpcConnection* connection) {
                                       if (GrpcThreadScope::Active()) {
                                         std::thread([connection] { delete connection; }).detach();
                                       } else {
                                         delete connection;
                                       }
                                     });
}

}  // namespace eventhub::client
