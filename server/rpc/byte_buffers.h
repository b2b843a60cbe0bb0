// Conversions between gRPC's buffers and SharedBytes.
#pragma once

#include <cstddef>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "google/protobuf/message.h"
#include "google/protobuf/message_lite.h"
#include "grpcpp/support/byte_buffer.h"
#include "storage/base/shared_bytes.h"

namespace eventhub {

// Copies a request's bytes out of gRPC's read buffers into one piece: the only copy on the way in.
absl::StatusOr<SharedBytes> Gather(const grpc::ByteBuffer& buffer);

// A reference to the bytes; no copy.
grpc::Slice ToSlice(SharedBytes bytes);

// Parses a request. INVALID_ARGUMENT: it is malformed, or has more than kMaxRequestFields fields,
// which would take more memory than the hub has for it.
inline constexpr size_t kMaxRequestFields = 250'000;
absl::Status Parse(const SharedBytes& bytes, google::protobuf::Message* request);

grpc::ByteBuffer Serialize(const google::protobuf::MessageLite& message);

}  // namespace eventhub
