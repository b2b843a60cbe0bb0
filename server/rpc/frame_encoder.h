// Encodes what a reader gets: small headers, and references to events that every other reader
// shares.
#pragma once

#include "grpcpp/support/byte_buffer.h"
#include "server/core/subscription/consumer.h"
#include "server/core/topic_reader.h"

namespace eventhub {

// The wire form of a v1::ReadResponse. Of the events, only runs too short to be worth a reference
// are copied.
grpc::ByteBuffer EncodeFrame(Frame frame);

// The same of a v1::ConsumeResponse.
grpc::ByteBuffer EncodeFrame(ConsumeFrame frame);

}  // namespace eventhub
