#include "client/src/consume_frame.h"

#include <utility>

#include "absl/status/status.h"
#include "client/src/wire.h"

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
bool TakeMessage(const FieldScanner& field, ConsumeFrame& frame) {
  switch (field.number) {
    case v1::ConsumeResponse::kOpenedFieldNumber:
      return ParseInto(field.bytes, frame.opened.emplace());
    case v1::ConsumeResponse::kAssignedFieldNumber:
      return AppendTo(field.bytes, frame.assigned);
    case v1::ConsumeResponse::kDrainingFieldNumber:
      return AppendTo(field.bytes, frame.draining);
    case v1::ConsumeResponse::kRevokedFieldNumber:
      return AppendTo(field.bytes, frame.revoked);
    case v1::ConsumeResponse::kSettlementsFieldNumber:
      return AppendTo(field.bytes, frame.settlements);
    case v1::ConsumeResponse::kTrimmedFieldNumber:
      return AppendTo(field.bytes, frame.trimmed);
    case v1::ConsumeResponse::kRewoundFieldNumber:
      return AppendTo(field.bytes, frame.rewound);
    case v1::ConsumeResponse::kAckDeadlineFieldNumber:
      return ParseInto(field.bytes, frame.ack_deadline.emplace());
    default:
      return true;  // Of a newer hub.
  }
}

}  // namespace

absl::StatusOr<ConsumeFrame> ParseConsumeFrame(const Bytes& bytes) {
  ConsumeFrame frame;
  FieldScanner field(bytes.view);
  while (field.Next()) {
    if (field.type == FieldScanner::kVarint) {
      if (field.number == v1::ConsumeResponse::kCaughtUpFieldNumber) {
        frame.caught_up = field.value != 0;
      } else if (field.number == v1::ConsumeResponse::kFellBehindFieldNumber) {
        frame.fell_behind = field.value != 0;
      }
    } else if (field.type == FieldScanner::kLength) {
      if (field.number == v1::ConsumeResponse::kBatchesFieldNumber) {
        absl::StatusOr<EventBatch> batch = EventBatch::Parse(bytes, field.bytes);
        if (!batch.ok()) return batch.status();
        if (!batch->empty()) frame.batches.push_back(*std::move(batch));
      } else if (!TakeMessage(field, frame)) {
        return Malformed();
      }
    }
  }
  if (!field.ok()) return Malformed();
  return frame;
}

}  // namespace eventhub::client
