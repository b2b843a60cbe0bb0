// Between gRPC's buffers and ours.
#pragma once

#include "absl/status/statusor.h"
#include "google/protobuf/message_lite.h"
#include "grpcpp/support/byte_buffer.h"
#include "storage/base/shared_bytes.h"

namespace eventhub {

// The one copy that a request's bytes make on their way in: out of gRPC's read buffers, into one
// piece.
absl::StatusOr<SharedBytes> Gather(const grpc::ByteBuffer& buffer);

// A reference to the bytes; no copy.
grpc::Slice ToSlice(SharedBytes bytes);

grpc::ByteBuffer Serialize(const google::protobuf::MessageLite& message);

}  // namespace eventhub
