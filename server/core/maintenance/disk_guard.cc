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

// The need of compactions is looked up while less than this many times the minimum is free.
constexpr uint64_t kCompactionShare = 16;

}  // namespace

DiskGuard::DiskGuard(LogStore& store, uint64_t min_free_bytes,
                     absl::AnyInvocable<void(bool)> on_change)
    : store_(store),
      min_free_bytes_(std::max(min_free_bytes, LogStore::kStartBytes)),
      on_change_(std::move(on_change)) {}

absl::Status DiskGuard::Admit(uint64_t bytes) {
  if (full_.load(std::memory_order_relaxed)) return status();
  const uint64_t before = accepted_bytes_.fetch_add(bytes, std::memory_order_relaxed);
  if (before + bytes <= allowed_bytes_.load(std::memory_order_relaxed)) return absl::OkStatus();
  Look();
  return status();
}

absl::Status DiskGuard::status() const {
  if (!full_.load(std::memory_order_relaxed)) return absl::OkStatus();
  return DiskFull(free_bytes_.load(std::memory_order_relaxed),
                  pending_bytes_.load(std::memory_order_relaxed),
                  wanted_bytes_.load(std::memory_order_relaxed), kRetry);
}

void DiskGuard::Look() {
  {
    MutexLock lock(looking_);
    const std::optional<uint64_t> free = store_.DiskFreeBytes();
    bool full = store_.waiting_for_space();
    const uint64_t pending = store_.PendingBytes();
    uint64_t wanted = min_free_bytes_;
    uint64_t room = UINT64_MAX;
    if (free.has_value()) {
      // The largest compaction must fit, too, even if nothing more is accepted.
      if (*free / kCompactionShare < min_free_bytes_) {
        wanted = std::max(wanted, store_.NextCompactionBytes() + LogStore::kStartBytes);
      }
      const uint64_t slack = full_.load(std::memory_order_relaxed) ? wanted / kSlackShare : 0;
      // The minimum may be any number, so nothing is added to it.
      const uint64_t left = *free - std::min(*free, wanted);
      full |= *free < wanted || left < pending + slack;
      room = full ? 0 : left - pending;
      // Half of the room may be written by publishers before the next check.
      const uint64_t needed = pending + LogStore::kStartBytes + room / 2;
      store_.SetCompactionRoom(*free - std::min(*free, needed));
    }
    free_bytes_.store(free.value_or(0), std::memory_order_relaxed);
    pending_bytes_.store(pending, std::memory_order_relaxed);
    wanted_bytes_.store(wanted, std::memory_order_relaxed);
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
