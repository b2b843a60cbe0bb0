// The base of the calls of all streaming methods.
#pragma once

#include <memory>
#include <utility>

#include "server/core/base/caller.h"
#include "server/rpc/stream_limits.h"
#include "server/rpc/stream_registry.h"

namespace eventhub {

// One call: its caller, its place among the streams of the host, and gRPC's reference to it. Stream
// is the class that derives from it, and from a reactor of gRPC.
template <typename Stream>
class OpenStream : public DrainableStream, public std::enable_shared_from_this<Stream> {
 protected:
  ~OpenStream() = default;

  // Registers the stream, and takes gRPC's reference. Call it once, when a shared_ptr owns the
  // stream.
  void Register() {
    self_ = this->shared_from_this();
    registry_.Add(self_);
  }

  // Undoes both; the stream may be destroyed. Call it last in OnDone.
  void Unregister() {
    registry_.Remove(*this);
    const std::shared_ptr<Stream> last = std::move(self_);
  }

  // Of all requests.
  const Caller& caller() const { return caller_; }

 private:
  friend Stream;

  OpenStream(StreamRegistry& registry, Caller caller, StreamLimits::Place place)
      : registry_(registry), caller_(std::move(caller)), place_(std::move(place)) {}

  StreamRegistry& registry_;
  const Caller caller_;
  const StreamLimits::Place place_;
  std::shared_ptr<Stream> self_;  // gRPC's reference.
};

}  // namespace eventhub
