#include "server/core/topic/latest_table.h"

#include <xxhash.h>

#include <cstring>

#include "absl/strings/str_cat.h"
#include "eventhub/v1/event.pb.h"
#include "proto/wire/field_reader.h"
#include "server/core/event/event_slice.h"
#include "storage/base/status_macros.h"
#include "storage/key_codec.h"

namespace eventhub {
namespace {

constexpr uint32_t kLatestVersion = 1;
constexpr size_t kLatestBytes = 12;

std::string EncodeLatest(Offset offset) {
  std::string value;
  AppendLittle32(&value, kLatestVersion);
  AppendLittle64(&value, static_cast<uint64_t>(offset.value()));
  return value;
}

absl::StatusOr<Offset> DecodeLatest(absl::string_view value) {
  if (value.size() == kLatestBytes && LoadLittle32(value.data()) == kLatestVersion) {
    const auto offset = static_cast<int64_t>(LoadLittle64(value.data() + 4));
    if (offset >= 0) return Offset(offset);
  }
  return absl::DataLossError(absl::StrCat("the record of a key's latest event, of ", value.size(),
                                          " bytes, does not have version ", kLatestVersion));
}

std::string StoreKey(TopicId topic, PartitionId partition, const KeyHash& hash) {
  return LatestKey(topic, partition, absl::string_view(hash.data(), hash.size()));
}

}  // namespace

KeyHash HashOfLatestKey(absl::string_view key) {
  XXH128_canonical_t canonical;
  XXH128_canonicalFromHash(&canonical, XXH3_128bits(key.data(), key.size()));
  KeyHash hash;
  std::memcpy(hash.data(), canonical.digest, hash.size());
  return hash;
}

KeyedEvent KeyedEvent::Of(absl::string_view event) {
  KeyedEvent keyed;
  keyed.delete_marker = true;
  wire::FieldReader field(event);
  while (field.Next()) {
    if (field.Is(v1::Event::kPartitionKeyFieldNumber)) keyed.key = field.bytes();
    if (field.Is(v1::Event::kDataFieldNumber)) keyed.delete_marker = field.bytes().empty();
  }
  keyed.delete_marker = keyed.delete_marker && !keyed.key.empty();
  return keyed;
}

absl::Status LatestTable::LookUp(const LogStore& store, TopicId topic, PartitionId partition,
                                 const std::vector<KeyHash>& keys,
                                 std::vector<std::optional<Offset>>* latest) {
  std::vector<std::string> store_keys;
  store_keys.reserve(keys.size());
  for (const KeyHash& key : keys) store_keys.push_back(StoreKey(topic, partition, key));
  latest->assign(keys.size(), std::nullopt);
  absl::Status damage;
  RETURN_IF_ERROR(store.GetAll(Column::kLatest, store_keys,
                               [&](size_t i, std::optional<absl::string_view> value) {
                                 if (!value.has_value()) return;
                                 const absl::StatusOr<Offset> offset = DecodeLatest(*value);
                                 if (offset.ok()) {
                                   (*latest)[i] = *offset;
                                 } else {
                                   damage = offset.status();
                                 }
                               }));
  return damage;
}

void LatestTable::NoteAppended(PartitionId partition, Offset base, const SharedBytes& events,
                               CommitBuilder& commit) {
  EventWalker walker(events);
  SlicedEvent event;
  for (Offset at = base; walker.Next(&event); at = at + 1) {
    const absl::string_view key = KeyedEvent::Of(event.message).key;
    if (!key.empty()) ChangeOf({partition, HashOfLatestKey(key)}, commit) = at;
  }
}

absl::Status LatestTable::Remove(PartitionId partition,
                                 const std::vector<std::pair<KeyHash, Offset>>& events,
                                 CommitBuilder& commit) {
  std::vector<KeyHash> keys;
  keys.reserve(events.size());
  for (const auto& [key, offset] : events) keys.push_back(key);
  std::vector<std::optional<Offset>> latest;
  RETURN_IF_ERROR(LookUp(store_, topic_, partition, keys, &latest));
  for (size_t i = 0; i < events.size(); ++i) {
    const Key key{partition, keys[i]};
    if (latest[i] == events[i].second && !changes_.contains(key)) {
      ChangeOf(key, commit) = std::nullopt;
    }
  }
  return absl::OkStatus();
}

std::optional<Offset>& LatestTable::ChangeOf(const Key& key, CommitBuilder& commit) {
  if (changes_.empty()) commit.AddHook(shared_from_this());
  return changes_[key];
}

void LatestTable::BeforeWrite(CommitBuilder& commit) {
  for (const auto& [key, latest] : changes_) {
    const std::string store_key = StoreKey(topic_, key.first, key.second);
    if (latest.has_value()) {
      commit.Put(Column::kLatest, store_key, EncodeLatest(*latest));
    } else {
      commit.Delete(Column::kLatest, store_key);
    }
  }
  changes_.clear();
}

}  // namespace eventhub
