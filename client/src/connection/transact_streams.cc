#include "eventhub/connection/transact_streams.h"

#include "client/src/connection/unimplemented.h"

namespace eventhub::client {
namespace {

class ClosedTransactStream final : public TransactStream {
 public:
  void Write(std::string) override {}
  void Cancel() override {}
};

}  // namespace

std::shared_ptr<TransactStream> TransactStreams::OpenTransactStream(
    std::shared_ptr<TransactStream::Handler> handler) {
  handler->OnClosed(Unimplemented("OpenTransactStream"));
  return std::make_shared<ClosedTransactStream>();
}

}  // namespace eventhub::client
