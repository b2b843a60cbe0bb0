#include "server/rpc/publish_stream.h"

#include <utility>

#include "storage/base/status_macros.h"

namespace eventhub {

PublishStream::PublishStream(Publishing& publishing, PublishLimits& limits,
                             StreamRegistry& registry, Caller caller, StreamLimits::Place place)
    : PipelinedStream(limits, registry, std::move(caller), std::move(place)),
      publishing_(publishing) {}

PublishStream* PublishStream::Start(Publishing& publishing, PublishLimits& limits,
                                    StreamRegistry& registry, Caller caller,
                                    StreamLimits::Place place) {
  std::shared_ptr<PublishStream> stream(
      new PublishStream(publishing, limits, registry, std::move(caller), std::move(place)));
  stream->Begin();
  return stream.get();
}

absl::Status PublishStream::Submit(const SharedBytes& message, uint64_t number) {
  ASSIGN_OR_RETURN(const PublishRequest request, ParsePublishRequest(message));
  const size_t bytes = message.size();
  connection().Add(bytes);
  SetFlow(publishing_.Publish(
      caller(), request,
      [self = std::static_pointer_cast<PublishStream>(shared_from_this()), number, bytes,
       id = request.head.correlation_id()](absl::StatusOr<v1::PublishResult> outcome) {
        self->connection().Release(bytes);
        self->Answer<v1::PublishStreamResponse>(number, id, std::move(outcome));
      }));
  return absl::OkStatus();
}

void PublishStream::Refuse(uint64_t number, const absl::Status& status) {
  Answer<v1::PublishStreamResponse, v1::PublishResult>(number, /*correlation_id=*/0, status);
}

}  // namespace eventhub
