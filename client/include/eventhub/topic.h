// The values of AdminClient: topics, their state, and the state of the hub. They mirror the
// messages of eventhub/v1/admin.proto.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/time/time.h"

namespace eventhub::client {

// The failures that an acknowledged event survives.
enum class Durability {
  kDefault = 0,  // The topic's default.
  kWritten = 1,  // A crash of the hub process, but not a power loss.
  kSynced = 2,   // A power loss.
};

// Retention of the latest event of each key; see LatestPerKey in eventhub/v1/admin.proto.
struct LatestPerKey {
  // Superseded events are not removed before this age.
  absl::Duration min_age = absl::ZeroDuration();
  // The age at which delete markers (events with a key and no data) may be removed; at least
  // `min_age`. Unset at creation: 24 hours, or `min_age` if that is longer.
  std::optional<absl::Duration> delete_marker_age{};

  bool operator==(const LatestPerKey&) const = default;
};

// A named log of events in one or more partitions.
struct Topic {
  // 1 to 200 of `a-z A-Z 0-9 . _ -`, the first one a letter, a digit or `_`.
  std::string name{};
  // 1 to 100,000. Can grow, never shrink.
  uint32_t partitions = 1;
  // Events older than this are trimmed; at least 1 s, or infinite.
  absl::Duration max_age = absl::InfiniteDuration();
  // The oldest events are trimmed while the topic holds more bytes than this; 0: no limit.
  uint64_t max_bytes = 0;
  // Events are kept beyond both limits until all subscriptions of the topic have settled them …
  bool keep_until_acked = false;
  // … but events kept for that reason alone take at most this many bytes, and the oldest are
  // trimmed first; 0: no limit.
  uint64_t keep_until_acked_max_bytes = 0;
  // The topic keeps no events: routes copy them to other topics. Excludes the limits above; the
  // topic cannot be read and cannot have subscriptions.
  bool keep_nothing = false;
  // With `max_bytes`: a full topic refuses events instead of trimming the oldest.
  bool refuse_when_full = false;
  // Events that a later one with the same key supersedes are removed; excludes the limits above.
  // Only at creation; its ages can be changed later.
  std::optional<LatestPerKey> latest_per_key{};
  // The durability of events published with kDefault. kDefault at creation: kSynced.
  Durability default_durability = Durability::kDefault;
  // The maximum size of an encoded event, in bytes; 1 to 16,777,216, and at most the hub's
  // `--max_request` minus 1,024. 0 at creation: 1,048,576, or that limit if it is smaller.
  uint32_t max_event_bytes = 0;
  // For people; at most 1,024 bytes.
  std::string description{};
  // An event with the `source` and `id` of an earlier one is not appended if the earlier one is at
  // most this old; 1 s to 30 days, or 0: no deduplication.
  absl::Duration deduplication_window = absl::ZeroDuration();
  // Events are archived in the hub's lake, if it has one, and none is trimmed before. A topic that
  // keeps nothing is not archived.
  bool archive = true;
  // The data of events with the attribute `datasubject` is sealed, and can be erased; see
  // ErasureClient. For events published from then on. FAILED_PRECONDITION (kNoMasterKey) if the hub
  // has no master key.
  bool erasable = false;
  // Set by the hub.
  absl::Time create_time = absl::InfinitePast();
};

// A change of a topic: fields that are set are changed.
struct TopicUpdate {
  std::optional<uint32_t> partitions{};
  std::optional<absl::Duration> max_age{};  // Infinite: no limit.
  std::optional<uint64_t> max_bytes{};      // 0: no limit.
  std::optional<bool> keep_until_acked{};
  std::optional<uint64_t> keep_until_acked_max_bytes{};  // 0: no limit.
  std::optional<bool> keep_nothing{};
  std::optional<bool> refuse_when_full{};
  std::optional<LatestPerKey> latest_per_key{};  // Only for a topic created with it.
  std::optional<Durability> default_durability{};
  std::optional<uint32_t> max_event_bytes{};
  std::optional<std::string> description{};
  std::optional<absl::Duration> deduplication_window{};  // 0: none.
  std::optional<bool> archive{};
  std::optional<bool> erasable{};
};

// Dependents that are deleted together with a topic. A topic with dependents that are not named
// here is not deleted.
struct TopicDeletion {
  bool delete_subscriptions = false;
  bool delete_routes = false;  // Routes whose source is the topic.
  // Open dead letters in the topic are discarded; events that exist nowhere else are lost.
  bool discard_dead_letters = false;
  // The topic is deleted even if the hub's lake lacks events of it, which are lost. Otherwise they
  // are archived first.
  bool drop_unarchived = false;
};

// The contents of a topic, and its counters since the hub started. Bytes are of encoded events.
struct TopicStats {
  uint64_t events = 0;
  uint64_t bytes = 0;
  uint64_t published_events = 0;
  uint64_t published_bytes = 0;
  uint64_t delivered_events = 0;  // Every delivery counts.
  uint64_t delivered_bytes = 0;
  uint64_t refused_requests = 0;
  uint32_t readers = 0;           // Connected now.
  uint64_t routed_events = 0;     // Copied to it by routes; not counted as published.
  uint64_t duplicate_events = 0;  // Not appended because of `deduplication_window`.
  uint64_t delayed_events = 0;    // Delayed now.
  uint64_t unrouted_events = 0;   // No route took them; only for topics that keep nothing.
  uint64_t held_back_bytes = 0;   // Kept beyond the retention limits, for subscriptions.
  uint64_t removed_events = 0;    // Superseded and removed, ever; only with `latest_per_key`.
};

// How far a topic, or a hub, is archived in the hub's lake.
struct ArchiveStatus {
  bool enabled = false;
  // Events that the lake does not have yet.
  uint64_t lag_events = 0;
  uint64_t lag_bytes = 0;
  // How long the oldest of them has been waiting; unset if there are none.
  std::optional<absl::Duration> lag{};
  uint64_t archived_events = 0;
  uint64_t objects = 0;
  uint64_t missing_events = 0;  // Deleted before the lake had them.
  // Why the last attempt to archive failed, and when; empty and unset if it succeeded.
  std::string last_error{};
  std::optional<absl::Time> last_error_time{};
};

// A topic and its state.
struct TopicDescription {
  Topic topic{};
  TopicStats stats{};
  // Why the topic holds more than its retention allows, in words; empty if it does not.
  std::vector<std::string> findings{};
  // Unset if the hub has no lake.
  std::optional<ArchiveStatus> archive{};
};

// The state of a partition.
struct PartitionInfo {
  uint32_t partition = 0;
  int64_t start_offset = 0;  // Of the first event kept; `end_offset` if none is.
  int64_t end_offset = 0;    // The offset that the next event will get.
  uint64_t bytes = 0;
  std::optional<absl::Time> last_append_time{};  // Unset if no event is kept.
  uint64_t removed_events = 0;                   // As in TopicStats.
  // The lake has the events before this offset, except those it will never have. Unset if the
  // topic is not archived.
  std::optional<int64_t> archived_offset{};
  // The first event that the lake has: readers may begin there, even if `start_offset` is greater.
  // Unset if it has none.
  std::optional<int64_t> history_start_offset{};
};

// An address that a hub listens on.
struct Listener {
  std::string address{};
  bool tls = false;
  bool client_certificates = false;  // Clients must present a certificate.
  bool unprotected = false;          // Any client on the network may do anything.
};

// A part of the hub's memory with its own limit; MemoryShare in admin.proto lists the names.
struct MemoryShare {
  std::string name{};
  uint64_t used_bytes = 0;
  uint64_t limit_bytes = 0;
};

// The hub's use of memory.
struct MemoryStats {
  uint64_t limit_bytes = 0;  // 0: no limit.
  uint64_t process_bytes = 0;
  std::vector<MemoryShare> shares{};
  // Where memory is short, and what takes it; empty if it suffices.
  std::vector<std::string> findings{};
};

// Connections of clients. `open` is the current number; the others count since the hub started.
struct ConnectionStats {
  uint32_t open = 0;
  uint64_t accepted = 0;
  uint64_t refused = 0;  // Because of a limit.
  uint64_t shed = 0;     // Closed because memory was short.
};

// The lake of a hub.
struct LakeStats {
  std::string location{};
  uint32_t topics = 0;     // Archived ones.
  ArchiveStatus totals{};  // `lag` is the longest.
  // What needs attention; empty if archiving keeps up.
  std::vector<std::string> findings{};
};

// The state and the counters of a hub; see GetStatsResponse in eventhub/v1/admin.proto.
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
  // Why the hub doubts its system's clock, and trims nothing by age; empty if it does not.
  std::string clock_doubt{};
  MemoryStats memory{};
  ConnectionStats connections{};
  std::optional<LakeStats> lake{};  // Unset if the hub has none.
};

// The health of a service, as in grpc.health.v1.
enum class Health {
  kUnknown = 0,
  kServing = 1,
  kNotServing = 2,
};

// A page of a list. `next_page_token` is empty on the last page.
template <typename T>
struct Page {
  std::vector<T> items{};
  std::string next_page_token{};
};

}  // namespace eventhub::client
