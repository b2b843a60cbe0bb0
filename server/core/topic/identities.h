// Which events a topic has had, by their identity in the sense of CloudEvents, which is `source`
// and `id` together.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "storage/base/types.h"
#include "storage/commit_builder.h"
#include "storage/log_store.h"

namespace eventhub {

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

// The identities of one topic. What the commit under way adds is in memory, all else in the store.
//
// Used on the commit thread only.
class IdentityTable final : public CommitHook, public std::enable_shared_from_this<IdentityTable> {
 public:
  IdentityTable(const LogStore& store, TopicId topic) : store_(store), topic_(topic) {}

  // What the store has, within the window, of each of `count` identities; `known` is by their
  // index. An error: the store is damaged.
  absl::Status LookUp(absl::Duration window, absl::Time now, size_t count,
                      absl::FunctionRef<const IdentityHash&(size_t)> identity,
                      std::vector<std::optional<IdentityRecord>>* known) const;

  // What the commit under way has added of an identity; null: nothing.
  const IdentityRecord* FindInCommit(const IdentityHash& identity) const;

  // Adds an identity with the commit.
  void Put(const IdentityHash& identity, const IdentityRecord& record, CommitBuilder& commit);

  void BeforeWrite(CommitBuilder& commit) override;

 private:
  std::string KeyOf(const IdentityHash& identity) const;

  const LogStore& store_;
  const TopicId topic_;
  absl::flat_hash_map<IdentityHash, IdentityRecord> in_commit_;
};

}  // namespace eventhub
