// Deduplication: which events a topic has had, by their identity in the sense of CloudEvents, which
// is `source` and `id` together.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "eventhub/v1/hub.pb.h"
#include "storage/base/types.h"
#include "storage/commit_builder.h"
#include "storage/log_store.h"

namespace eventhub {

struct CheckedPublish;

// XXH3_128 of source and id. That two identities share one is less likely than a fault of the
// machine: one in 10^14 among 10^12 events.
using IdentityHash = std::array<char, 16>;

// Of a valid event, without its tag and length.
IdentityHash IdentityOf(absl::string_view event);

// Where the first event of an identity is; nothing if it was put aside for later.
struct IdentityPlace {
  PartitionId partition;
  Offset offset;
};

// What the store keeps of an identity; see storage/FORMAT.md. RocksDB's compaction drops it after
// `expiry` (storage/rocksdb_options.cc knows where that is).
struct IdentityRecord {
  int64_t micros = 0;  // When the event was appended or put aside.
  int64_t expiry_micros = 0;
  std::optional<IdentityPlace> place;

  std::string Encode() const;
  static absl::StatusOr<IdentityRecord> Decode(absl::string_view value);
};

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

// The identities of one topic. What the commit under way adds is in memory, all else in the store.
//
// Used on the commit thread only.
class IdentityTable final : public CommitHook, public std::enable_shared_from_this<IdentityTable> {
 public:
  IdentityTable(const LogStore& store, TopicId topic) : store_(store), topic_(topic) {}

  // Finds out what the topic has had within the window. An error: the store is damaged.
  absl::Status LookUp(absl::Duration window, absl::Time now, RequestIdentities* identities) const;

  // Takes those events out of the request that the topic has had, or that are in it twice, and says
  // so in its result. After LookUp, in the same commit.
  void Drop(CheckedPublish* publish) const;

  // Remembers the events of a request that was deduplicated, and appended.
  void Record(absl::Duration window, CommitBuilder& commit, CheckedPublish* publish);

  void BeforeWrite(CommitBuilder& commit) override;

 private:
  std::string KeyOf(const IdentityHash& hash) const;

  const LogStore& store_;
  const TopicId topic_;
  absl::flat_hash_map<IdentityHash, IdentityRecord> in_commit_;
};

}  // namespace eventhub
