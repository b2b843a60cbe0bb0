#include "server/core/publish/identities.h"

#include <xxhash.h>

#include <algorithm>
#include <cstring>
#include <utility>

#include "absl/strings/str_cat.h"
#include "eventhub/v1/event.pb.h"
#include "proto/wire/field_reader.h"
#include "server/core/event/event_slice.h"
#include "server/core/publish/publish_request.h"
#include "storage/base/status_macros.h"
#include "storage/key_codec.h"

namespace eventhub {
namespace {

constexpr uint32_t kIdentityVersion = 1;
constexpr size_t kIdentityBytes = 32;
constexpr uint32_t kPlaceless = UINT32_MAX;

// Leaves out the events of the runs whose position is in `dropped`, ascending.
void CutOut(const std::vector<uint32_t>& dropped, CheckedPublish* publish) {
  auto next = dropped.begin();
  uint32_t position = 0;
  std::vector<PartitionAppend> kept_runs;
  for (PartitionAppend& run : publish->appends) {
    const uint32_t end = position + run.count;
    if (next == dropped.end() || *next >= end) {
      kept_runs.push_back(std::move(run));
      position = end;
      continue;
    }
    std::string kept;
    kept.reserve(run.events.size());
    uint32_t count = 0;
    EventWalker walker(run.events);
    for (SlicedEvent event; position < end && walker.Next(&event); ++position) {
      if (next != dropped.end() && *next == position) {
        ++next;
      } else {
        kept.append(event.field.data(), event.field.size());
        ++count;
      }
    }
    publish->count -= run.count - count;
    publish->bytes -= run.events.size() - kept.size();
    if (count > 0) kept_runs.push_back({run.log, SharedBytes::Copy(kept), count});
  }
  publish->appends = std::move(kept_runs);
}

void SetPlace(const std::optional<IdentityPlace>& place, v1::DuplicateEvent* duplicate) {
  if (!place.has_value()) return;
  duplicate->set_partition(place->partition.value());
  duplicate->set_offset(place->offset.value());
}

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
                                            " bytes, is not of version ", kIdentityVersion));
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

void FindIdentities(const std::vector<uint32_t>& order, CheckedPublish* publish) {
  auto identities = std::make_unique<RequestIdentities>();
  uint32_t position = 0;
  for (const PartitionAppend& run : publish->appends) {
    EventWalker walker(run.events);
    for (SlicedEvent event; walker.Next(&event); ++position) {
      identities->events.push_back({order[position], IdentityOf(event.message), position});
    }
  }
  for (const DelayedEvent& delayed : publish->delayed) {
    identities->events.push_back({delayed.index, delayed.identity, std::nullopt});
  }
  std::sort(identities->events.begin(), identities->events.end(),
            [](const auto& a, const auto& b) { return a.index < b.index; });
  publish->identities = std::move(identities);
}

std::string IdentityTable::KeyOf(const IdentityHash& hash) const {
  return absl::StrCat(TopicPrefix(topic_), absl::string_view(hash.data(), hash.size()));
}

absl::Status IdentityTable::LookUp(absl::Duration window, absl::Time now,
                                   RequestIdentities* identities) const {
  std::vector<std::string> keys;
  keys.reserve(identities->events.size());
  for (const RequestIdentities::Event& event : identities->events) {
    keys.push_back(KeyOf(event.hash));
  }
  identities->known.assign(keys.size(), std::nullopt);
  absl::Status damage;
  RETURN_IF_ERROR(store_.GetAll(
      Column::kIdentities, keys, [&](size_t i, std::optional<absl::string_view> value) {
        if (!value.has_value()) return;
        const absl::StatusOr<IdentityRecord> record = IdentityRecord::Decode(*value);
        if (!record.ok()) {
          damage = record.status();
        } else if (absl::FromUnixMicros(record->micros) + window > now) {
          identities->known[i] = *record;  // By the window of now, which may have been another.
        }
      }));
  return damage;
}

void IdentityTable::Drop(CheckedPublish* publish) const {
  RequestIdentities& identities = *publish->identities;
  std::vector<std::optional<IdentityRecord>> known = std::move(identities.known);
  for (size_t i = 0; i < known.size(); ++i) {
    const auto it = in_commit_.find(identities.events[i].hash);
    if (it != in_commit_.end()) known[i] = it->second;
  }
  absl::flat_hash_map<IdentityHash, size_t> fresh;  // The place in `left` of each first.
  std::vector<RequestIdentities::Event> left;
  std::vector<uint32_t> dropped;
  std::vector<uint32_t> not_delayed;
  for (size_t i = 0; i < known.size(); ++i) {
    const RequestIdentities::Event& event = identities.events[i];
    if (!known[i].has_value() && fresh.emplace(event.hash, left.size()).second) {
      left.push_back(event);
      continue;
    }
    if (!known[i].has_value()) {
      identities.own_duplicates.emplace_back(publish->result.duplicates_size(),
                                             fresh.at(event.hash));
    }
    v1::DuplicateEvent& duplicate = *publish->result.add_duplicates();
    duplicate.set_event_index(event.index);
    if (known[i].has_value()) SetPlace(known[i]->place, &duplicate);
    if (event.position.has_value()) {
      dropped.push_back(*event.position);
    } else {
      not_delayed.push_back(event.index);
    }
  }
  if (left.size() == identities.events.size()) return;
  std::sort(dropped.begin(), dropped.end());
  CutOut(dropped, publish);
  for (RequestIdentities::Event& event : left) {
    if (!event.position.has_value()) continue;
    *event.position -= static_cast<uint32_t>(
        std::lower_bound(dropped.begin(), dropped.end(), *event.position) - dropped.begin());
  }
  identities.events = std::move(left);
  std::vector<DelayedEvent>& delayed = publish->delayed;
  delayed.erase(std::remove_if(delayed.begin(), delayed.end(),
                               [&](const DelayedEvent& event) {
                                 return std::binary_search(not_delayed.begin(), not_delayed.end(),
                                                           event.index);
                               }),
                delayed.end());
}

void IdentityTable::Record(absl::Duration window, CommitBuilder& commit, CheckedPublish* publish) {
  const RequestIdentities& identities = *publish->identities;
  // The runs are in the order of the placements, each of which is one or more runs.
  std::vector<IdentityPlace> places;
  places.reserve(publish->count);
  for (const v1::Placement& placement : publish->result.placements()) {
    for (uint32_t i = 0; i < placement.count(); ++i) {
      places.push_back(
          {PartitionId(placement.partition()), Offset(placement.base_offset()) + int64_t{i}});
    }
  }
  IdentityRecord record;
  record.micros = absl::ToUnixMicros(commit.now());
  record.expiry_micros = absl::ToUnixMicros(commit.now() + window);
  const auto place_of = [&](const RequestIdentities::Event& event) {
    return event.position.has_value() ? std::optional(places[*event.position]) : std::nullopt;
  };
  for (const RequestIdentities::Event& event : identities.events) {
    record.place = place_of(event);
    commit.Put(Column::kIdentities, KeyOf(event.hash), record.Encode());
    in_commit_[event.hash] = record;
  }
  for (const auto& [duplicate, first] : identities.own_duplicates) {
    SetPlace(place_of(identities.events[first]), publish->result.mutable_duplicates(duplicate));
  }
  commit.AddHook(shared_from_this());
}

void IdentityTable::BeforeWrite(CommitBuilder&) { in_commit_.clear(); }

}  // namespace eventhub
