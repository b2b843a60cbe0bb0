// Keeps the disk from filling up: refuses publishing while there is still enough space for the
// store itself.
#pragma once

#include <atomic>
#include <cstdint>

#include "absl/functional/any_invocable.h"
#include "absl/status/status.h"
#include "storage/base/mutex.h"
#include "storage/log_store.h"

namespace eventhub {

// Between two checks of the disk, accepted bytes count against the space that was free at the last
// check, so that fast publishers cannot outrun the guard. Data in memtables counts as used, because
// it will be written once more, and so does the output of running compactions. The guard also tells
// the store how much space further compactions may take. So publishers and compactions never use
// what the other was promised, or what the next start needs.
//
// Thread-safe.
class DiskGuard {
 public:
  // Space is short while less than `min_free_bytes` are free, or less than a start of the store or
  // its next compaction needs. `on_change` is called on each transition, without a lock that its
  // caller could hold; space is assumed sufficient at start.
  DiskGuard(LogStore& store, uint64_t min_free_bytes,
            absl::AnyInvocable<void(bool enough)> on_change);

  // Accounts for a request of `bytes`. Returns RESOURCE_EXHAUSTED if there is no room for it.
  // Blocks at most for a query of the free space.
  absl::Status Admit(uint64_t bytes);

  // Returns why publishing is refused, or OK.
  absl::Status status() const;

  // Checks the disk.
  void Look();

  // The free space beyond the minimum at the last check. Bytes.
  uint64_t room() const { return room_bytes_.load(std::memory_order_relaxed); }

 private:
  void Tell();

  LogStore& store_;
  const uint64_t min_free_bytes_;
  absl::AnyInvocable<void(bool)> on_change_;
  std::atomic<bool> full_{false};
  std::atomic<uint64_t> free_bytes_{0};     // At the last check.
  std::atomic<uint64_t> pending_bytes_{0};  // The same.
  std::atomic<uint64_t> wanted_bytes_{0};   // The same.
  std::atomic<uint64_t> room_bytes_{0};
  std::atomic<uint64_t> accepted_bytes_{0};
  std::atomic<uint64_t> allowed_bytes_{0};  // Of `accepted_bytes_`, until the next check.

  Mutex looking_;
  Mutex telling_;  // Held while `on_change_` runs, so that calls are in order.
  bool told_full_ ABSL_GUARDED_BY(telling_) = false;
};

}  // namespace eventhub
