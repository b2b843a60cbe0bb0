// The events that a topic has received, by their CloudEvents identity: `source` and `id` together.
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

// XXH3_128 of source and id. A collision is less likely than a hardware fault: one in 10^14 among
// 10^12 events.
using IdentityHash = std::array<char, 16>;

// `event` is a valid event, without its tag and length.
IdentityHash IdentityOf(absl::string_view event);

// The place of the first event with an identity; unset if the event is delayed.
struct IdentityPlace {
  PartitionId partition;
  Offset offset;
};

// The stored record of an identity; see storage/FORMAT.md. RocksDB's compaction drops it after
// `expiry` (storage/rocksdb_options.cc depends on its place in the record).
struct IdentityRecord {
  int64_t micros = 0;  // When the event was appended or accepted as delayed.
  int64_t expiry_micros = 0;
  std::optional<IdentityPlace> place;

  std::string Encode() const;
  static absl::StatusOr<IdentityRecord> Decode(absl::string_view value);
};

// The identities of one topic. The additions of the current commit are in memory, all others in the
// store.
//
// Commit thread only.
class IdentityTable final : public CommitHook, public std::enable_shared_from_this<IdentityTable> {
 public:
  IdentityTable(const LogStore& store, TopicId topic) : store_(store), topic_(topic) {}

  // Looks up `count` identities in the store, within the window; sets `known` by index. Fails if
  // the store is damaged.
  absl::Status LookUp(absl::Duration window, absl::Time now, size_t count,
                      absl::FunctionRef<const IdentityHash&(size_t)> identity,
                      std::vector<std::optional<IdentityRecord>>* known) const;

  // The record that the current commit added for an identity; null if there is none.
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
