// The keys of the store: fixed-width and big-endian, so that byte order is offset order. See
// FORMAT.md for the layouts.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <utility>

#include "absl/strings/string_view.h"
#include "storage/base/types.h"

namespace eventhub {

// The key of a batch, in the columns `events` and `index`: topic | partition | base offset.
class BatchKey {
 public:
  static constexpr size_t kSize = 16;

  BatchKey(TopicId topic, PartitionId partition, Offset base);

  absl::string_view view() const { return {bytes_, kSize}; }

  // Returns the base offset of an encoded key; `key` must be kSize bytes long.
  static Offset BaseOf(absl::string_view key);

 private:
  char bytes_[kSize];
};

// The prefix of all keys of a topic in `events`, `index`, `producers`, `delayed`, `identities`
// and `latest`.
std::string TopicPrefix(TopicId topic);

// In column `meta`.
std::string TopicKey(TopicId topic);
std::string LogStartKey(TopicId topic, PartitionId partition);
std::string LogStartPrefix(TopicId topic);
extern const absl::string_view kTopicKeyPrefix;
extern const absl::string_view kNextTopicIdKey;
// Returns the topic of a key made by TopicKey.
TopicId TopicIdOf(absl::string_view topic_key);

// In column `meta`, for runs (run_history.h): topic | partition | offset of the run's first event.
std::string RunKey(TopicId topic, PartitionId partition, Offset first);
std::string RunPrefix(TopicId topic, PartitionId partition);
std::string RunPrefix(TopicId topic);
Offset OffsetOfRunKey(absl::string_view key);

// In column `meta`, for the age marks of a partition (server/core/maintenance/age_marks.h).
std::string AgeMarksKey(TopicId topic, PartitionId partition);
std::string AgeMarksPrefix(TopicId topic);
extern const absl::string_view kAgeMarksPrefix;
// Returns nullopt if `key` was not made by AgeMarksKey.
std::optional<std::pair<TopicId, PartitionId>> ParseAgeMarksKey(absl::string_view key);

// In column `meta`, for the progress of compaction (server/core/topic/compaction_state.h).
std::string CompactionKey(TopicId topic, PartitionId partition);
std::string CompactionPrefix(TopicId topic);

// In column `meta`, for what the lake has of a topic, and of a partition of it
// (server/core/archive/archive_records.h).
std::string ArchiveKey(TopicId topic);
std::string ArchivePositionKey(TopicId topic, PartitionId partition);
std::string ArchivePositionPrefix(TopicId topic);
// Returns nullopt if `key` was not made by ArchivePositionKey.
std::optional<std::pair<TopicId, PartitionId>> ParseArchivePositionKey(absl::string_view key);

// In column `latest`: topic | partition | hash of a key.
std::string LatestKey(TopicId topic, PartitionId partition, absl::string_view hash);

// In column `producers`: topic | length of the name | name | slot. The prefix covers all slots of
// one producer.
std::string ProducerPrefix(TopicId topic, absl::string_view producer);
// Returns the name in a producer key.
absl::string_view ProducerNameOf(absl::string_view key);

// In column `meta`, for subscriptions.
std::string SubscriptionKey(SubscriptionId id);
extern const absl::string_view kSubscriptionKeyPrefix;
extern const absl::string_view kNextSubscriptionIdKey;
// Returns the subscription of a key made by SubscriptionKey.
SubscriptionId SubscriptionIdOf(absl::string_view subscription_key);

// In column `meta`: routes, by name.
std::string RouteKey(absl::string_view name);
extern const absl::string_view kRouteKeyPrefix;

// In column `meta`: how many times the store was opened for serving.
extern const absl::string_view kGenerationKey;

// In column `meta`: the time that the hub noted last.
extern const absl::string_view kNotedTimeKey;

// In column `meta`: the store's id, which distinguishes it from those of all other hubs.
extern const absl::string_view kHubIdKey;

// In column `meta`, for links: a link, and its position in a partition of the remote topic.
std::string LinkKey(LinkId id);
std::string LinkPositionKey(LinkId id, PartitionId partition);
extern const absl::string_view kLinkKeyPrefix;
extern const absl::string_view kLinkPositionKeyPrefix;
// Return nullopt if `key` was not made by the functions above.
std::optional<LinkId> ParseLinkKey(absl::string_view key);
std::optional<std::pair<LinkId, PartitionId>> ParseLinkPositionKey(absl::string_view key);

// In column `meta`: a fault of a subscription, under its id of kFaultIdBytes.
inline constexpr size_t kFaultIdBytes = 16;
std::string FaultKey(SubscriptionId subscription, absl::string_view id);
std::string FaultPrefix(SubscriptionId subscription);
extern const absl::string_view kFaultKeyPrefix;
// Returns nullopt if `key` was not made by FaultKey. The id points into `key`.
std::optional<std::pair<SubscriptionId, absl::string_view>> ParseFaultKey(absl::string_view key);

// In column `meta`, for erasure (server/core/erasure): a data key, under the hash of its subject,
// of kSubjectHashBytes, and its random id; an erased subject, under its hash; a master key with
// which data keys are wrapped, under its id.
inline constexpr size_t kSubjectHashBytes = 16;
inline constexpr size_t kDataKeyIdBytes = 16;
std::string DataKeyKey(absl::string_view subject_hash, absl::string_view id);
std::string DataKeyPrefix(absl::string_view subject_hash);
std::string ErasedSubjectKey(absl::string_view subject_hash);
std::string MasterKeyKey(absl::string_view id);
extern const absl::string_view kDataKeyPrefix;
extern const absl::string_view kErasedSubjectPrefix;
extern const absl::string_view kMasterKeyPrefix;
// The time of the last data key or erasure.
extern const absl::string_view kKeyTimeKey;
// A part of the keys that the lake does not have as it is.
std::string ChangedKeysKey(uint16_t part);
extern const absl::string_view kChangedKeysPrefix;
// Returns nullopt if `key` was not made by ChangedKeysKey.
std::optional<uint16_t> ParseChangedKeysKey(absl::string_view key);

// In column `cursors`: subscription | kind | fields of the kind. The numbers are part of the
// format.
enum class CursorsKind : uint8_t {
  kCursor = 1,      // partition
  kPending = 2,     // partition | first offset of the range
  kSnapshot = 3,    // name, at least one byte
  kDeadLetter = 4,  // dead-letter topic | partition | offset
};

// The prefix of all keys of a subscription in `cursors`.
std::string SubscriptionPrefix(SubscriptionId subscription);
std::string CursorKey(SubscriptionId subscription, PartitionId partition);
std::string PendingKey(SubscriptionId subscription, PartitionId partition, Offset start);
// The prefix of all pending ranges of one partition, which sort by offset.
std::string PendingPrefix(SubscriptionId subscription, PartitionId partition);
std::string SnapshotKey(SubscriptionId subscription, absl::string_view name);
std::string SnapshotPrefix(SubscriptionId subscription);
std::string DeadLetterKey(SubscriptionId subscription, TopicId dead_letter_topic,
                          PartitionId partition, Offset offset);
std::string DeadLetterPrefix(SubscriptionId subscription);
std::string DeadLetterPrefix(SubscriptionId subscription, TopicId dead_letter_topic);

// A decoded key of `cursors`. Fields that the kind does not have are zero or empty.
struct CursorsKey {
  SubscriptionId subscription;
  CursorsKind kind = CursorsKind::kCursor;
  TopicId topic;           // kDeadLetter: the dead-letter topic.
  PartitionId partition;   // Of `topic`, or of the subscription's topic.
  Offset offset;           // kPending, kDeadLetter.
  absl::string_view name;  // kSnapshot; points into the parsed key.
};

// Returns nullopt if `key` was not made by one of the functions above.
std::optional<CursorsKey> ParseCursorsKey(absl::string_view key);

// In column `producers`: transactions, under a topic id that no topic has.
std::string TransactionKey(absl::string_view id);
std::string TransactionPrefix();

// In column `delayed`: topic | due time, microseconds since the Unix epoch | sequence. A key of the
// topic alone (TopicPrefix) precedes them and holds the number of delayed events.
struct DelayedKey {
  TopicId topic;
  int64_t due_micros = 0;  // Not negative.
  uint64_t sequence = 0;

  std::string Encode() const;
};

// Returns nullopt if `key` is not the key of a delayed event.
std::optional<DelayedKey> ParseDelayedKey(absl::string_view key);

// Returns the topic of a key in `delayed`, which must be at least as long as a topic prefix.
TopicId TopicIdOfPrefix(absl::string_view key);

// Returns the smallest key that is greater than every key with this prefix; empty if there is none.
std::string PrefixEnd(absl::string_view prefix);

// Fixed-width integers: big-endian in keys, little-endian in values.
void AppendBig16(std::string* to, uint16_t value);
void AppendBig32(std::string* to, uint32_t value);
void AppendLittle32(std::string* to, uint32_t value);
void AppendLittle64(std::string* to, uint64_t value);
uint32_t LoadLittle32(const char* from);
uint64_t LoadLittle64(const char* from);

}  // namespace eventhub
