#include "server/rpc/frame_encoder.h"

#include <string>
#include <utility>
#include <vector>

#include "server/rpc/byte_buffers.h"

namespace eventhub {
namespace {

// Field numbers of hub.proto.
constexpr int kResponseBatches = 1;
constexpr int kResponseCaughtUp = 2;
constexpr int kResponseStart = 3;
constexpr int kResponsePassed = 4;
constexpr int kPartition = 1;    // Of EventBatch and PartitionOffset.
constexpr int kOffset = 2;       // Of EventBatch and PartitionOffset.
constexpr int kAppendTime = 3;   // Of EventBatch.
constexpr int kDeltas = 4;       // Of EventBatch.
constexpr int kAttempt = 5;      // Of EventBatch.
constexpr int kLeaseEpoch = 6;   // Of EventBatch.
constexpr int kReplayed = 7;     // Of EventBatch.
constexpr int kBatchRun = 8;     // Of EventBatch.
constexpr int kRedelivered = 9;  // Of EventBatch.
constexpr int kPlaceRun = 3;     // Of PartitionOffset.
constexpr int kSeconds = 1;      // Of Timestamp.
constexpr int kNanos = 2;

// A slice has a fixed cost, about that of copying so many bytes.
constexpr size_t kMinSharedBytes = 2048;

void AppendVarint(std::string* to, uint64_t value) {
  while (value >= 0x80) {
    to->push_back(static_cast<char>(value | 0x80));
    value >>= 7;
  }
  to->push_back(static_cast<char>(value));
}

void AppendNumber(std::string* to, int field, uint64_t value) {
  if (value == 0) return;  // The default.
  AppendVarint(to, static_cast<uint64_t>(field) << 3);
  AppendVarint(to, value);
}

// A fixed64.
void AppendFixed(std::string* to, int field, uint64_t value) {
  if (value == 0) return;  // The default.
  AppendVarint(to, (static_cast<uint64_t>(field) << 3) | 1);
  for (int shift = 0; shift < 64; shift += 8) to->push_back(static_cast<char>(value >> shift));
}

void AppendLength(std::string* to, int field, size_t size) {
  AppendVarint(to, (static_cast<uint64_t>(field) << 3) | 2);
  AppendVarint(to, size);
}

void AppendMessage(std::string* to, int field, const std::string& message) {
  AppendLength(to, field, message.size());
  to->append(message);
}

// An EventBatch without its events.
std::string BatchHead(const Delivery& delivery) {
  constexpr int64_t kMicros = 1'000'000;
  std::string time;
  AppendNumber(&time, kSeconds, static_cast<uint64_t>(delivery.append_micros / kMicros));
  AppendNumber(&time, kNanos, static_cast<uint64_t>(delivery.append_micros % kMicros * 1000));
  std::string head;
  AppendNumber(&head, kPartition, delivery.partition.value());
  AppendNumber(&head, kOffset, static_cast<uint64_t>(delivery.base.value()));
  AppendMessage(&head, kAppendTime, time);
  if (!delivery.offset_deltas.empty()) {
    std::string deltas;
    for (const uint32_t delta : delivery.offset_deltas) AppendVarint(&deltas, delta);
    AppendMessage(&head, kDeltas, deltas);
  }
  AppendNumber(&head, kAttempt, delivery.attempt);
  AppendNumber(&head, kLeaseEpoch, delivery.lease_epoch);
  AppendNumber(&head, kReplayed, delivery.replayed ? 1 : 0);
  AppendFixed(&head, kBatchRun, delivery.run);
  AppendNumber(&head, kRedelivered, delivery.redelivered ? 1 : 0);
  return head;
}

bool IsShared(const SharedBytes& events) { return events.size() >= kMinSharedBytes; }

// The buffers of the events that are not copied.
size_t HeldBytes(const std::vector<Delivery>& deliveries) {
  size_t held = 0;
  const SharedBytes* before = nullptr;  // Pieces of one buffer follow one another.
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

  // `shared` is what the shared ones hold.
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

// Both kinds of responses have their batches in the same field. Returns what is held of buffers
// that others share.
size_t AppendBatches(std::vector<Delivery> deliveries, size_t bytes, size_t room,
                     SliceBuilder* out) {
  const size_t held = HeldBytes(deliveries);
  const bool copy = held > room && held / 2 > bytes;
  for (Delivery& delivery : deliveries) {
    const std::string head = BatchHead(delivery);
    AppendLength(&out->copied(), kResponseBatches, head.size() + delivery.bytes);
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

void AppendPlaces(const std::vector<LogPlace>& places, int field, std::string* to) {
  for (const LogPlace& place : places) {
    std::string position;
    AppendNumber(&position, kPartition, place.partition.value());
    AppendNumber(&position, kOffset, static_cast<uint64_t>(place.offset.value()));
    AppendFixed(&position, kPlaceRun, place.run);
    AppendMessage(to, field, position);
  }
}

}  // namespace

EncodedFrame EncodeFrame(Frame frame, size_t room) {
  SliceBuilder out;
  AppendPlaces(frame.start, kResponseStart, &out.copied());
  AppendPlaces(frame.passed, kResponsePassed, &out.copied());
  if (frame.caught_up) AppendNumber(&out.copied(), kResponseCaughtUp, 1);
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
