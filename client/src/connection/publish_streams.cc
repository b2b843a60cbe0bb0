#include "eventhub/connection/publish_streams.h"

#include "client/src/connection/unimplemented.h"

namespace eventhub::client {
namespace {

class ClosedPublishStream final : public PublishStream {
 public:
  void Write(std::string, Bytes) override {}
  void Cancel() override {}
};

}  // namespace

std::shared_ptr<PublishStream> PublishStreams::OpenPublishStream(
    std::shared_ptr<PublishStream::Handler> handler) {
  handler->OnClosed(Unimplemented("OpenPublishStream"));
  return std::make_shared<ClosedPublishStream>();
}

}  // namespace eventhub::client
