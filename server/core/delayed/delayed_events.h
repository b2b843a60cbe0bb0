// Delayed publishing: what puts events aside, and appends them when they are due. The facade, with
// the methods of DelayedEventService.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <thread>

#include "absl/container/flat_hash_map.h"
#include "absl/functional/any_invocable.h"
#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "eventhub/v1/delayed.pb.h"
#include "server/core/delayed/delayed_release.h"
#include "server/core/publish/delayed_schedule.h"
#include "server/core/publish/delayed_table.h"
#include "server/core/topic/topic_catalog.h"
#include "storage/base/clock.h"
#include "storage/base/mutex.h"
#include "storage/log_store.h"
#include "storage/log_writer.h"

namespace eventhub {

using CancelDelayedDone =
    absl::AnyInvocable<void(absl::StatusOr<v1::CancelDelayedEventsResponse>) &&>;

struct DelayedEventsOptions {
  // Whether events go when they are due; if not, a test calls RunDue.
  bool run = true;
  // Why nothing can be appended to any topic at the moment; OK if it can.
  std::function<absl::Status()> writable;
  // Told of what failed.
  std::function<void(const absl::Status&)> on_error;
};

// One thread for the delayed events of all topics; millions of them cost disk, and no memory.
//
// Thread-safe.
class DelayedEvents {
 public:
  // What is given outlives this; `generation` is one that no process before had on this store.
  DelayedEvents(const LogStore& store, LogWriter& writer, const Clock& clock,
                const TopicCatalog& topics, uint64_t generation, DelayedEventsOptions options);
  ~DelayedEvents();

  // Takes up what the store has. Once, before the writer has tasks.
  absl::Status Load();

  // Nothing is appended any more. The writer must still run.
  void Stop();

  // The methods of DelayedEventService, under the same names and with the same errors. They read
  // from the disk.
  absl::StatusOr<v1::ListDelayedEventsResponse> List(
      const v1::ListDelayedEventsRequest& request) const;
  void Cancel(const v1::CancelDelayedEventsRequest& request, CancelDelayedDone done);

  // Appends what is due, and returns when that is done; what cannot be appended is tried again
  // later.
  void RunDue();

  DelayedTable& table() { return *table_; }

 private:
  // Why what is due of a topic was not appended when that was tried last.
  struct Refusal {
    std::weak_ptr<Topic> topic;
    int attempts = 0;  // By the topic or its routes, since it took some.
    std::string why;
  };

  absl::StatusOr<std::shared_ptr<Topic>> FindTopic(const std::string& name) const;
  // Appends one piece of what is due.
  void RunPiece(const DelayedSchedule::Entry& entry);
  // Notes why a piece stays where it is; it is tried again later.
  void Postpone(const DelayedSchedule::Entry& entry, const absl::Status& why, bool by_topic);
  std::string RefusalOf(TopicId topic) const;
  absl::StatusOr<DuePiece> ReadPiece(const DelayedSchedule::Entry& entry, int64_t now);
  // Submits a task and waits for it.
  absl::Status Commit(absl::FunctionRef<std::unique_ptr<CommitTask>(StatusDone)> make);

  const LogStore& store_;
  LogWriter& writer_;
  const Clock& clock_;
  const TopicCatalog& topics_;
  const DelayedEventsOptions options_;
  DelayedSchedule schedule_;
  const std::shared_ptr<DelayedTable> table_;

  mutable Mutex mutex_;
  // Of the topics that refused, alone.
  absl::flat_hash_map<TopicId, Refusal> refusals_ ABSL_GUARDED_BY(mutex_);

  std::thread thread_;  // From Load() to Stop().
};

}  // namespace eventhub
