// The streams of a connection over gRPC.
#pragma once

#include <atomic>
#include <memory>

#include "client/src/connection/channel_pool.h"
#include "client/src/connection/grpc_thread.h"
#include "eventhub/connection/consume_streams.h"
#include "eventhub/connection/publish_streams.h"
#include "eventhub/connection/read_streams.h"
#include "eventhub/connection/transact_streams.h"

namespace eventhub::client {

// Opens streams on the channels of a pool. Thread-safe.
class GrpcStreams final : public PublishStreams,
                          public ReadStreams,
                          public ConsumeStreams,
                          public TransactStreams {
 public:
  explicit GrpcStreams(std::shared_ptr<ChannelPool> channels) : channels_(std::move(channels)) {}

  // Waits for the other streams than those of readers to end. The streams must have been dropped or
  // cancelled.
  ~GrpcStreams() override;

  std::shared_ptr<PublishStream> OpenPublishStream(
      std::shared_ptr<PublishStream::Handler> handler) override;
  std::unique_ptr<ReadStream> OpenReadStream(const ReadSpec& spec) override;
  std::shared_ptr<ConsumeStream> OpenConsumeStream(
      std::shared_ptr<ConsumeStream::Handler> handler) override;
  std::shared_ptr<TransactStream> OpenTransactStream(
      std::shared_ptr<TransactStream::Handler> handler) override;

 private:
  const std::shared_ptr<ChannelPool> channels_;
  const std::shared_ptr<ChannelUsers> users_ = std::make_shared<ChannelUsers>();
  // Whether the hub does not know TransactStream.
  const std::shared_ptr<std::atomic<bool>> no_transact_stream_ =
      std::make_shared<std::atomic<bool>>(false);
};

}  // namespace eventhub::client
