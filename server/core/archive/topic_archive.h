// The archive of one topic: what is in the lake, what is due, and how it goes.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "eventhub/v1/admin.pb.h"
#include "server/core/archive/archive_records.h"
#include "server/core/topic/topic.h"
#include "storage/base/await.h"
#include "storage/base/mutex.h"

namespace eventhub {

// When events are archived.
struct ArchiveSchedule {
  // Events become part of the lake this long after they were appended, at the latest …
  absl::Duration interval = absl::Seconds(60);
  // … or as soon as this many encoded bytes are waiting.
  uint64_t bytes = uint64_t{64} << 20;
};

// Thread-safe, except that one thread at a time archives the topic: it alone calls Apply.
class TopicArchive {
 public:
  TopicArchive(std::shared_ptr<Topic> topic, ArchiveRecords records);

  const std::shared_ptr<Topic>& topic() const { return topic_; }

  // The state, as of the last change stored.
  ArchiveRecords records() const;

  // Whether the lake was found to have what this archive says. For the thread that archives.
  bool agreed() const { return agreed_; }
  void set_agreed() { agreed_ = true; }

  // Takes over a change that was stored, and lets retention go on.
  void Apply(ArchiveRecords records);

  // Returns whether something is to be archived now. `now` is monotonic; calls are not far apart,
  // since the time that events have been waiting is counted from the call that first sees them.
  bool Due(const ArchiveSchedule& schedule, absl::Duration now);

  // Notes that an object is planned: the events that follow it have been waiting since now, or are
  // to be archived at once if there are some already.
  void NotePlanned(bool more, absl::Duration now);

  // Notes the outcome of an attempt to archive.
  void NoteOutcome(const absl::Status& status, absl::Time now);

  // Calls `done` once all events that the topic has now are archived, or with the next failure to
  // do so. Until then, the topic is due.
  void Flush(StatusDone done);
  bool flushing() const;
  // Ends all flushes.
  void FailFlushes(const absl::Status& status);

  // `now` is monotonic.
  v1::ArchiveStatus Describe(absl::Duration now) const;

 private:
  struct Flushing {
    std::vector<Offset> ends;  // By partition.
    StatusDone done;
  };

  // The encoded bytes of the events that are not in complete objects.
  uint64_t WaitingBytes() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  bool Reached(const Flushing& flushing) const;

  const std::shared_ptr<Topic> topic_;
  bool agreed_ = false;

  mutable Mutex mutex_;
  ArchiveRecords records_ ABSL_GUARDED_BY(mutex_);
  // The value of the topic's mark when its partitions were last looked at.
  int64_t seen_mark_ ABSL_GUARDED_BY(mutex_) = -1;
  uint64_t waiting_bytes_ ABSL_GUARDED_BY(mutex_) = 0;  // As of then.
  // Since when the oldest event has been waiting. Monotonic.
  std::optional<absl::Duration> waiting_since_ ABSL_GUARDED_BY(mutex_);
  bool more_ ABSL_GUARDED_BY(mutex_) = false;
  std::string last_error_ ABSL_GUARDED_BY(mutex_);
  absl::Time last_error_time_ ABSL_GUARDED_BY(mutex_);
  std::vector<Flushing> flushes_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace eventhub
