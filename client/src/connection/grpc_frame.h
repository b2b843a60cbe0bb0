// A received message as bytes of the SDK's kind.
#pragma once

#include <grpcpp/support/byte_buffer.h>
#include <grpcpp/support/slice.h>
#include <grpcpp/support/status.h>

#include <memory>
#include <utility>

#include "eventhub/bytes.h"

namespace eventhub::client {

// Moves what `buffer` holds into `frame`; copied only if it came in several pieces. An error, and
// `frame` unchanged, if gRPC cannot give it (e.g. it does not decompress).
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
