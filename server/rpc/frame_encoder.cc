#include "server/rpc/frame_encoder.h"

#include <string>
#include <utility>
#include <vector>

#include "eventhub/v1/hub.pb.h"
#include "proto/wire/writer.h"
#include "server/rpc/byte_buffers.h"

namespace eventhub {
namespace {

// A slice has a fixed cost: about that of copying this many bytes.
constexpr size_t kMinSharedBytes = 2048;

// Encodes an EventBatch without its events.
std::string BatchHead(const Delivery& delivery) {
  using google::protobuf::Timestamp;
  using v1::EventBatch;
  constexpr int64_t kMicros = 1'000'000;
  std::string time;
  wire::AppendNumber(Timestamp::kSecondsFieldNumber,
                     static_cast<uint64_t>(delivery.append_micros / kMicros), &time);
  wire::AppendNumber(Timestamp::kNanosFieldNumber,
                     static_cast<uint64_t>(delivery.append_micros % kMicros * 1000), &time);
  std::string head;
  wire::AppendNumber(EventBatch::kPartitionFieldNumber, delivery.partition.value(), &head);
  wire::AppendNumber(EventBatch::kBaseOffsetFieldNumber,
                     static_cast<uint64_t>(delivery.base.value()), &head);
  wire::AppendBytes(EventBatch::kAppendTimeFieldNumber, time, &head);
  if (!delivery.offset_deltas.empty()) {
    std::string deltas;
    for (const uint32_t delta : delivery.offset_deltas) wire::AppendVarint(delta, &deltas);
    wire::AppendBytes(EventBatch::kOffsetDeltasFieldNumber, deltas, &head);
  }
  wire::AppendNumber(EventBatch::kDeliveryAttemptFieldNumber, delivery.attempt, &head);
  wire::AppendNumber(EventBatch::kLeaseEpochFieldNumber, delivery.lease_epoch, &head);
  wire::AppendNumber(EventBatch::kReplayedFieldNumber, delivery.replayed ? 1 : 0, &head);
  wire::AppendFixed64(EventBatch::kRunFieldNumber, delivery.run, &head);
  wire::AppendNumber(EventBatch::kRedeliveredFieldNumber, delivery.redelivered ? 1 : 0, &head);
  if (delivery.pipelines != nullptr) {
    for (const std::string& pipeline : *delivery.pipelines) {
      wire::AppendBytes(EventBatch::kPipelinesFieldNumber, pipeline, &head);
    }
  }
  return head;
}

bool IsShared(const SharedBytes& events) { return events.size() >= kMinSharedBytes; }

// The bytes of the buffers of events that are not copied.
size_t HeldBytes(const std::vector<Delivery>& deliveries) {
  size_t held = 0;
  const SharedBytes* before = nullptr;  // Pieces of one buffer are consecutive.
  for (const Delivery& delivery : deliveries) {
    for (const SharedBytes& events : delivery.events) {
      if (!IsShared(events)) continue;
      if (before == nullptr || !events.SharesBufferWith(*before)) held += events.held_bytes();
      before = &events;
    }
  }
  return held;
}

// Gathers copied bytes and shared ones into slices.
class SliceBuilder {
 public:
  std::string& copied() { return copied_; }

  void Share(SharedBytes bytes) {
    Flush();
    slices_.push_back(ToSlice(std::move(bytes)));
  }

  // `shared`: the bytes that the shared pieces keep alive.
  EncodedFrame Build(size_t shared) {
    Flush();
    return {grpc::ByteBuffer(slices_.data(), slices_.size()), copied_bytes_ + shared};
  }

 private:
  void Flush() {
    if (copied_.empty()) return;
    copied_bytes_ += copied_.size();
    slices_.emplace_back(copied_.data(), copied_.size());
    copied_.clear();
  }

  std::string copied_;
  size_t copied_bytes_ = 0;
  std::vector<grpc::Slice> slices_;
};

// Both kinds of responses have their batches in the same field.
constexpr uint32_t kBatchesField = v1::ReadResponse::kBatchesFieldNumber;
static_assert(v1::ConsumeResponse::kBatchesFieldNumber == kBatchesField);

// Returns the bytes of shared buffers that the batches keep alive.
size_t AppendBatches(std::vector<Delivery> deliveries, size_t bytes, size_t room,
                     SliceBuilder* out) {
  const size_t held = HeldBytes(deliveries);
  const bool copy = held > room && held / 2 > bytes;
  for (Delivery& delivery : deliveries) {
    const std::string head = BatchHead(delivery);
    wire::AppendHead(kBatchesField, head.size() + delivery.bytes, &out->copied());
    out->copied().append(head);
    for (SharedBytes& events : delivery.events) {
      if (copy || !IsShared(events)) {
        out->copied().append(events.data(), events.size());
      } else {
        out->Share(std::move(events));
      }
    }
  }
  return copy ? 0 : held;
}

void AppendPlaces(uint32_t field, const std::vector<LogPlace>& places, std::string* to) {
  using v1::PartitionOffset;
  for (const LogPlace& place : places) {
    std::string position;
    wire::AppendNumber(PartitionOffset::kPartitionFieldNumber, place.partition.value(), &position);
    wire::AppendNumber(PartitionOffset::kOffsetFieldNumber,
                       static_cast<uint64_t>(place.offset.value()), &position);
    wire::AppendFixed64(PartitionOffset::kRunFieldNumber, place.run, &position);
    wire::AppendBytes(field, position, to);
  }
}

}  // namespace

EncodedFrame EncodeFrame(Frame frame, size_t room) {
  SliceBuilder out;
  AppendPlaces(v1::ReadResponse::kStartFieldNumber, frame.start, &out.copied());
  AppendPlaces(v1::ReadResponse::kPassedFieldNumber, frame.passed, &out.copied());
  wire::AppendNumber(v1::ReadResponse::kCaughtUpFieldNumber, frame.caught_up ? 1 : 0,
                     &out.copied());
  const size_t held = AppendBatches(std::move(frame.deliveries), frame.bytes, room, &out);
  return out.Build(held);
}

EncodedFrame EncodeFrame(ConsumeFrame frame, size_t room) {
  SliceBuilder out;
  frame.control.AppendToString(&out.copied());
  const size_t held = AppendBatches(std::move(frame.deliveries), frame.bytes, room, &out);
  return out.Build(held);
}

}  // namespace eventhub
