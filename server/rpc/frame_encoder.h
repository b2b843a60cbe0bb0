// Encodes responses to readers and consumers: small headers, and references to events that all
// readers share.
#pragma once

#include <cstddef>
#include <cstdint>

#include "grpcpp/support/byte_buffer.h"
#include "server/core/read/topic_reader.h"
#include "server/core/subscription/dispatch/consumer.h"

namespace eventhub {

struct EncodedFrame {
  grpc::ByteBuffer message;
  // The memory that the message keeps alive: the whole buffers that its events are in. Bytes.
  size_t held = 0;
};

// Returns the wire form of a v1::ReadResponse. Copies only runs of events that are too short to be
// worth a reference; or all events, if they are a small part of buffers larger than `room`.
EncodedFrame EncodeFrame(Frame frame, size_t room = SIZE_MAX);

// Likewise for a v1::ConsumeResponse.
EncodedFrame EncodeFrame(ConsumeFrame frame, size_t room = SIZE_MAX);

}  // namespace eventhub
