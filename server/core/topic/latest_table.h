// The latest event of each key in a topic with `Retention.latest_per_key`.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "storage/base/shared_bytes.h"
#include "storage/base/types.h"
#include "storage/commit_builder.h"
#include "storage/log_store.h"

namespace eventhub {

// XXH3_128 of a key. Collisions: see IdentityHash.
using KeyHash = std::array<char, 16>;
KeyHash HashOfLatestKey(absl::string_view key);

// An event, as compaction sees it.
struct KeyedEvent {
  absl::string_view key;  // Empty: none. Views the event.
  bool delete_marker = false;

  // `event` is a valid event, without its tag and length.
  static KeyedEvent Of(absl::string_view event);
};

// Maps each key of a partition to the offset of its latest event. Changed by the commit that
// appends the event, so it is complete whatever happens to the hub. The changes of the current
// commit are in memory, all others in the store.
class LatestTable final : public CommitHook, public std::enable_shared_from_this<LatestTable> {
 public:
  LatestTable(const LogStore& store, TopicId topic) : store_(store), topic_(topic) {}

  // Looks up keys in the store, as of the last commit written, which may not be visible yet; sets
  // `latest` by index, nullopt if there is no event with the key. DATA_LOSS: the store is damaged.
  // Any thread.
  static absl::Status LookUp(const LogStore& store, TopicId topic, PartitionId partition,
                             const std::vector<KeyHash>& keys,
                             std::vector<std::optional<Offset>>* latest);

  // The methods below run on the commit thread.

  // Notes appended events: complete encoded fields `Event events = 15`, the first at `base`.
  void NoteAppended(PartitionId partition, Offset base, const SharedBytes& events,
                    CommitBuilder& commit);

  // Removes the keys whose latest event is still the given one.
  absl::Status Remove(PartitionId partition, const std::vector<std::pair<KeyHash, Offset>>& events,
                      CommitBuilder& commit);

  void BeforeWrite(CommitBuilder& commit) override;

 private:
  using Key = std::pair<PartitionId, KeyHash>;

  // Registers for the commit with the first change.
  std::optional<Offset>& ChangeOf(const Key& key, CommitBuilder& commit);

  const LogStore& store_;
  const TopicId topic_;
  // nullopt: the key is removed.
  absl::flat_hash_map<Key, std::optional<Offset>> changes_;
};

}  // namespace eventhub
