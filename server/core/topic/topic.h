// A topic: its settings, its partitions and its counters.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "eventhub/v1/admin.pb.h"
#include "server/core/base/copy_memory.h"
#include "server/core/topic/archive_hold.h"
#include "server/core/topic/identities.h"
#include "server/core/topic/latest_table.h"
#include "server/core/topic/producer_table.h"
#include "storage/base/metrics.h"
#include "storage/base/mutex.h"
#include "storage/partition_log.h"
#include "storage/watermark.h"

namespace eventhub {

class KeyRing;
class RouteSet;

// One copy, shared by all users.
using TopicSettings = std::shared_ptr<const v1::Topic>;

// The state of a topic at one moment; replaced as a whole when the settings change. Partitions live
// as long as the topic and do not move.
struct TopicView {
  TopicSettings settings;
  std::vector<PartitionLog*> partitions;
  // The routes that lead from the topic; null if there are none.
  std::shared_ptr<const RouteSet> routes;
};

// Counters since the hub started.
struct TopicCounters {
  Counter published_events;
  Counter published_bytes;
  Counter delivered_events;
  Counter delivered_bytes;
  Counter refused_requests;
  Counter duplicate_events;
  std::atomic<uint32_t> readers{0};
  Counter routed_events;    // Copied to the topic by routes.
  Counter unrouted_events;  // Neither kept nor matched by a route.
};

// Thread-safe, except where noted.
class Topic {
 public:
  // These, if any, count the memory of producers, and what requests take until they are committed.
  // `has_lake`: whether the hub archives topics. `keys`: those of subjects; see erasure/key_ring.h.
  Topic(TopicId id, std::string name, const LogStore& store, MemoryMeter* producers = nullptr,
        CopyMemory* copies = nullptr, bool has_lake = false, KeyRing* keys = nullptr);

  Topic(const Topic&) = delete;
  Topic& operator=(const Topic&) = delete;

  TopicId id() const { return id_; }
  const std::string& name() const { return name_; }
  TopicCounters& counters() { return counters_; }
  // Counts what requests to the topic take until they are committed; null: they are not limited.
  CopyMemory* copies() const { return copies_; }
  // Null in some tests: nothing is sealed.
  KeyRing* keys() const { return keys_; }

  std::shared_ptr<const TopicView> view() const;

  // Counts the visible commits with events of this topic.
  Watermark& mark() { return mark_; }

  // Whether the topic is deleted; readers are woken when this becomes true.
  bool deleted() const { return deleted_.load(std::memory_order_seq_cst); }
  void SetDeleted();

  // Whether the deletion was submitted, which may not be visible yet; set by the commit thread
  // before the store has the deletion.
  bool closing() const { return closing_.load(std::memory_order_acquire); }
  void set_closing() { closing_.store(true, std::memory_order_release); }

  // Changes whenever the topic starts or stops keeping nothing: readers that span such a change
  // fail.
  uint32_t purges() const { return purges_.load(std::memory_order_seq_cst); }
  // The contents of the partitions are deleted, or about to be; wakes the readers.
  void NotePurge();

  // Wakes all readers.
  void WakeReaders();

  // The encoded size of the stored events, as of the last change submitted.
  uint64_t held_bytes() const { return held_bytes_.load(std::memory_order_relaxed); }

  // The topic refuses events while it holds at least this many bytes; the largest number if it
  // never refuses.
  uint64_t full_at() const { return full_at_.load(std::memory_order_relaxed); }

  // What must be kept until it is archived.
  ArchiveHold& archive_hold() { return archive_hold_; }
  const ArchiveHold& archive_hold() const { return archive_hold_; }

  // The topic refuses events while it holds at least this many bytes, since the lake is too far
  // behind; the largest number if it is not.
  uint64_t archive_full_at() const { return archive_full_at_.load(std::memory_order_relaxed); }
  void SetArchiveFullAt(uint64_t bytes) {
    archive_full_at_.store(bytes, std::memory_order_relaxed);
  }

