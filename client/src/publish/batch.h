// Events of one request: gathered, sent, and matched with their results.
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

// What waits for the result of one event of a batch.
struct PendingResult {
  size_t index;  // Of the event.
  Publisher::Callback done;
};

// Events, encoded one after another as field 15 of a request, in a buffer that grows and is never
// copied once the batch is sealed. Thread-compatible.
class Batch {
 public:
  // For `partition`, or for whatever partition each event belongs to. `expected_bytes` is what the
  // buffer begins with. `id` orders batches by when they were begun.
  Batch(uint64_t id, std::optional<uint32_t> partition, size_t expected_bytes)
      : id(id), partition(partition), expected_bytes_(expected_bytes) {}

  // `size` is event.ByteSizeLong(), which must have been called since the event was changed.
  void Append(const v1::Event& event, size_t size, Publisher::Callback done);

  // Takes event `index` out; its callback, if it has one, is returned. At least one must remain.
  Publisher::Callback Remove(size_t index);

  // What Append will add to bytes().
  static size_t FieldSize(size_t event_size);

  size_t bytes() const { return size_; }
  size_t events() const { return events_; }
  // The encoded events; shares the buffer, which must not grow any more.
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
  bool in_doubt = false;  // A former attempt may have succeeded, for all that is known.
  bool reported = false;  // Its result was given (too late); only the sequence still matters.

 private:
  void Reserve(size_t more);

  const size_t expected_bytes_;
  std::shared_ptr<char[]> buffer_;
  size_t capacity_ = 0;
  size_t size_ = 0;
  size_t events_ = 0;
};

}  // namespace eventhub::client
