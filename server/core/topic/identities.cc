#include "server/core/topic/identities.h"

#include <xxhash.h>

#include <cstring>

#include "absl/strings/str_cat.h"
#include "eventhub/v1/event.pb.h"
#include "proto/wire/field_reader.h"
#include "storage/base/status_macros.h"
#include "storage/key_codec.h"

namespace eventhub {
namespace {

constexpr uint32_t kIdentityVersion = 1;
constexpr size_t kIdentityBytes = 32;
constexpr uint32_t kPlaceless = UINT32_MAX;

}  // namespace

IdentityHash IdentityOf(absl::string_view event) {
  absl::string_view id;
  absl::string_view source;
  wire::FieldReader field(event);
  while (field.Next()) {
    if (field.Is(v1::Event::kIdFieldNumber)) id = field.bytes();
    if (field.Is(v1::Event::kSourceFieldNumber)) source = field.bytes();
  }
  std::string identity;
  AppendLittle32(&identity, static_cast<uint32_t>(source.size()));
  identity.append(source.data(), source.size());
  identity.append(id.data(), id.size());
  XXH128_canonical_t canonical;
  XXH128_canonicalFromHash(&canonical, XXH3_128bits(identity.data(), identity.size()));
  IdentityHash hash;
  std::memcpy(hash.data(), canonical.digest, hash.size());
  return hash;
}

std::string IdentityRecord::Encode() const {
  std::string value;
  AppendLittle32(&value, kIdentityVersion);
  AppendLittle64(&value, static_cast<uint64_t>(micros));
  AppendLittle64(&value, static_cast<uint64_t>(expiry_micros));
  AppendLittle32(&value, place.has_value() ? place->partition.value() : kPlaceless);
  AppendLittle64(&value, static_cast<uint64_t>(place.has_value() ? place->offset.value() : -1));
  return value;
}

absl::StatusOr<IdentityRecord> IdentityRecord::Decode(absl::string_view value) {
  if (value.size() != kIdentityBytes || LoadLittle32(value.data()) != kIdentityVersion) {
    return absl::DataLossError(absl::StrCat("the record of an identity, of ", value.size(),
                                            " bytes, does not have version ", kIdentityVersion));
  }
  IdentityRecord record;
  record.micros = static_cast<int64_t>(LoadLittle64(value.data() + 4));
  record.expiry_micros = static_cast<int64_t>(LoadLittle64(value.data() + 12));
  const uint32_t partition = LoadLittle32(value.data() + 20);
  const auto offset = static_cast<int64_t>(LoadLittle64(value.data() + 24));
  if (offset < -1 || (partition == kPlaceless) != (offset == -1)) {
    return absl::DataLossError("the record of an identity is damaged");
  }
  if (offset >= 0) record.place = IdentityPlace{PartitionId(partition), Offset(offset)};
  return record;
}

std::string IdentityTable::KeyOf(const IdentityHash& hash) const {
  return absl::StrCat(TopicPrefix(topic_), absl::string_view(hash.data(), hash.size()));
}

absl::Status IdentityTable::LookUp(absl::Duration window, absl::Time now, size_t count,
                                   absl::FunctionRef<const IdentityHash&(size_t)> identity,
                                   std::vector<std::optional<IdentityRecord>>* known) const {
  std::vector<std::string> keys;
  keys.reserve(count);
  for (size_t i = 0; i < count; ++i) keys.push_back(KeyOf(identity(i)));
  known->assign(count, std::nullopt);
  absl::Status damage;
  RETURN_IF_ERROR(store_.GetAll(
      Column::kIdentities, keys, [&](size_t i, std::optional<absl::string_view> value) {
        if (!value.has_value()) return;
        const absl::StatusOr<IdentityRecord> record = IdentityRecord::Decode(*value);
        if (!record.ok()) {
          damage = record.status();
        } else if (absl::FromUnixMicros(record->micros) + window > now) {
          (*known)[i] = *record;  // Against the current window, which may have changed since.
        }
      }));
  return damage;
}

const IdentityRecord* IdentityTable::FindInCommit(const IdentityHash& identity) const {
  const auto it = in_commit_.find(identity);
  return it == in_commit_.end() ? nullptr : &it->second;
}

void IdentityTable::Put(const IdentityHash& identity, const IdentityRecord& record,
                        CommitBuilder& commit) {
  commit.Put(Column::kIdentities, KeyOf(identity), record.Encode());
  if (in_commit_.empty()) commit.AddHook(shared_from_this());
  in_commit_[identity] = record;
}

void IdentityTable::BeforeWrite(CommitBuilder&) { in_commit_.clear(); }

}  // namespace eventhub
