// Keeps the hub off a full disk: refuses publishing while there is still room to keep the store
// sound.
#pragma once

#include <atomic>
#include <cstdint>

#include "absl/functional/any_invocable.h"
#include "absl/status/status.h"
#include "storage/base/mutex.h"
#include "storage/log_store.h"

namespace eventhub {

// Between two looks at the disk, counts what is accepted against the space that was free at the
// last: however fast publishers are, they do not outrun it. What is in memory of the store counts
// as taken, since it is written once more.
//
// Thread-safe.
class DiskGuard {
 public:
  // With less than `min_free_bytes` free, there is not enough. `on_change` is called, without a
  // lock that its caller could hold, with whether there is; at first there is.
  DiskGuard(const LogStore& store, uint64_t min_free_bytes,
            absl::AnyInvocable<void(bool enough)> on_change);

  // Accounts for a request of so many bytes. RESOURCE_EXHAUSTED, without blocking on more than the
  // question how much is free, if there is no room for it.
  absl::Status Admit(uint64_t bytes);

  // Why publishing is refused; OK if it is not.
  absl::Status status() const;

  // Looks at the disk.
  void Look();

  // What was free beyond the minimum at the last look. Bytes.
  uint64_t room() const { return room_bytes_.load(std::memory_order_relaxed); }

 private:
  void Tell();

  const LogStore& store_;
  const uint64_t min_free_bytes_;
  absl::AnyInvocable<void(bool)> on_change_;
  std::atomic<bool> full_{false};
  std::atomic<uint64_t> free_bytes_{0};  // At the last look.
  std::atomic<uint64_t> room_bytes_{0};
  std::atomic<uint64_t> accepted_bytes_{0};
  std::atomic<uint64_t> allowed_bytes_{0};  // Of `accepted_bytes_`, until the next look.

  Mutex looking_;
  Mutex telling_;  // Held while `on_change_` runs, so that it is told in order.
  bool told_full_ ABSL_GUARDED_BY(telling_) = false;
};

}  // namespace eventhub
