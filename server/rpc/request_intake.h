// How the hub receives requests that it parses: within bounds, and counted.
#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <utility>

#include "absl/status/statusor.h"
#include "google/protobuf/message.h"
#include "grpcpp/support/byte_buffer.h"
#include "server/rpc/publish_limits.h"
#include "server/rpc/request_bounds.h"

namespace eventhub {

// What a request takes, counted as in flight until the lease ends.
class RequestLease {
 public:
  RequestLease() = default;
  RequestLease(std::shared_ptr<PublishLimits::Connection> connection, size_t bytes)
      : connection_(std::move(connection)), bytes_(bytes) {}
  RequestLease(RequestLease&&) noexcept = default;
  RequestLease& operator=(RequestLease&& other) noexcept {
    std::swap(connection_, other.connection_);
    std::swap(bytes_, other.bytes_);
    return *this;
  }
  ~RequestLease() {
    if (connection_ != nullptr) connection_->Release(bytes_);
  }

 private:
  std::shared_ptr<PublishLimits::Connection> connection_;  // Null: counts nothing.
  size_t bytes_ = 0;
};

// Parses a request of a peer, and counts what it takes, encoded and parsed. Unknown fields are left
// out.
//
// RESOURCE_EXHAUSTED: it is larger than `bounds` or the memory for requests allow
// (REASON_REQUEST_TOO_LARGE), or other requests leave no memory for it (REASON_TOO_MUCH_IN_FLIGHT);
// small ones are not counted. INVALID_ARGUMENT: see Measure.
absl::StatusOr<RequestLease> ReceiveRequest(const std::string& peer,
                                            const grpc::ByteBuffer& encoded,
                                            const RequestBounds& bounds, PublishLimits& limits,
                                            google::protobuf::Message* request);

}  // namespace eventhub
