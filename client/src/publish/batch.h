// The events of one request, from gathering to their results.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/time/time.h"
#include "eventhub/bytes.h"
#include "eventhub/publisher.h"

namespace eventhub::client {

// The callback of one event of a batch.
struct PendingResult {
  size_t index;  // Of the event.
  Publisher::Callback done;
};

// The events of a request that the hub accepts for every topic, however many records it makes of
// each (see REASON_TOO_MANY_COPIES in hub.proto): an outbox cannot divide a request later.
inline constexpr size_t kMaxBatchEvents = 2000;

// Events encoded one after another as field 15 of a request, in a buffer that grows, and that is
// not copied once the batch is sealed. Thread-compatible.
class Batch {
 public:
  // For events of `partition`; if unset, for events of any partition. `expected_bytes` is the
  // initial size of the buffer. Ids ascend in the order in which batches are begun.
  Batch(uint64_t id, std::optional<uint32_t> partition, size_t expected_bytes)
      : id(id), partition(partition), expected_bytes_(expected_bytes) {}

  // Appends an event. `size` is event.ByteSizeLong(), called after the last change of the event.
  void Append(const v1::Event& event, size_t size, Publisher::Callback done);

  // Removes event `index` and returns its callback, which may be null. At least one event must
  // remain.
  Publisher::Callback Remove(size_t index);

  // How much Append adds to bytes().
  static size_t FieldSize(size_t event_size);

  size_t bytes() const { return size_; }
  size_t events() const { return events_; }
  // The encoded events. Shares the buffer, which must not grow afterwards.
  Bytes body() const { return Bytes{{buffer_.get(), size_}, buffer_}; }

  const uint64_t id;
  const std::optional<uint32_t> partition;
  std::vector<PendingResult> results;  // By index.
  absl::Duration opened_at;
  absl::Duration deadline = absl::InfiniteDuration();

  // Of the request, once it is sent; see RequestQueue.
  std::optional<uint64_t> sequence;
  uint64_t correlation_id = 0;
  absl::Duration sent_at;
  bool in_doubt = false;  // An earlier attempt may have succeeded.
  bool reported = false;  // It expired and was reported; only its sequence still matters.

 private:
  void Reserve(size_t more);

  const size_t expected_bytes_;
  std::shared_ptr<char[]> buffer_;
  size_t capacity_ = 0;
  size_t size_ = 0;
  size_t events_ = 0;
};

}  // namespace eventhub::client
