// The keys of the store: fixed-width, big-endian, so that byte order is offset order. Layouts:
// FORMAT.md.
#pragma once

#include <cstdint>
#include <string>

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

// What all keys of a topic in `events`, `index` and `producers` start with.
std::string TopicPrefix(TopicId topic);

// In column `meta`.
std::string TopicKey(TopicId topic);
std::string LogStartKey(TopicId topic, PartitionId partition);
std::string LogStartPrefix(TopicId topic);
extern const absl::string_view kTopicKeyPrefix;
extern const absl::string_view kNextTopicIdKey;
// The topic of a key that TopicKey made.
TopicId TopicIdOf(absl::string_view topic_key);

// In column `producers`: topic | length of the name | name | slot. The prefix has all slots of one
// producer.
std::string ProducerPrefix(TopicId topic, absl::string_view producer);
// The name in a producer key.
absl::string_view ProducerNameOf(absl::string_view key);

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
