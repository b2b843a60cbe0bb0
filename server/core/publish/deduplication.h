// Deduplication: finds the events of a request that its topic already received, and removes them.
#pragma once

#include <cstdint>
#include <optional>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "server/core/topic/identities.h"
#include "storage/commit_builder.h"

namespace eventhub {

struct CheckedPublish;

// The events of a checked request, by identity. Absent if the topic has no window.
struct RequestIdentities {
  struct Event {
    uint32_t index;  // The index in the request.
    IdentityHash hash;
    // The place among the appended events: the n-th of all runs. nullopt: the event is delayed.
    std::optional<uint32_t> position;
  };
  std::vector<Event> events;  // By index.
  // The stored record of each, set by LookUpIdentities.
  std::vector<std::optional<IdentityRecord>> known;
  // Duplicates of events of the same request, whose places are unknown until they are appended: the
  // index of the entry in the result, and that of the first event in `events`.
  std::vector<std::pair<int, size_t>> own_duplicates;
};

// Fills in `publish.identities`. `order` holds the request index of each event in the runs of
// `publish`, in their order.
void FindIdentities(const std::vector<uint32_t>& order, CheckedPublish* publish);

// The functions below run on the commit thread, in this order, within one commit.

// Looks up the identities that the topic has seen within the window. Fails if the store is damaged.
absl::Status LookUpIdentities(const IdentityTable& table, absl::Duration window, absl::Time now,
                              RequestIdentities* identities);

// Removes the events that the topic already received or that occur twice in the request, and
// reports them in the result.
void DropDuplicates(const IdentityTable& table, CheckedPublish* publish);

// Records the identities of the appended events of a deduplicated request.
void RecordIdentities(IdentityTable& table, absl::Duration window, CommitBuilder& commit,
                      CheckedPublish* publish);

}  // namespace eventhub
