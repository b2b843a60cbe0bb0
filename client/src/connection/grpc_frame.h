// Converts a received message to Bytes.
#pragma once

#include <grpcpp/support/byte_buffer.h>
#include <grpcpp/support/slice.h>
#include <grpcpp/support/status.h>

#include <memory>
#include <utility>

#include "eventhub/bytes.h"

namespace eventhub::client {

// Moves the contents of `buffer` to `frame`, and copies them only if they arrived in several
// pieces. On an error (e.g. in decompression), `frame` is unchanged.
inline grpc::Status TakeFrame(grpc::ByteBuffer& buffer, Bytes& frame) {
  auto slice = std::make_shared<grpc::Slice>();
  grpc::Status status = buffer.TrySingleSlice(slice.get());
  if (!status.ok()) status = buffer.DumpToSingleSlice(slice.get());
  buffer.Clear();
  if (!status.ok()) return status;
  frame.view = {reinterpret_cast<const char*>(slice->begin()), slice->size()};
  frame.owner = std::move(slice);
  return status;
}

}  // namespace eventhub::client
