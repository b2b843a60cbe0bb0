// A topic: its settings, its partitions and its counters.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "eventhub/v1/admin.pb.h"
#include "server/core/topic/identities.h"
#include "server/core/topic/producer_table.h"
#include "storage/base/metrics.h"
#include "storage/base/mutex.h"
#include "storage/partition_log.h"
#include "storage/watermark.h"

namespace eventhub {

class RouteSet;

// One copy for all who go by them.
using TopicSettings = std::shared_ptr<const v1::Topic>;

// What a topic is at one moment; replaced as a whole when its settings change. The partitions live
// as long as the topic, and keep their place.
struct TopicView {
  TopicSettings settings;
  std::vector<PartitionLog*> partitions;
  std::shared_ptr<const RouteSet> routes;  // Those that lead from it; null if none do.
};

// Counted since the hub started.
struct TopicCounters {
  Counter published_events;
  Counter published_bytes;
  Counter delivered_events;
  Counter delivered_bytes;
  Counter refused_requests;
  Counter duplicate_events;
  std::atomic<uint32_t> readers{0};
  Counter routed_events;    // Copied to it.
  Counter unrouted_events;  // Neither kept nor taken by a route.
};

// Thread-safe, except where noted.
class Topic {
 public:
  // Memory of its producers is counted by the meter, if there is one.
  Topic(TopicId id, std::string name, const LogStore& store, MemoryMeter* producers = nullptr);

  Topic(const Topic&) = delete;
  Topic& operator=(const Topic&) = delete;

  TopicId id() const { return id_; }
  const std::string& name() const { return name_; }
  TopicCounters& counters() { return counters_; }

  std::shared_ptr<const TopicView> view() const;

  // Counts the visible commits with events of this topic.
  Watermark& mark() { return mark_; }

  // Whether the topic is deleted; its readers are woken when that becomes true.
  bool deleted() const { return deleted_.load(std::memory_order_seq_cst); }
  void SetDeleted();

  // Whether the deletion was submitted, which may not be visible yet; set before the store has it,
  // by the commit thread.
  bool closing() const { return closing_.load(std::memory_order_acquire); }
  void set_closing() { closing_.store(true, std::memory_order_release); }

  // How often it began, or ended to begin, to keep nothing: whoever reads across that is told so.
  uint32_t purges() const { return purges_.load(std::memory_order_seq_cst); }
  // The contents of its partitions are deleted, or about to be; wakes the readers.
  void NotePurge();

  // Has all of them look again.
  void WakeReaders();

  // The encoded size of what it holds, as of the last change submitted.
  uint64_t held_bytes() const { return held_bytes_.load(std::memory_order_relaxed); }

  // It takes no further events while it holds so much or more; the largest number if it always
  // does.
  uint64_t full_at() const { return full_at_.load(std::memory_order_relaxed); }

  // The partition for the events without a key of a request of so many bytes: the same one for a
  // while, so that batches are large, then the next.
  uint32_t NextKeylessPartition(size_t bytes, size_t partitions);

  // How many delayed events there are, as of the last visible commit.
  VisibleNumber& delayed_events() { return delayed_events_; }

  // Sums over the partitions.
  v1::TopicStats Stats() const;

  // What retention left in it beyond its limits, and for whom, in words; as of its last pass.
  struct HeldBack {
    uint64_t bytes = 0;
    std::string why;
  };
  HeldBack held_back() const;
  void SetHeldBack(HeldBack held_back);

  // Replaces the settings. Where there are more partitions than before, `bounds` has those of the
  // new ones.
  void Apply(TopicSettings settings, const std::vector<LogBounds>& bounds);

  // Commit thread only.

  ProducerTable& producers() { return producers_; }
  // Made when it is first asked for: few topics deduplicate.
  IdentityTable& identities();
  // The settings as of the last change submitted, which may not be visible yet.
  const v1::Topic& pending() const { return *pending_; }
  void SetPending(TopicSettings settings);
  // Whether its events are not stored.
  bool keeps_nothing() const { return pending_->retention().none(); }
  // Whether it takes no further events until there is room.
  void AddHeld(int64_t bytes) {
    held_bytes_.store(held_bytes() + static_cast<uint64_t>(bytes), std::memory_order_relaxed);
  }
  // The routes of the view. It changes before the commit that changes it is written: what is
  // planned by it is committed later.
  const RouteSet* routes() const { return routes_; }
  void SetRoutes(std::shared_ptr<const RouteSet> routes);
  // How many delayed events there are, with those of commits that are not visible yet.
  uint64_t pending_delayed() const { return pending_delayed_; }
  void set_pending_delayed(uint64_t events) { pending_delayed_ = events; }

 private:
  const TopicId id_;
  const std::string name_;
  Watermark mark_;
  TopicCounters counters_;
  std::atomic<bool> deleted_{false};
  std::atomic<bool> closing_{false};
  std::atomic<uint32_t> purges_{0};
  // Written by the commit thread.
  std::atomic<uint64_t> held_bytes_{0};
  std::atomic<uint64_t> full_at_{UINT64_MAX};
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
  TopicSettings pending_;
  uint64_t pending_delayed_ = 0;
  const RouteSet* routes_ = nullptr;
};

}  // namespace eventhub
