#include "storage/key_codec.h"

#include <endian.h>

#include <cstring>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"

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

uint32_t LoadBig32(const char* from) { return be32toh(LoadRaw<uint32_t>(from)); }
uint64_t LoadBig64(const char* from) { return be64toh(LoadRaw<uint64_t>(from)); }

void AppendOffset(std::string* to, Offset offset) {
  AppendRaw(to, htobe64(static_cast<uint64_t>(offset.value())));
}

std::string KindPrefix(SubscriptionId subscription, CursorsKind kind) {
  std::string key = SubscriptionPrefix(subscription);
  key.push_back(static_cast<char>(kind));
  return key;
}

// Reads fields from the front of a key. Fails once too few bytes are left.
class KeyReader {
 public:
  explicit KeyReader(absl::string_view rest) : rest_(rest) {}

  uint8_t Byte() { return Has(1) ? static_cast<uint8_t>(*Take(1)) : 0; }
  uint32_t Big32() { return Has(4) ? LoadBig32(Take(4)) : 0; }
  uint64_t Big64() { return Has(8) ? LoadBig64(Take(8)) : 0; }
  Offset TakeOffset() {
    const auto value = static_cast<int64_t>(Big64());
    ok_ &= value >= 0;
    return Offset(value);
  }
  absl::string_view Name() {
    ok_ &= !rest_.empty();
    const absl::string_view name = rest_;
    rest_ = {};
    return name;
  }

  // Returns whether every field was present and nothing is left.
  bool ok() const { return ok_ && rest_.empty(); }

 private:
  bool Has(size_t bytes) { return ok_ &= rest_.size() >= bytes; }
  const char* Take(size_t bytes) {
    const char* const taken = rest_.data();
    rest_.remove_prefix(bytes);
    return taken;
  }

  absl::string_view rest_;
  bool ok_ = true;
};

}  // namespace

const absl::string_view kTopicKeyPrefix = "t";
const absl::string_view kNextTopicIdKey = "n";
const absl::string_view kSubscriptionKeyPrefix = "u";
const absl::string_view kNextSubscriptionIdKey = "v";
const absl::string_view kAgeMarksPrefix = "a";
constexpr absl::string_view kArchiveKeyPrefix = "o";
constexpr absl::string_view kArchivePositionKeyPrefix = "p";
const absl::string_view kRouteKeyPrefix = "r";
const absl::string_view kGenerationKey = "g";
const absl::string_view kFaultKeyPrefix = "f";
const absl::string_view kHubIdKey = "h";
const absl::string_view kNotedTimeKey = "w";
const absl::string_view kLinkKeyPrefix = "l";
const absl::string_view kLinkPositionKeyPrefix = "k";
const absl::string_view kDataKeyPrefix = "x";
const absl::string_view kErasedSubjectPrefix = "y";
const absl::string_view kMasterKeyPrefix = "z";
const absl::string_view kKeyTimeKey = "e";
const absl::string_view kChangedKeysPrefix = "j";

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
  return Offset(static_cast<int64_t>(LoadBig64(key.data() + 8)));
}

std::string DataKeyKey(absl::string_view subject_hash, absl::string_view id) {
  return absl::StrCat(kDataKeyPrefix, subject_hash, id);
}

std::string DataKeyPrefix(absl::string_view subject_hash) {
  return absl::StrCat(kDataKeyPrefix, subject_hash);
}

std::string ErasedSubjectKey(absl::string_view subject_hash) {
  return absl::StrCat(kErasedSubjectPrefix, subject_hash);
}

std::string MasterKeyKey(absl::string_view id) { return absl::StrCat(kMasterKeyPrefix, id); }

std::string ChangedKeysKey(uint16_t part) {
  std::string key(kChangedKeysPrefix);
  AppendBig16(&key, part);
  return key;
}

std::optional<uint16_t> ParseChangedKeysKey(absl::string_view key) {
  if (key.size() != kChangedKeysPrefix.size() + sizeof(uint16_t) ||
      !absl::StartsWith(key, kChangedKeysPrefix)) {
    return std::nullopt;
  }
  return be16toh(LoadRaw<uint16_t>(key.data() + kChangedKeysPrefix.size()));
}

std::string TopicKey(TopicId topic) {
  std::string key(kTopicKeyPrefix);
  AppendBig32(&key, topic.value());
  return key;
}

