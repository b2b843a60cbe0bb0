#include "client/src/subscribe/consume_frame.h"

#include <utility>

#include "absl/status/status.h"
#include "proto/wire/field_reader.h"

namespace eventhub::client {
namespace {

absl::Status Malformed() {
  return absl::DataLossError("the hub sent a malformed consume response");
}

template <typename Message>
bool ParseInto(std::string_view bytes, Message& message) {
  return message.ParseFromArray(bytes.data(), static_cast<int>(bytes.size()));
}

template <typename Message>
bool AppendTo(std::string_view bytes, std::vector<Message>& messages) {
  return ParseInto(bytes, messages.emplace_back());
}

// A field that is a message, other than a batch. False if that is malformed.
bool TakeMessage(uint32_t number, std::string_view message, ConsumeFrame& frame) {
  switch (number) {
    case v1::ConsumeResponse::kOpenedFieldNumber:
      return ParseInto(message, frame.opened.emplace());
    case v1::ConsumeResponse::kAssignedFieldNumber:
      return AppendTo(message, frame.assigned);
    case v1::ConsumeResponse::kDrainingFieldNumber:
      return AppendTo(message, frame.draining);
    case v1::ConsumeResponse::kRevokedFieldNumber:
      return AppendTo(message, frame.revoked);
    case v1::ConsumeResponse::kSettlementsFieldNumber:
      return AppendTo(message, frame.settlements);
    case v1::ConsumeResponse::kTrimmedFieldNumber:
      return AppendTo(message, frame.trimmed);
    case v1::ConsumeResponse::kRewoundFieldNumber:
      return AppendTo(message, frame.rewound);
    case v1::ConsumeResponse::kAckDeadlineFieldNumber:
      return ParseInto(message, frame.ack_deadline.emplace());
    default:
      return true;  // A field of a newer hub.
  }
}

}  // namespace

absl::StatusOr<ConsumeFrame> ParseConsumeFrame(const Bytes& bytes) {
  ConsumeFrame frame;
  wire::FieldReader field(bytes.view);
  while (field.Next()) {
    if (field.type() == wire::WireType::kVarint) {
      if (field.number() == v1::ConsumeResponse::kCaughtUpFieldNumber) {
        frame.caught_up = field.value() != 0;
      } else if (field.number() == v1::ConsumeResponse::kFellBehindFieldNumber) {
        frame.fell_behind = field.value() != 0;
      }
    } else if (field.Is(v1::ConsumeResponse::kBatchesFieldNumber)) {
      absl::StatusOr<EventBatch> batch = EventBatch::Parse(bytes, field.bytes());
      if (!batch.ok()) return batch.status();
      if (!batch->empty()) frame.batches.push_back(*std::move(batch));
    } else if (field.type() == wire::WireType::kBytes &&
               !TakeMessage(field.number(), field.bytes(), frame)) {
      return Malformed();
    }
  }
  if (!field.ok()) return Malformed();
  return frame;
}

}  // namespace eventhub::client
