// Deduplication: finds the events of a request that its topic has had, and leaves them out.
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

// The events of a checked request, by identity. Of a topic without a window there is none of this.
struct RequestIdentities {
  struct Event {
    uint32_t index;  // In the request.
    IdentityHash hash;
    // Where it is among what is appended: the n-th of all runs. nullopt: it is put aside.
    std::optional<uint32_t> position;
  };
  std::vector<Event> events;  // By index.
  // What the store knew of each, by LookUp.
  std::vector<std::optional<IdentityRecord>> known;
  // Duplicates of events of the same request, whose places are not known before they are appended:
  // the entry of the result, and its first's in `events`.
  std::vector<std::pair<int, size_t>> own_duplicates;
};

// Fills in `publish.identities`. `order` has the index in the request of each event of the runs of
// `publish`, in their order.
void FindIdentities(const std::vector<uint32_t>& order, CheckedPublish* publish);

// The rest is for the commit thread, in this order, within one commit.

// Finds out what the topic has had within the window. An error: the store is damaged.
absl::Status LookUpIdentities(const IdentityTable& table, absl::Duration window, absl::Time now,
                              RequestIdentities* identities);

// Removes the events from the request that the topic has had, or that are in it twice, and says so
// in its result.
void DropDuplicates(const IdentityTable& table, CheckedPublish* publish);

// Remembers the events of a request that was deduplicated, and appended.
void RecordIdentities(IdentityTable& table, absl::Duration window, CommitBuilder& commit,
                      CheckedPublish* publish);

}  // namespace eventhub