TopicId TopicIdOf(absl::string_view topic_key) {
  return TopicId(LoadBig32(topic_key.data() + kTopicKeyPrefix.size()));
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

std::string RunPrefix(TopicId topic) {
  std::string key = "i";
  AppendBig32(&key, topic.value());
  return key;
}

std::string RunPrefix(TopicId topic, PartitionId partition) {
  std::string key = RunPrefix(topic);
  AppendBig32(&key, partition.value());
  return key;
}

std::string RunKey(TopicId topic, PartitionId partition, Offset first) {
  std::string key = RunPrefix(topic, partition);
  AppendOffset(&key, first);
  return key;
}

Offset OffsetOfRunKey(absl::string_view key) {
  return Offset(static_cast<int64_t>(LoadBig64(key.data() + key.size() - sizeof(uint64_t))));
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

std::string SubscriptionKey(SubscriptionId id) {
  std::string key(kSubscriptionKeyPrefix);
  AppendBig32(&key, id.value());
  return key;
}

SubscriptionId SubscriptionIdOf(absl::string_view subscription_key) {
  return SubscriptionId(LoadBig32(subscription_key.data() + kSubscriptionKeyPrefix.size()));
}

std::string LinkKey(LinkId id) {
  std::string key(kLinkKeyPrefix);
  AppendBig32(&key, id.value());
  return key;
}

std::optional<LinkId> ParseLinkKey(absl::string_view key) {
  KeyReader reader(key.substr(kLinkKeyPrefix.size()));
  const LinkId id(reader.Big32());
  if (!reader.ok()) return std::nullopt;
  return id;
}

std::string LinkPositionKey(LinkId id, PartitionId partition) {
  std::string key(kLinkPositionKeyPrefix);
  AppendBig32(&key, id.value());
  AppendBig32(&key, partition.value());
  return key;
}

std::optional<std::pair<LinkId, PartitionId>> ParseLinkPositionKey(absl::string_view key) {
  KeyReader reader(key.substr(kLinkPositionKeyPrefix.size()));
  const LinkId id(reader.Big32());
  const PartitionId partition(reader.Big32());
  if (!reader.ok()) return std::nullopt;
  return std::make_pair(id, partition);
}

std::string AgeMarksPrefix(TopicId topic) {
  std::string key(kAgeMarksPrefix);
  AppendBig32(&key, topic.value());
  return key;
}

std::string AgeMarksKey(TopicId topic, PartitionId partition) {
  std::string key = AgeMarksPrefix(topic);
  AppendBig32(&key, partition.value());
  return key;
}

std::optional<std::pair<TopicId, PartitionId>> ParseAgeMarksKey(absl::string_view key) {
  KeyReader reader(key.substr(kAgeMarksPrefix.size()));
  const TopicId topic(reader.Big32());
  const PartitionId partition(reader.Big32());
  if (!reader.ok()) return std::nullopt;
  return std::make_pair(topic, partition);
}

std::string CompactionPrefix(TopicId topic) {
  std::string key = "c";
  AppendBig32(&key, topic.value());
  return key;
}

std::string CompactionKey(TopicId topic, PartitionId partition) {
  std::string key = CompactionPrefix(topic);
  AppendBig32(&key, partition.value());
  return key;
}

std::string ArchiveKey(TopicId topic) {
  std::string key(kArchiveKeyPrefix);
  AppendBig32(&key, topic.value());
  return key;
}

std::string ArchivePositionPrefix(TopicId topic) {
  std::string key(kArchivePositionKeyPrefix);
  AppendBig32(&key, topic.value());
  return key;
}

std::string ArchivePositionKey(TopicId topic, PartitionId partition) {
  std::string key = ArchivePositionPrefix(topic);
  AppendBig32(&key, partition.value());
  return key;
}

std::optional<std::pair<TopicId, PartitionId>> ParseArchivePositionKey(absl::string_view key) {
  KeyReader reader(key.substr(kArchivePositionKeyPrefix.size()));
  const TopicId topic(reader.Big32());
  const PartitionId partition(reader.Big32());
  if (!reader.ok()) return std::nullopt;
  return std::make_pair(topic, partition);
}

std::string LatestKey(TopicId topic, PartitionId partition, absl::string_view hash) {
  std::string key = TopicPrefix(topic);
  AppendBig32(&key, partition.value());
  key.append(hash.data(), hash.size());
  return key;
}

std::string RouteKey(absl::string_view name) { return absl::StrCat(kRouteKeyPrefix, name); }

std::string FaultPrefix(SubscriptionId subscription) {
  std::string key(kFaultKeyPrefix);
  AppendBig32(&key, subscription.value());
  return key;
}

std::string FaultKey(SubscriptionId subscription, absl::string_view id) {
  return absl::StrCat(FaultPrefix(subscription), id);
}

std::optional<std::pair<SubscriptionId, absl::string_view>> ParseFaultKey(absl::string_view key) {
  const size_t prefix = kFaultKeyPrefix.size() + sizeof(uint32_t);
  if (key.size() != prefix + kFaultIdBytes || !absl::StartsWith(key, kFaultKeyPrefix)) {
    return std::nullopt;
  }
  return std::pair(SubscriptionId(LoadBig32(key.data() + kFaultKeyPrefix.size())),
                   key.substr(prefix));
}

std::string SubscriptionPrefix(SubscriptionId subscription) {
  std::string key;
  AppendBig32(&key, subscription.value());
  return key;
}

std::string CursorKey(SubscriptionId subscription, PartitionId partition) {
  std::string key = KindPrefix(subscription, CursorsKind::kCursor);
  AppendBig32(&key, partition.value());
  return key;
}

std::string PendingPrefix(SubscriptionId subscription, PartitionId partition) {
  std::string key = KindPrefix(subscription, CursorsKind::kPending);
  AppendBig32(&key, partition.value());
  return key;
}

std::string PendingKey(SubscriptionId subscription, PartitionId partition, Offset start) {
  std::string key = PendingPrefix(subscription, partition);
  AppendOffset(&key, start);
  return key;
}

std::string SnapshotPrefix(SubscriptionId subscription) {
  return KindPrefix(subscription, CursorsKind::kSnapshot);
}

std::string SnapshotKey(SubscriptionId subscription, absl::string_view name) {
  std::string key = SnapshotPrefix(subscription);
  key.append(name.data(), name.size());
  return key;
}

std::string DeadLetterPrefix(SubscriptionId subscription) {
  return KindPrefix(subscription, CursorsKind::kDeadLetter);
}

std::string DeadLetterPrefix(SubscriptionId subscription, TopicId dead_letter_topic) {
  std::string prefix = DeadLetterPrefix(subscription);
  AppendBig32(&prefix, dead_letter_topic.value());
  return prefix;
}

std::string DeadLetterKey(SubscriptionId subscription, TopicId dead_letter_topic,
                          PartitionId partition, Offset offset) {
  std::string key = DeadLetterPrefix(subscription, dead_letter_topic);
  AppendBig32(&key, partition.value());
  AppendOffset(&key, offset);
  return key;
}

std::optional<CursorsKey> ParseCursorsKey(absl::string_view key) {
  KeyReader reader(key);
  CursorsKey parsed;
  parsed.subscription = SubscriptionId(reader.Big32());
  parsed.kind = static_cast<CursorsKind>(reader.Byte());
  switch (parsed.kind) {
    case CursorsKind::kCursor:
      parsed.partition = PartitionId(reader.Big32());
      break;
    case CursorsKind::kPending:
      parsed.partition = PartitionId(reader.Big32());
      parsed.offset = reader.TakeOffset();
      break;
    case CursorsKind::kSnapshot:
      parsed.name = reader.Name();
      break;
    case CursorsKind::kDeadLetter:
      parsed.topic = TopicId(reader.Big32());
      parsed.partition = PartitionId(reader.Big32());
      parsed.offset = reader.TakeOffset();
      break;
    default:
      return std::nullopt;
  }
  if (!reader.ok()) return std::nullopt;
  return parsed;
}

std::string TransactionPrefix() { return TopicPrefix(TopicId(0)); }

std::string TransactionKey(absl::string_view id) { return absl::StrCat(TransactionPrefix(), id); }

std::string DelayedKey::Encode() const {
  std::string key = TopicPrefix(topic);
  AppendRaw(&key, htobe64(static_cast<uint64_t>(due_micros)));
  AppendRaw(&key, htobe64(sequence));
  return key;
}

std::optional<DelayedKey> ParseDelayedKey(absl::string_view key) {
  KeyReader reader(key);
  DelayedKey parsed;
  parsed.topic = TopicId(reader.Big32());
  parsed.due_micros = reader.TakeOffset().value();  // Not negative, like an offset.
  parsed.sequence = reader.Big64();
  if (!reader.ok()) return std::nullopt;
  return parsed;
}

TopicId TopicIdOfPrefix(absl::string_view key) { return TopicId(LoadBig32(key.data())); }

std::string PrefixEnd(absl::string_view prefix) {
  std::string end(prefix);
  while (!end.empty() && end.back() == '\xff') end.pop_back();
  if (!end.empty()) ++end.back();
  return end;
}

}  // namespace eventhub