  // The partition for the keyless events of a request with `bytes` bytes: the same partition for
  // some time, so that batches are large, then the next.
  uint32_t NextKeylessPartition(size_t bytes, size_t partitions);

  // The number of delayed events, as of the last visible commit.
  VisibleNumber& delayed_events() { return delayed_events_; }

  // Sums over the partitions.
  v1::TopicStats Stats() const;

  // The bytes that retention kept beyond the limits, and for whom, in words; as of its last pass.
  struct HeldBack {
    uint64_t bytes = 0;
    std::string why;  // Empty if only the lake needs them.
    // The part that would be kept for the lake alone.
    uint64_t archive_bytes = 0;
  };
  HeldBack held_back() const;
  void SetHeldBack(HeldBack held_back);

  // Replaces the settings. If there are new partitions, `bounds` holds their bounds.
  void Apply(TopicSettings settings, const std::vector<LogBounds>& bounds);

  // Commit thread only.

  ProducerTable& producers() { return producers_; }
  // Created on first use: few topics deduplicate.
  IdentityTable& identities();
  // The latest event of each key, if it keeps_latest().
  LatestTable& latest();
  // The settings as of the last change submitted, which may not be visible yet.
  const v1::Topic& pending() const { return *pending_; }
  void SetPending(TopicSettings settings);
  // Whether events of the topic are not stored.
  bool keeps_nothing() const { return pending_->retention().none(); }
  // Whether superseded events are removed (`Retention.latest_per_key`); never changes.
  bool keeps_latest() const { return pending_->retention().has_latest_per_key(); }
  // Whether it takes no further events until there is room.
  void AddHeld(int64_t bytes) {
    held_bytes_.store(held_bytes() + static_cast<uint64_t>(bytes), std::memory_order_relaxed);
  }
  // The routes of the view. They change before the commit that changes them is written, since plans
  // made with them are committed later.
  const RouteSet* routes() const { return routes_; }
  void SetRoutes(std::shared_ptr<const RouteSet> routes);
  // The tasks whose plans are renewed: the routes do not change meanwhile, so each plan is renewed
  // once.
  uint32_t plan_renewals() const { return plan_renewals_; }
  void AddPlanRenewals(int more) { plan_renewals_ += static_cast<uint32_t>(more); }
  // The number of delayed events, including those of commits that are not visible yet.
  uint64_t pending_delayed() const { return pending_delayed_; }
  void set_pending_delayed(uint64_t events) { pending_delayed_ = events; }

 private:
  const TopicId id_;
  const std::string name_;
  CopyMemory* const copies_;
  KeyRing* const keys_;
  Watermark mark_;
  TopicCounters counters_;
  std::atomic<bool> deleted_{false};
  std::atomic<bool> closing_{false};
  std::atomic<uint32_t> purges_{0};
  // Written only by the commit thread.
  std::atomic<uint64_t> held_bytes_{0};
  std::atomic<uint64_t> full_at_{UINT64_MAX};
  std::atomic<uint64_t> archive_full_at_{UINT64_MAX};
  ArchiveHold archive_hold_;
  std::atomic<uint64_t> keyless_bytes_{0};
  VisibleNumber delayed_events_;

  mutable Mutex mutex_;
  std::shared_ptr<const TopicView> view_ ABSL_GUARDED_BY(mutex_);
  std::vector<std::unique_ptr<PartitionLog>> partitions_ ABSL_GUARDED_BY(mutex_);
  HeldBack held_back_ ABSL_GUARDED_BY(mutex_);

  // Commit thread only.
  ProducerTable producers_;
  const LogStore& store_;
  std::shared_ptr<IdentityTable> identities_;
  std::shared_ptr<LatestTable> latest_;
  TopicSettings pending_;
  uint64_t pending_delayed_ = 0;
  uint32_t plan_renewals_ = 0;
  const RouteSet* routes_ = nullptr;
};

}  // namespace eventhub
