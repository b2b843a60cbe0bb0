// What an outbox keeps on disk, byte by byte: see client/outbox/FORMAT.md.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"

namespace eventhub::client::outbox {

// The version of each value. A reader refuses others.
inline constexpr uint32_t kVersion = 1;

// The keys of the column family `default`.
inline constexpr std::string_view kOutboxKey = "outbox";
inline constexpr char kTopicPrefix = 't';

// A topic's number, which stands for its name in keys.
using TopicNumber = uint32_t;

// The identity of an outbox: the name of its producer at the hub.
struct OutboxRecord {
  std::string producer;
};

// The state of one topic. Requests and events are numbered from 0 over the life of the outbox.
struct TopicRecord {
  std::string name{};
  uint64_t epoch = 0;       // Of the producer.
  uint64_t base = 0;        // The number of the request that has sequence 0 in this epoch.
  uint64_t head = 0;        // The hub has all requests before this one.
  uint64_t head_event = 0;  // The number of its first event.
  // Requests before this one may have been sent, and no part is added to them; the others were not
  // sent.
  uint64_t sealed = 0;
  uint64_t next_event = 0;  // The number of the next event to be taken.

  friend bool operator==(const TopicRecord&, const TopicRecord&) = default;
};

// A part of a request: events that were written together. The events themselves are in the column
// family `events`, under the same key.
struct PartHeader {
  absl::Time accepted;       // When its first event was taken.
  uint64_t first_event = 0;  // The number of its first event.
  uint32_t events = 0;       // The events in it.
  uint32_t span = 0;         // The event numbers that it stands for: events, and those taken out.
  uint32_t bytes = 0;        // The size of the events.

  friend bool operator==(const PartHeader&, const PartHeader&) = default;
};

struct PartKey {
  TopicNumber topic = 0;
  uint64_t request = 0;
  uint32_t part = 0;

  friend bool operator==(const PartKey&, const PartKey&) = default;
};

// An event that the hub refused.
struct RefusedRecord {
  absl::Time accepted;
  absl::Time refused;
  bool in_doubt = false;
  absl::Status error;
  std::string event;  // Encoded as field 15 of a request.
};

std::string Encode(const OutboxRecord& record);
std::string Encode(const TopicRecord& record);
std::string Encode(const PartHeader& header);
std::string Encode(const RefusedRecord& record);

// DATA_LOSS if the value is malformed; FAILED_PRECONDITION if it is of another version.
absl::Status Decode(std::string_view value, OutboxRecord& record);
absl::Status Decode(std::string_view value, TopicRecord& record);
absl::Status Decode(std::string_view value, PartHeader& header);
absl::Status Decode(std::string_view value, RefusedRecord& record);

std::string TopicKey(TopicNumber topic);
absl::StatusOr<TopicNumber> ParseTopicKey(std::string_view key);

// Of `index` and `events`.
std::string Encode(const PartKey& key);
absl::StatusOr<PartKey> ParsePartKey(std::string_view key);

// Of `refused`.
std::string RefusedKey(TopicNumber topic, uint64_t serial);
struct ParsedRefusedKey {
  TopicNumber topic;
  uint64_t serial;
};
absl::StatusOr<ParsedRefusedKey> ParseRefusedKey(std::string_view key);

}  // namespace eventhub::client::outbox
