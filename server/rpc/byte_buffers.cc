#include "server/rpc/byte_buffers.h"

#include <cstring>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "proto/wire/message_fields.h"
#include "server/core/base/errors.h"

namespace eventhub {

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
  return bytes;
}

grpc::Slice ToSlice(SharedBytes bytes) {
  // gRPC does not write to slices that it did not allocate.
  char* const data = const_cast<char*>(bytes.data());
  const size_t size = bytes.size();
  return grpc::Slice(data, size, SharedBytes::Drop, std::move(bytes).Release());
}

absl::Status Parse(const SharedBytes& bytes, google::protobuf::Message* request) {
  // A field has two bytes, at least.
  if (bytes.size() / 2 > kMaxRequestFields &&
      wire::CountFields(*request->GetDescriptor(), bytes.view(), kMaxRequestFields) >
          kMaxRequestFields) {
    return MalformedRequest(absl::StrCat("has more than ", kMaxRequestFields, " fields"));
  }
  if (!request->ParseFromArray(bytes.data(), static_cast<int>(bytes.size()))) {
    return MalformedRequest("is not well-formed protobuf");
  }
  return absl::OkStatus();
}

grpc::ByteBuffer Serialize(const google::protobuf::MessageLite& message) {
  grpc::Slice slice(message.ByteSizeLong());
  message.SerializeWithCachedSizesToArray(const_cast<uint8_t*>(slice.begin()));
  return grpc::ByteBuffer(&slice, 1);
}

}  // namespace eventhub
