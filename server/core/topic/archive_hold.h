// How far a topic is archived: what retention, compaction and deletion must keep for the lake.
#pragma once

#include <atomic>
#include <cstddef>
#include <vector>

#include "storage/base/mutex.h"
#include "storage/base/types.h"

namespace eventhub {

// For each partition, the first event that the lake has not confirmed. Thread-safe.
class ArchiveHold {
 public:
  // A hub without a lake holds nothing, whatever the settings of its topics say.
  explicit ArchiveHold(bool has_lake) : has_lake_(has_lake) {}

  // Whether events are kept for the lake.
  bool active() const { return active_.load(std::memory_order_acquire); }
  // Called when the topic's settings change, on the commit thread. The positions stay.
  void SetActive(bool active) { active_.store(has_lake_ && active, std::memory_order_release); }

  // Events from this offset on must be kept; Offset::Max() if none must. 0 until the first
  // Advance.
  Offset Of(PartitionId partition) const {
    return active() ? ConfirmedTo(partition) : Offset::Max();
  }

  // The events before this are in the lake, or are gone for ever.
  Offset ConfirmedTo(PartitionId partition) const {
    MutexLock lock(mutex_);
    return partition.value() < confirmed_.size() ? confirmed_[partition.value()] : Offset(0);
  }

  // The lake has confirmed the events before `to`. Never moves back.
  void Advance(PartitionId partition, Offset to) {
    MutexLock lock(mutex_);
    const size_t index = partition.value();
    if (index >= confirmed_.size()) confirmed_.resize(index + 1, Offset(0));
    if (confirmed_[index] < to) confirmed_[index] = to;
  }

 private:
  const bool has_lake_;
  std::atomic<bool> active_{false};
  mutable Mutex mutex_;
  std::vector<Offset> confirmed_ ABSL_GUARDED_BY(mutex_);  // By partition.
};

}  // namespace eventhub
