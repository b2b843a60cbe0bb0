// A topic: its settings, its partitions, and what is counted of it.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "eventhub/v1/admin.pb.h"
#include "server/core/producer_table.h"
#include "storage/base/mutex.h"
#include "storage/partition_log.h"
#include "storage/watermark.h"

namespace eventhub {

// What a topic is at one moment; replaced as a whole when its settings change. The partitions live
// as long as the topic, and keep their place.
struct TopicView {
  v1::Topic settings;
  std::vector<PartitionLog*> partitions;
};

// Counted since the hub started.
struct TopicCounters {
  std::atomic<uint64_t> published_events{0};
  std::atomic<uint64_t> published_bytes{0};
  std::atomic<uint64_t> delivered_events{0};
  std::atomic<uint64_t> delivered_bytes{0};
  std::atomic<uint64_t> refused_requests{0};
  std::atomic<uint32_t> readers{0};
  // Not counted since the start, but how many there are; changed on the commit thread.
  std::atomic<uint64_t> delayed_events{0};
};

// Thread-safe but for the members that say otherwise.
class Topic {
 public:
  Topic(TopicId id, std::string name, const LogStore& store);

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

  // The partition for the events without a key of a request of so many bytes: the same one for a
  // while, so that batches are large, then the next.
  uint32_t NextKeylessPartition(size_t bytes, size_t partitions);

  // Sums over the partitions.
  v1::TopicStats Stats() const;

  // Replaces the settings. Where there are more partitions than before, `bounds` has those of the
  // new ones.
  void Apply(const v1::Topic& settings, const std::vector<LogBounds>& bounds);

  // Commit thread only.

  ProducerTable& producers() { return producers_; }
  // The settings as of the last change submitted, which may not be visible yet.
  const v1::Topic& pending() const { return pending_; }
  void set_pending(const v1::Topic& settings) { pending_ = settings; }
  // Whether the deletion was submitted, which may not be visible yet.
  bool closing() const { return closing_; }
  void set_closing() { closing_ = true; }

 private:
  const TopicId id_;
  const std::string name_;
  Watermark mark_;
  TopicCounters counters_;
  std::atomic<bool> deleted_{false};
  std::atomic<uint64_t> keyless_bytes_{0};

  mutable Mutex mutex_;
  std::shared_ptr<const TopicView> view_ ABSL_GUARDED_BY(mutex_);
  std::vector<std::unique_ptr<PartitionLog>> partitions_ ABSL_GUARDED_BY(mutex_);

  // Commit thread only.
  ProducerTable producers_;
  v1::Topic pending_;
  bool closing_ = false;
};

}  // namespace eventhub
