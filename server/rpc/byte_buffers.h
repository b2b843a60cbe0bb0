// Conversions between gRPC's buffers and SharedBytes.
#pragma once

#include <cstddef>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "google/protobuf/descriptor.h"
#include "google/protobuf/message.h"
#include "google/protobuf/message_lite.h"
#include "grpcpp/support/byte_buffer.h"
#include "proto/wire/message_fields.h"
#include "storage/base/shared_bytes.h"

namespace eventhub {

// Copies a request's bytes out of gRPC's read buffers into one piece: the only copy on the way in.
// Frees the buffers, which gRPC would keep as long as the call: a buffer that gRPC received is
// const only for the methods of generated code.
absl::StatusOr<SharedBytes> Gather(const grpc::ByteBuffer& buffer);

// A reference to the bytes; no copy.
grpc::Slice ToSlice(SharedBytes bytes);

// Counts the fields of a request of this type, before it is parsed. INVALID_ARGUMENT: it has more
// than `most`, which would take more memory than the hub has for it, or is malformed.
absl::StatusOr<wire::MessageFields> Measure(const google::protobuf::Descriptor& type,
                                            const SharedBytes& bytes, size_t most);

// Parses a request that was measured. Leaves out unknown fields. INVALID_ARGUMENT: it is malformed.
absl::Status Parse(const SharedBytes& bytes, const wire::MessageFields& fields,
                   google::protobuf::Message* request);

grpc::ByteBuffer Serialize(const google::protobuf::MessageLite& message);

}  // namespace eventhub
