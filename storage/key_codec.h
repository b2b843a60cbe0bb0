// The keys of the store: fixed-width, big-endian, so that byte order is offset order. Layouts:
// FORMAT.md.
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

  // The base offset of an encoded key; `key` is kSize bytes long.
  static Offset BaseOf(absl::string_view key);

 private:
  char bytes_[kSize];
};

// What all keys of a topic in `events`, `index`, `producers`, `delayed` and `identities` start
// with.
std::string TopicPrefix(TopicId topic);

// In column `meta`.
std::string TopicKey(TopicId topic);
std::string LogStartKey(TopicId topic, PartitionId partition);
std::string LogStartPrefix(TopicId topic);
extern const absl::string_view kTopicKeyPrefix;
extern const absl::string_view kNextTopicIdKey;
// The topic of a key that TopicKey made.
TopicId TopicIdOf(absl::string_view topic_key);

// In column `meta`, of runs (run_history.h): topic | partition | offset of the run's first event.
std::string RunKey(TopicId topic, PartitionId partition, Offset first);
std::string RunPrefix(TopicId topic, PartitionId partition);
std::string RunPrefix(TopicId topic);
Offset OffsetOfRunKey(absl::string_view key);

// In column `producers`: topic | length of the name | name | slot. The prefix has all slots of one
// producer.
std::string ProducerPrefix(TopicId topic, absl::string_view producer);
// The name in a producer key.
absl::string_view ProducerNameOf(absl::string_view key);

// In column `meta`, of subscriptions.
std::string SubscriptionKey(SubscriptionId id);
extern const absl::string_view kSubscriptionKeyPrefix;
extern const absl::string_view kNextSubscriptionIdKey;
// The subscription of a key that SubscriptionKey made.
SubscriptionId SubscriptionIdOf(absl::string_view subscription_key);

// In column `meta`: routes, by name.
std::string RouteKey(absl::string_view name);
extern const absl::string_view kRouteKeyPrefix;

// In column `meta`: how often the store was opened for serving.
extern const absl::string_view kGenerationKey;

// In column `meta`: the time that the hub noted last.
extern const absl::string_view kNotedTimeKey;

// In column `meta`: what names this store among all hubs.
extern const absl::string_view kHubIdKey;

// In column `meta`, of links: a link, and its position in a partition of the remote topic.
std::string LinkKey(LinkId id);
std::string LinkPositionKey(LinkId id, PartitionId partition);
extern const absl::string_view kLinkKeyPrefix;
extern const absl::string_view kLinkPositionKeyPrefix;
// nullopt for what the functions above do not make.
std::optional<LinkId> ParseLinkKey(absl::string_view key);
std::optional<std::pair<LinkId, PartitionId>> ParseLinkPositionKey(absl::string_view key);

// In column `cursors`: subscription | kind | what the kind needs. The numbers are on the disk.
enum class CursorsKind : uint8_t {
  kCursor = 1,      // partition
  kPending = 2,     // partition | first offset of the range
  kSnapshot = 3,    // name, at least one byte
  kDeadLetter = 4,  // dead-letter topic | partition | offset
};

// What all keys of a subscription in `cursors` start with.
std::string SubscriptionPrefix(SubscriptionId subscription);
std::string CursorKey(SubscriptionId subscription, PartitionId partition);
std::string PendingKey(SubscriptionId subscription, PartitionId partition, Offset start);
// All pending ranges of one partition, in the order of their offsets.
std::string PendingPrefix(SubscriptionId subscription, PartitionId partition);
std::string SnapshotKey(SubscriptionId subscription, absl::string_view name);
std::string SnapshotPrefix(SubscriptionId subscription);
std::string DeadLetterKey(SubscriptionId subscription, TopicId dead_letter_topic,
                          PartitionId partition, Offset offset);
std::string DeadLetterPrefix(SubscriptionId subscription);
std::string DeadLetterPrefix(SubscriptionId subscription, TopicId dead_letter_topic);

// A key of `cursors`, taken apart. What the kind has not is zero or empty.
struct CursorsKey {
  SubscriptionId subscription;
  CursorsKind kind = CursorsKind::kCursor;
  TopicId topic;           // kDeadLetter: the dead-letter topic.
  PartitionId partition;   // Of `topic`, or of the subscription's topic.
  Offset offset;           // kPending, kDeadLetter.
  absl::string_view name;  // kSnapshot; a part of the key that was parsed.
};

// nullopt for what none of the functions above makes.
std::optional<CursorsKey> ParseCursorsKey(absl::string_view key);

// In column `producers`: transactions, under a topic id that no topic has.
std::string TransactionKey(absl::string_view id);
std::string TransactionPrefix();

// In column `delayed`: topic | due time, microseconds since the Unix epoch | sequence. Before them,
// a key of the topic alone (TopicPrefix) has how many there are.
struct DelayedKey {
  TopicId topic;
  int64_t due_micros = 0;  // Not negative.
  uint64_t sequence = 0;

  std::string Encode() const;
};

// nullopt for what is not the key of a delayed event.
std::optional<DelayedKey> ParseDelayedKey(absl::string_view key);

// The topic of a key in `delayed`, which has at least that.
TopicId TopicIdOfPrefix(absl::string_view key);

// The smallest key that is larger than every key with this prefix; empty if there is none.
std::string PrefixEnd(absl::string_view prefix);

// Fixed-width integers: big-endian in keys, little-endian in values.
void AppendBig16(std::string* to, uint16_t value);
void AppendBig32(std::string* to, uint32_t value);
void AppendLittle32(std::string* to, uint32_t value);
void AppendLittle64(std::string* to, uint64_t value);
uint32_t LoadLittle32(const char* from);
uint64_t LoadLittle64(const char* from);

}  // namespace eventhub
