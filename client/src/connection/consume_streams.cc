#include "eventhub/connection/consume_streams.h"

#include "client/src/connection/unimplemented.h"

namespace eventhub::client {
namespace {

class ClosedConsumeStream final : public ConsumeStream {
 public:
  void Write(std::string) override {}
  void Cancel() override {}
};

}  // namespace

std::shared_ptr<ConsumeStream> ConsumeStreams::OpenConsumeStream(
    std::shared_ptr<ConsumeStream::Handler> handler) {
  handler->OnClosed(Unimplemented("OpenConsumeStream"));
  return std::make_shared<ClosedConsumeStream>();
}

}  // namespace eventhub::client
