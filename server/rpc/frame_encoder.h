// Encodes what a reader gets: small headers, and references to events that every other reader
// shares.
#pragma once

#include <cstddef>
#include <cstdint>

#include "grpcpp/support/byte_buffer.h"
#include "server/core/read/topic_reader.h"
#include "server/core/subscription/dispatch/consumer.h"

namespace eventhub {

struct EncodedFrame {
  grpc::ByteBuffer message;
  // What the message keeps in memory: the buffers that its events are in, as a whole. Bytes.
  size_t held = 0;
};

// The wire form of a v1::ReadResponse. Of the events, only runs too short to be worth a reference
// are copied; all of them, if they are a small part of buffers that are larger than `room`.
EncodedFrame EncodeFrame(Frame frame, size_t room = SIZE_MAX);

// The same of a v1::ConsumeResponse.
EncodedFrame EncodeFrame(ConsumeFrame frame, size_t room = SIZE_MAX);

}  // namespace eventhub
