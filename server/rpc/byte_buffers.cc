#include "server/rpc/byte_buffers.h"

#include <cstring>
#include <optional>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "server/core/base/errors.h"

namespace eventhub {
namespace {

absl::Status Malformed() { return MalformedRequest("is not well-formed protobuf"); }

}  // namespace

absl::StatusOr<SharedBytes> Gather(const grpc::ByteBuffer& buffer) {
  std::vector<grpc::Slice> slices;
  if (!buffer.Dump(&slices).ok()) {
    return MalformedRequest("cannot be decompressed");
  }
  size_t size = 0;
  for (const grpc::Slice& slice : slices) size += slice.size();
  char* to;
  SharedBytes bytes = SharedBytes::Allocate(size, &to);
  for (const grpc::Slice& slice : slices) {
    if (slice.size() == 0) continue;
    std::memcpy(to, slice.begin(), slice.size());
    to += slice.size();
  }
  const_cast<grpc::ByteBuffer&>(buffer).Clear();
  return bytes;
}

grpc::Slice ToSlice(SharedBytes bytes) {
  // gRPC does not write to slices that it did not allocate.
  char* const data = const_cast<char*>(bytes.data());
  const size_t size = bytes.size();
  return grpc::Slice(data, size, SharedBytes::Drop, std::move(bytes).Release());
}

absl::StatusOr<wire::MessageFields> Measure(const google::protobuf::Descriptor& type,
                                            const SharedBytes& bytes, size_t most) {
  const std::optional<wire::MessageFields> fields = wire::CountFields(type, bytes.view(), most);
  if (!fields.has_value()) return Malformed();
  if (fields->count > most)
    return MalformedRequest(absl::StrCat("has more than ", most, " fields"));
  return *fields;
}

absl::Status Parse(const SharedBytes& bytes, const wire::MessageFields& fields,
                   google::protobuf::Message* request) {
  if (!request->ParseFromArray(bytes.data(), static_cast<int>(bytes.size()))) return Malformed();
  if (fields.unknown > 0) request->DiscardUnknownFields();
  return absl::OkStatus();
}

grpc::ByteBuffer Serialize(const google::protobuf::MessageLite& message) {
  grpc::Slice slice(message.ByteSizeLong());
  message.SerializeWithCachedSizesToArray(const_cast<uint8_t*>(slice.begin()));
  return grpc::ByteBuffer(&slice, 1);
}

}  // namespace eventhub
