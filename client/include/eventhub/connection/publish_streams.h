// Publish streams: how a Publisher sends requests to a hub.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "eventhub/bytes.h"

namespace eventhub::client {

// Consecutive offsets in one partition. Of a request's events, take those that belong to
// `partition` and are neither duplicates nor delayed: the k-th (from 0) has the offset
// `base_offset + k`.
struct Placement {
  uint32_t partition = 0;
  int64_t base_offset = 0;
  uint32_t count = 0;
  // The run of these events. Pass it with the offset after them to TransactionAppend::expected_run
  // and similar checks. 0: the hub did not say.
  uint64_t run = 0;

  friend bool operator==(const Placement&, const Placement&) = default;
};

// An event of a request that the hub holds until it is due.
struct DelayPlacement {
  uint32_t event_index = 0;  // In the request, from 0.
  std::string delay_id{};
  absl::Time due_time{};
};

// An event of a request that its topic already had.
struct DuplicatePlacement {
  uint32_t event_index = 0;  // In the request, from 0.
  // Where the first copy is; unset if the first copy is delayed.
  std::optional<uint32_t> partition{};
  std::optional<int64_t> offset{};
};

// The hub's reply to one request of a publish stream.
struct PublishReply {
  // The request's correlation id.
  uint64_t correlation_id = 0;
  // OK: all events are appended, except `duplicates` and `delayed`. An error means that no event
  // was appended, unless it is UNAVAILABLE: then the outcome is unknown.
  absl::Status status{};
  // One for each partition that received events, by partition number.
  std::vector<Placement> placements{};
  // Where the events without a key went. Set only if the request named no partition and had such
  // events.
  std::optional<uint32_t> keyless_partition{};
  // The argument of PartitionFor for the events with a key; 0 if the request named a partition.
  uint32_t partition_count = 0;
  // The hub had accepted this request before; this is the original reply.
  bool duplicate = false;
  // The events that are not among the placements, by index.
  std::vector<DelayPlacement> delayed{};
  std::vector<DuplicatePlacement> duplicates{};
};

// One publish stream. Thread-safe. Dropping the last reference cancels the stream.
class PublishStream {
 public:
  // Receives the events of a stream, on threads of the connection. Calls do not overlap, except
  // that OnWritten may overlap another call.
  class Handler {
   public:
    virtual ~Handler() = default;
    // The transport has taken the request; the next one may be written.
    virtual void OnWritten() = 0;
    // Called in the order of the requests.
    virtual void OnReply(PublishReply reply) = 0;
    // The last call. The outcome of requests without a reply is unknown.
    virtual void OnClosed(absl::Status status) = 0;
  };

  virtual ~PublishStream() = default;

  // Sends a PublishStreamRequest whose encoding is `header` followed by `events`. One write at a
  // time: wait for OnWritten before the next. Does nothing once the stream is closed.
  virtual void Write(std::string header, Bytes events) = 0;

  // Ends the stream soon, with CANCELLED.
  virtual void Cancel() = 0;
};

// Opens publish streams. Thread-safe.
class PublishStreams {
 public:
  virtual ~PublishStreams() = default;

  // Starts a publish stream. Never fails: errors arrive through OnClosed. `handler` is kept until
  // then. The default closes the stream with UNIMPLEMENTED.
  virtual std::shared_ptr<PublishStream> OpenPublishStream(
      std::shared_ptr<PublishStream::Handler> handler);
};

}  // namespace eventhub::client
