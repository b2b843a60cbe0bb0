#include "server/core/maintenance/disk_guard.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "server/core/base/errors.h"

namespace eventhub {
namespace {

constexpr absl::Duration kRetry = absl::Seconds(5);

// A disk that was full must exceed the minimum by this share of it, so that the state does not
// oscillate.
constexpr uint64_t kSlackShare = 16;

// The share of the remaining space that may be accepted before the next check. Each event is
// written twice, to the log and to a table, and as much again may be in progress that was accepted
// before.
constexpr uint64_t kRoomShare = 4;

}  // namespace

DiskGuard::DiskGuard(const LogStore& store, uint64_t min_free_bytes,
                     absl::AnyInvocable<void(bool)> on_change)
    : store_(store), min_free_bytes_(min_free_bytes), on_change_(std::move(on_change)) {}

absl::Status DiskGuard::Admit(uint64_t bytes) {
  if (full_.load(std::memory_order_relaxed)) return status();
  const uint64_t before = accepted_bytes_.fetch_add(bytes, std::memory_order_relaxed);
  if (before + bytes <= allowed_bytes_.load(std::memory_order_relaxed)) return absl::OkStatus();
  Look();
  return status();
}

absl::Status DiskGuard::status() const {
  if (!full_.load(std::memory_order_relaxed)) return absl::OkStatus();
  return DiskFull(free_bytes_.load(std::memory_order_relaxed), min_free_bytes_, kRetry);
}

void DiskGuard::Look() {
  {
    MutexLock lock(looking_);
    const std::optional<uint64_t> free = store_.DiskFreeBytes();
    bool full = store_.waiting_for_space();
    uint64_t room = UINT64_MAX;
    if (free.has_value()) {
      const uint64_t slack =
          full_.load(std::memory_order_relaxed) ? min_free_bytes_ / kSlackShare : 0;
      // The minimum may be any number, so nothing is added to it.
      const uint64_t left = *free - std::min(*free, min_free_bytes_);
      const uint64_t unwritten = store_.UnwrittenBytes();
      full |= *free < min_free_bytes_ || *free == 0 || left < unwritten + slack;
      room = full ? 0 : left - unwritten;
    }
    free_bytes_.store(free.value_or(0), std::memory_order_relaxed);
    accepted_bytes_.store(0, std::memory_order_relaxed);
    allowed_bytes_.store(room == UINT64_MAX ? room : room / kRoomShare, std::memory_order_relaxed);
    room_bytes_.store(room, std::memory_order_relaxed);
    full_.store(full, std::memory_order_relaxed);
  }
  Tell();
}

void DiskGuard::Tell() {
  MutexLock lock(telling_);
  const bool full = full_.load(std::memory_order_relaxed);
  if (full == told_full_) return;
  told_full_ = full;
  on_change_(!full);
}

}  // namespace eventhub
