#include "storage/key_codec.h"

#include <endian.h>

#include <cstring>

namespace eventhub {
namespace {

template <typename T>
void AppendRaw(std::string* to, T value) {
  to->append(reinterpret_cast<const char*>(&value), sizeof(value));
}

template <typename T>
T LoadRaw(const char* from) {
  T value;
  std::memcpy(&value, from, sizeof(value));
  return value;
}

}  // namespace

const absl::string_view kTopicKeyPrefix = "t";
const absl::string_view kNextTopicIdKey = "n";

void AppendBig16(std::string* to, uint16_t value) { AppendRaw(to, htobe16(value)); }
void AppendBig32(std::string* to, uint32_t value) { AppendRaw(to, htobe32(value)); }
void AppendLittle32(std::string* to, uint32_t value) { AppendRaw(to, htole32(value)); }
void AppendLittle64(std::string* to, uint64_t value) { AppendRaw(to, htole64(value)); }
uint32_t LoadLittle32(const char* from) { return le32toh(LoadRaw<uint32_t>(from)); }
uint64_t LoadLittle64(const char* from) { return le64toh(LoadRaw<uint64_t>(from)); }

BatchKey::BatchKey(TopicId topic, PartitionId partition, Offset base) {
  const uint32_t t = htobe32(topic.value());
  const uint32_t p = htobe32(partition.value());
  const uint64_t o = htobe64(static_cast<uint64_t>(base.value()));
  std::memcpy(bytes_, &t, sizeof(t));
  std::memcpy(bytes_ + 4, &p, sizeof(p));
  std::memcpy(bytes_ + 8, &o, sizeof(o));
}

Offset BatchKey::BaseOf(absl::string_view key) {
  return Offset(static_cast<int64_t>(be64toh(LoadRaw<uint64_t>(key.data() + 8))));
}

std::string TopicKey(TopicId topic) {
  std::string key(kTopicKeyPrefix);
  AppendBig32(&key, topic.value());
  return key;
}

TopicId TopicIdOf(absl::string_view topic_key) {
  return TopicId(be32toh(LoadRaw<uint32_t>(topic_key.data() + kTopicKeyPrefix.size())));
}

std::string LogStartPrefix(TopicId topic) {
  std::string key = "s";
  AppendBig32(&key, topic.value());
  return key;
}

std::string LogStartKey(TopicId topic, PartitionId partition) {
  std::string key = LogStartPrefix(topic);
  AppendBig32(&key, partition.value());
  return key;
}

std::string TopicPrefix(TopicId topic) {
  std::string key;
  AppendBig32(&key, topic.value());
  return key;
}

std::string ProducerPrefix(TopicId topic, absl::string_view producer) {
  std::string key = TopicPrefix(topic);
  AppendBig16(&key, static_cast<uint16_t>(producer.size()));
  key.append(producer.data(), producer.size());
  return key;
}

absl::string_view ProducerNameOf(absl::string_view key) {
  key.remove_prefix(6);
  key.remove_suffix(1);
  return key;
}

std::string PrefixEnd(absl::string_view prefix) {
  std::string end(prefix);
  while (!end.empty() && end.back() == '\xff') end.pop_back();
  if (!end.empty()) ++end.back();
  return end;
}

}  // namespace eventhub
