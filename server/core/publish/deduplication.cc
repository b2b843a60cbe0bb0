#include "server/core/publish/deduplication.h"

#include <algorithm>
#include <memory>
#include <string>

#include "absl/container/flat_hash_map.h"
#include "server/core/event/event_slice.h"
#include "server/core/publish/publish_request.h"

namespace eventhub {
namespace {

// Removes the events at the positions `dropped`, ascending, from the runs.
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

absl::Status LookUpIdentities(const IdentityTable& table, absl::Duration window, absl::Time now,
                              RequestIdentities* identities) {
  const std::vector<RequestIdentities::Event>& events = identities->events;
  return table.LookUp(
      window, now, events.size(),
      [&events](size_t i) -> const IdentityHash& { return events[i].hash; }, &identities->known);
}

void DropDuplicates(const IdentityTable& table, CheckedPublish* publish) {
  RequestIdentities& identities = *publish->identities;
  std::vector<std::optional<IdentityRecord>> known = std::move(identities.known);
  for (size_t i = 0; i < known.size(); ++i) {
    const IdentityRecord* const added = table.FindInCommit(identities.events[i].hash);
    if (added != nullptr) known[i] = *added;
  }
  // The place in `left` of the first event of each identity.
  absl::flat_hash_map<IdentityHash, size_t> fresh;
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

void RecordIdentities(IdentityTable& table, absl::Duration window, CommitBuilder& commit,
                      CheckedPublish* publish) {
  const RequestIdentities& identities = *publish->identities;
  // The runs are in the order of the placements, each of which covers one or more runs.
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
    table.Put(event.hash, record, commit);
  }
  for (const auto& [duplicate, first] : identities.own_duplicates) {
    SetPlace(place_of(identities.events[first]), publish->result.mutable_duplicates(duplicate));
  }
}

}  // namespace eventhub
