#include "eventhub/connection/read_streams.h"

#include "client/src/connection/unimplemented.h"

namespace eventhub::client {
namespace {

class ClosedReadStream final : public ReadStream {
 public:
  Outcome Read(absl::Duration, Bytes&) override { return Outcome::kClosed; }
  absl::Status status() const override { return Unimplemented("OpenReadStream"); }
  void Cancel() override {}
};

}  // namespace

std::unique_ptr<ReadStream> ReadStreams::OpenReadStream(const ReadSpec&) {
  return std::make_unique<ClosedReadStream>();
}

}  // namespace eventhub::client
