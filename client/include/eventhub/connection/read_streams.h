// Read streams: how a Reader receives events from a hub.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "eventhub/bytes.h"
#include "eventhub/filter.h"
#include "eventhub/position.h"

namespace eventhub::client {

// What to read; mirrors ReadRequest in eventhub/v1/hub.proto.
struct ReadSpec {
  std::string topic{};
  std::vector<uint32_t> partitions{};
  StartPosition start{};
  std::vector<PartitionOffset> offsets{};
  std::optional<int64_t> stop_offset{};
  std::optional<absl::Time> stop_time{};
  bool follow = false;
  uint32_t max_response_bytes = 0;
  std::optional<Filter> filter{};
  bool report_passed = false;
  bool as_stored = false;
};

// One Read call. Read must be called by one thread at a time; Cancel may be called by any thread.
class ReadStream {
 public:
  enum class Outcome {
    kFrame,    // A response was received.
    kTimeout,  // No response arrived in time; the stream continues.
    kClosed,   // The stream has ended; see `status`.
  };

  virtual ~ReadStream() = default;

  // Waits at most `timeout` for the next response; on kFrame, sets `frame` to an encoded
  // ReadResponse. Responses that are not taken wait at the hub: flow control bounds the memory on
  // both sides.
  virtual Outcome Read(absl::Duration timeout, Bytes& frame) = 0;

  // How the stream ended: OK if it reached the requested end. Valid after kClosed.
  virtual absl::Status status() const = 0;

  // Ends the stream soon, with CANCELLED; a waiting Read returns.
  virtual void Cancel() = 0;
};

// Opens read streams. Thread-safe.
class ReadStreams {
 public:
  virtual ~ReadStreams() = default;

  // Starts to read. Never fails: errors arrive as kClosed. The default returns a stream that is
  // closed with UNIMPLEMENTED.
  virtual std::unique_ptr<ReadStream> OpenReadStream(const ReadSpec& spec);
};

}  // namespace eventhub::client
