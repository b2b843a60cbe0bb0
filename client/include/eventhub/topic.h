// Topics and what the hub has to say of them and of itself: the values of AdminClient.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/time/time.h"

namespace eventhub::client {

// What an acknowledged event survives.
enum class Durability {
  kDefault = 0,  // The topic's default.
  kWritten = 1,  // The death of the hub, not a power loss.
  kSynced = 2,   // A power loss.
};

// A named log of events in one or more partitions.
struct Topic {
  // 1 to 200 of `a-z A-Z 0-9 . _ -`, the first one a letter, a digit or `_`.
  std::string name{};
  // 1 to 100,000. Can grow, never shrink.
  uint32_t partitions = 1;
  // Events appended longer ago go; at least 1 s, or infinite.
  absl::Duration max_age = absl::InfiniteDuration();
  // The oldest events go while the topic holds more bytes; 0: no limit.
  uint64_t max_bytes = 0;
  // Events wait, beyond both limits, for the subscriptions of the topic …
  bool keep_until_acked = false;
  // … but what waits only for them is at most so many bytes, oldest out first; 0: no limit.
  uint64_t keep_until_acked_max_bytes = 0;
  // Nothing is kept: events go to where routes copy them, and are gone. Excludes the limits above;
  // the topic cannot be read, nor have subscriptions.
  bool keep_nothing = false;
  // With `max_bytes`: a full topic takes no further events, instead of letting the oldest go.
  bool refuse_when_full = false;
  // For events published without one. kDefault at creation: kSynced.
  Durability default_durability = Durability::kDefault;
  // The largest event, encoded; 1 to 16,777,216, and no more than the hub's `--max_request` less
  // 1,024. 0 at creation: 1,048,576, or that limit.
  uint32_t max_event_bytes = 0;
  // For people; at most 1,024 bytes.
  std::string description{};
  // An event of the same `source` and `id` as one within this time before is not appended again;
  // 1 s to 30 days, or 0: no deduplication.
  absl::Duration deduplication_window = absl::ZeroDuration();
  // Set by the hub.
  absl::Time create_time = absl::InfinitePast();
};

// A change of a topic: what is set is changed.
struct TopicUpdate {
  std::optional<uint32_t> partitions{};
  std::optional<absl::Duration> max_age{};  // Infinite: no limit.
  std::optional<uint64_t> max_bytes{};      // 0: no limit.
  std::optional<bool> keep_until_acked{};
  std::optional<uint64_t> keep_until_acked_max_bytes{};  // 0: no limit.
  std::optional<bool> keep_nothing{};
  std::optional<bool> refuse_when_full{};
  std::optional<Durability> default_durability{};
  std::optional<uint32_t> max_event_bytes{};
  std::optional<std::string> description{};
  std::optional<absl::Duration> deduplication_window{};  // 0: none.
};

// What goes with a topic that is deleted; without it, a topic that has some is not.
struct TopicDeletion {
  bool delete_subscriptions = false;
  bool delete_routes = false;  // Those that lead from it.
  // Open dead letters in it are discarded; those whose events are nowhere else are lost.
  bool discard_dead_letters = false;
};

// What a topic holds, and what went through it since the hub started. Bytes are of encoded events.
struct TopicStats {
  uint64_t events = 0;
  uint64_t bytes = 0;
  uint64_t published_events = 0;
  uint64_t published_bytes = 0;
  uint64_t delivered_events = 0;  // Each delivery counted.
  uint64_t delivered_bytes = 0;
  uint64_t refused_requests = 0;
  uint32_t readers = 0;           // Connected now.
  uint64_t routed_events = 0;     // Copied to it by routes; not among the published ones.
  uint64_t duplicate_events = 0;  // Not appended, for they were there: `deduplication_window`.
  uint64_t delayed_events = 0;    // That wait for their time, now.
  uint64_t unrouted_events = 0;   // Of a topic that keeps nothing: that no route took.
  uint64_t held_back_bytes = 0;   // Kept beyond the limits of retention, for subscriptions.
};

// A topic and what it holds.
struct TopicDescription {
  Topic topic{};
  TopicStats stats{};
  // Why it holds more than its retention says, in words; empty if it does not.
  std::vector<std::string> findings{};
};

// The state of a partition.
struct PartitionInfo {
  uint32_t partition = 0;
  int64_t start_offset = 0;  // The first event kept; `end_offset` when there is none.
  int64_t end_offset = 0;    // What the next event will get.
  uint64_t bytes = 0;
  std::optional<absl::Time> last_append_time{};  // Not set when no event is kept.
};

// What the hub counts of itself. See eventhub/v1/admin.proto, GetStatsResponse.
// An address that a hub listens on.
struct Listener {
  std::string address{};
  bool tls = false;
  bool client_certificates = false;  // Clients without one are not let in.
  bool unprotected = false;          // Whoever reaches it over the network may do anything.
};

// A part of the hub's memory that has a limit of its own; for the names see MemoryShare in
// admin.proto.
struct MemoryShare {
  std::string name{};
  uint64_t used_bytes = 0;
  uint64_t limit_bytes = 0;
};

// What the hub does with its memory.
struct MemoryStats {
  uint64_t limit_bytes = 0;  // 0: there is none.
  uint64_t process_bytes = 0;
  std::vector<MemoryShare> shares{};
};

// Connections of clients. `open` is the current number; the others count since the hub started.
struct ConnectionStats {
  uint32_t open = 0;
  uint64_t accepted = 0;
  uint64_t refused = 0;  // For a limit.
  uint64_t shed = 0;     // Cut off while memory was short.
};

struct HubStats {
  std::string version{};
  absl::Time start_time = absl::InfinitePast();
  bool writable = false;
  std::string store_error{};
  uint32_t topics = 0;
  uint32_t partitions = 0;
  TopicStats totals{};
  uint64_t commits = 0;
  uint64_t syncs = 0;
  uint64_t tail_cache_bytes = 0;
  uint64_t tail_cache_hits = 0;
  uint64_t cold_reads = 0;
  uint64_t in_flight_bytes = 0;
  uint64_t disk_bytes = 0;
  uint64_t disk_free_bytes = 0;
  uint32_t subscriptions = 0;
  uint32_t consumers = 0;  // Connected now.
  uint32_t routes = 0;
  uint32_t links = 0;
  std::string hub_id{};  // Identifies the hub's store among all hubs.
  std::vector<Listener> listeners{};
  // Why the hub doubts its system's clock, and deletes nothing by age; empty while it does not.
  std::string clock_doubt{};
  MemoryStats memory{};
  ConnectionStats connections{};
};

// What grpc.health.v1 answers.
enum class Health {
  kUnknown = 0,
  kServing = 1,
  kNotServing = 2,
};

// A part of a list. `next_page_token` is empty on the last page.
template <typename T>
struct Page {
  std::vector<T> items{};
  std::string next_page_token{};
};

}  // namespace eventhub::client
