#include "eventhub/event_batch.h"

#include <limits>

#include "absl/strings/str_cat.h"
#include "client/src/base/proto_time.h"
#include "eventhub/v1/hub.pb.h"
#include "proto/wire/field_reader.h"
#include "proto/wire/fields.h"

namespace eventhub::client {
namespace {

absl::Status Malformed(std::string_view what) {
  return absl::DataLossError(absl::StrCat("the hub sent a malformed ", std::string(what)));
}

// Parses a packed field: consecutive varints.
bool ParsePackedDeltas(std::string_view packed, std::vector<uint32_t>& deltas) {
  uint64_t value = 0;
  int shift = 0;
  for (const char c : packed) {
    const auto byte = static_cast<uint8_t>(c);
    if (shift > 63) return false;
    value |= static_cast<uint64_t>(byte & 0x7F) << shift;
    shift += 7;
    if (byte >= 0x80) continue;
    deltas.push_back(static_cast<uint32_t>(value));
    value = 0;
    shift = 0;
  }
  return shift == 0;
}

}  // namespace

absl::Status ReceivedEvent::ParseTo(v1::Event& event) const {
  if (event.ParseFromArray(bytes_.data(), static_cast<int>(bytes_.size()))) {
    return absl::OkStatus();
  }
  return absl::DataLossError(absl::StrCat("the event at offset ", offset_, " of partition ",
                                          batch_->partition(), " is not well formed"));
}

EventBatch::Iterator::Iterator(const EventBatch* batch, size_t index)
    : index_(index), rest_(batch->events_) {
  current_.batch_ = batch;
  if (index < batch->size_) Load();
}

void EventBatch::Iterator::Load() {
  if (index_ >= current_.batch_->size_) return;
  wire::FieldReader field(rest_);
  while (field.Next() && !field.Is(wire::kEventsField)) {
  }
  start_ = field.field().data();
  rest_ = field.after();
  current_.bytes_ = field.bytes();
  current_.offset_ = current_.batch_->OffsetOf(index_);
}

EventBatch EventBatch::Part(Iterator from, size_t count) const {
  EventBatch part;
  part.frame_ = frame_;
  part.size_ = count;
  part.partition_ = partition_;
  part.append_time_ = append_time_;
  part.delivery_attempt_ = delivery_attempt_;
  part.lease_epoch_ = lease_epoch_;
  part.session_ = session_;
  part.first_new_offset_ = first_new_offset_;
  part.replayed_ = replayed_;
  part.run_ = run_;
  part.redelivered_ = redelivered_;
  part.pipelines_ = pipelines_;
  if (offset_deltas_.empty()) {
    part.base_offset_ = from->offset();
  } else {
    part.base_offset_ = base_offset_;
    const auto first = offset_deltas_.begin() + static_cast<std::ptrdiff_t>(from.index_);
    part.offset_deltas_.assign(first, first + static_cast<std::ptrdiff_t>(count));
  }
  const char* const start = from.start_;
  for (size_t i = 1; i < count; ++i) ++from;
  part.events_ = {start, static_cast<size_t>(from.rest_.data() - start)};
  return part;
}

void EventBatch::TakeNumber(uint32_t field, uint64_t value) {
  switch (field) {
    case v1::EventBatch::kPartitionFieldNumber:
      partition_ = static_cast<uint32_t>(value);
      break;
    case v1::EventBatch::kBaseOffsetFieldNumber:
      base_offset_ = static_cast<int64_t>(value);
      break;
    case v1::EventBatch::kOffsetDeltasFieldNumber:  // Not packed.
      offset_deltas_.push_back(static_cast<uint32_t>(value));
      break;
    case v1::EventBatch::kDeliveryAttemptFieldNumber:
      delivery_attempt_ = static_cast<uint32_t>(value);
      break;
    case v1::EventBatch::kLeaseEpochFieldNumber:
      lease_epoch_ = value;
      break;
    case v1::EventBatch::kReplayedFieldNumber:
      replayed_ = value != 0;
      break;
    case v1::EventBatch::kRedeliveredFieldNumber:
      redelivered_ = value != 0;
      break;
    default:
      break;  // A field of a newer hub.
  }
}

absl::StatusOr<EventBatch> EventBatch::Parse(const Bytes& frame, std::string_view message) {
  EventBatch batch;
  wire::FieldReader field(message);
  while (field.Next()) {
    switch (field.type()) {
      case wire::WireType::kVarint:
        batch.TakeNumber(field.number(), field.value());
        break;
      case wire::WireType::kFixed64:
        if (field.number() == v1::EventBatch::kRunFieldNumber) batch.run_ = field.value();
        break;
      case wire::WireType::kBytes:
        if (field.number() == v1::EventBatch::kEventsFieldNumber) {
          if (batch.size_++ == 0) batch.events_ = message.substr(field.before().size());
        } else if (field.number() == v1::EventBatch::kPipelinesFieldNumber) {
          batch.pipelines_.emplace_back(field.bytes());
        } else if (field.number() == v1::EventBatch::kAppendTimeFieldNumber) {
          google::protobuf::Timestamp time;
          if (!time.ParseFromArray(field.bytes().data(), static_cast<int>(field.bytes().size()))) {
            return Malformed("append time");
          }
          batch.append_time_ = FromProto(time);
        } else if (field.number() == v1::EventBatch::kOffsetDeltasFieldNumber &&
                   !ParsePackedDeltas(field.bytes(), batch.offset_deltas_)) {
          return Malformed("list of offset deltas");
        }
        break;
      case wire::WireType::kFixed32:
        break;
    }
  }
  if (!field.ok()) return Malformed("event batch");
  if (!batch.offset_deltas_.empty() && batch.offset_deltas_.size() != batch.size_) {
    return Malformed("event batch: its offset deltas do not match its events");
  }
  // No offset overflows, whatever the deltas.
  constexpr int64_t kMaxBase =
      std::numeric_limits<int64_t>::max() - std::numeric_limits<uint32_t>::max();
  if (batch.base_offset_ < 0 || batch.base_offset_ > kMaxBase) {
    return Malformed("event batch: its offset is invalid");
  }
  batch.frame_ = frame;
  return batch;
}

}  // namespace eventhub::client
