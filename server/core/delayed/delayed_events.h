// Delayed publishing: stores events until they are due, then appends them. The facade, with the
// methods of DelayedEventService.
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
#include "server/core/base/admin_log.h"
#include "server/core/base/caller.h"
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
  // Whether due events are released automatically; if not, a test calls RunDue.
  bool run = true;
  // Returns why no topic can be appended to at the moment; OK if appends are possible.
  std::function<absl::Status()> writable;
  // Called with failures of background work.
  std::function<void(const absl::Status&)> on_error;
};

// One thread serves the delayed events of all topics; millions of events use disk but no memory.
//
// Thread-safe.
class DelayedEvents {
 public:
  // The arguments outlive this object; no earlier process used `generation` on this store.
  DelayedEvents(const LogStore& store, LogWriter& writer, const Clock& clock,
                const TopicCatalog& topics, const AdminLog& admin_log, uint64_t generation,
                DelayedEventsOptions options);
  ~DelayedEvents();

  // Loads the delayed events' schedule from the store. Called once, before the writer has tasks.
  absl::Status Load();

  // Stops releasing events. The writer must still be running.
  void Stop();

  // The methods of DelayedEventService, with the same names and errors. They read from disk.
  absl::StatusOr<v1::ListDelayedEventsResponse> List(
      const Caller& caller, const v1::ListDelayedEventsRequest& request) const;
  void Cancel(const Caller& caller, const v1::CancelDelayedEventsRequest& request,
              CancelDelayedDone done);

  // Releases the due events and returns when that is done; events that cannot be appended are
  // retried later.
  void RunDue();

  DelayedTable& table() { return *table_; }

 private:
  // Why the last attempt to release a topic's due events failed.
  struct Refusal {
    std::weak_ptr<Topic> topic;
    int attempts = 0;  // Refusals by the topic or its routes since its last release.
    std::string why;
  };

  // Releases one piece of due events.
  void RunPiece(const DelayedSchedule::Entry& entry);
  // Records why a piece was not released, and schedules a retry.
  void Postpone(const DelayedSchedule::Entry& entry, const absl::Status& why, bool by_topic);
  std::string RefusalOf(TopicId topic) const;
  absl::StatusOr<DuePiece> ReadPiece(const DelayedSchedule::Entry& entry, int64_t now);
  // Submits a task and waits for it.
  absl::Status Commit(absl::FunctionRef<std::unique_ptr<CommitTask>(StatusDone)> make);

  const LogStore& store_;
  LogWriter& writer_;
  const Clock& clock_;
  const TopicCatalog& topics_;
  const AdminLog& admin_log_;
  const DelayedEventsOptions options_;
  // That of the tasks that release events, so that the hub's others do not wait for filters.
  const CommitFlow flow_ = Caller::Internal("delayed events").flow();
  DelayedSchedule schedule_;
  const std::shared_ptr<DelayedTable> table_;

  mutable Mutex mutex_;
  // Only for topics that refused.
  absl::flat_hash_map<TopicId, Refusal> refusals_ ABSL_GUARDED_BY(mutex_);

  std::thread thread_;  // Runs from Load() to Stop().
};

}  // namespace eventhub
