// The facade of archiving: what the archiver (server/lake/archive) calls, and reports.
#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/functional/any_invocable.h"
#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "eventhub/v1/admin.pb.h"
#include "server/core/archive/archive_target.h"
#include "server/core/archive/key_archive.h"
#include "server/core/archive/object_plan.h"
#include "server/core/archive/topic_archive.h"
#include "server/core/topic/topic_catalog.h"
#include "storage/base/clock.h"
#include "storage/base/metrics.h"
#include "storage/base/mutex.h"
#include "storage/log_store.h"
#include "storage/log_writer.h"

namespace eventhub {

struct ArchiveOptions {
  // Where the lake is, for reports.
  std::string location{};
  ArchiveSchedule schedule{};
  ObjectLimits limits{};  // Of an object.
  // Read at a time. Bytes.
  size_t read_bytes = size_t{1} << 20;
};

// Archives topics, each event exactly once. An object is made in steps:
//
//   1. Its ranges are stored: the *intent*. The write is synced; so are, with it, all events of the
//      object, which no power loss can undo any more.
//   2. It is written to the lake, under a name that follows from the intent.
//   3. One write stores that it is complete, and moves the positions of its partitions.
//   4. It is listed in the lake's manifest.
//   5. It is removed from the store; retention no longer keeps its events.
//
// After a crash or a failure, the next attempt repeats the step; repeated, it has the same result:
// an intent whose events are still there is written again, under the same name. If they are not,
// because archiving was switched off meanwhile, a new one takes its sequence.
//
// Thread-safe, except that one thread at a time archives a topic.
class Archives {
 public:
  // Called before `bytes` are read. May wait; an error ends the attempt.
  using Pace = absl::FunctionRef<absl::Status(size_t bytes)>;

  // The arguments outlive this object. `on_archived` is called on the archiving thread when events
  // of a topic that refused further ones are archived.
  Archives(const ArchiveOptions& options, const TopicCatalog& topics, KeyArchive& keys,
           const LogStore& store, LogWriter& writer, const Clock& clock, Metrics& metrics,
           absl::AnyInvocable<void()> on_archived);

  // Reads the state of all topics. Called once, before maintenance begins.
  absl::Status Load();

  // The topics that are archived.
  std::vector<std::shared_ptr<TopicArchive>> List();

  // See KeyArchive::Bring. No object is listed before the lake has its keys.
  absl::Status BringKeys(ArchiveTarget& lake) { return keys_.Bring(lake); }
  absl::Status BringUrgentKeys(ArchiveTarget& lake) {
    return keys_.urgent() ? keys_.Bring(lake) : absl::OkStatus();
  }

  // The topics of the hub, archived or not, sorted.
  struct Present {
    std::vector<TopicId> topics;
    TopicId upto;  // Topics with ids up to this that are not among them are deleted.
  };
  Present PresentTopics();

  // The settings of all topics; without a topology.
  HubSettings TopicSettingsNow();

  // Returns whether something is to be archived now.
  bool Due(TopicArchive& archive) const {
    return archive.Due(options_.schedule, clock_.Monotonic());
  }

  // Completes the objects of earlier attempts, or makes the next one. Blocks on the disk, on
  // commits and on the lake. After an error, the state of the archive is that of the last step
  // that succeeded.
  absl::Status Advance(TopicArchive& archive, ArchiveTarget& lake, Pace pace);

  // Archives all events that the topic has now, soon. Fails when an attempt does.
  void Flush(const std::shared_ptr<Topic>& topic, StatusDone done);
  // Arranges for `wake` to be called when a flush begins. At most one; null: none.
  void OnFlush(absl::AnyInvocable<void()> wake);

  // Ends flushes, now and later. Called when nothing archives any more.
  void Stop();

  // Takes over what the lake says of its upkeep, for reports.
  void NoteUpkeep(LakeUpkeep upkeep);

  // Reports.
  const std::string& location() const { return options_.location; }
  v1::ArchiveStatus Describe(const std::shared_ptr<Topic>& topic);
  // What needs attention in a topic; empty if nothing does.
  std::string Finding(const std::shared_ptr<Topic>& topic);
  void AddTo(v1::GetStatsResponse* stats);

 private:
  struct Counters {
    explicit Counters(Metrics& metrics);

    Counter& events;
    Counter& bytes;
    Counter& objects;
    Counter& failures;
    Counter& missing;
    Counter& merged;
    Counter& merged_bytes;
    Counter& merge_failures;
  };

  std::shared_ptr<TopicArchive> Of(const std::shared_ptr<Topic>& topic);
  absl::Status AdvanceOnce(TopicArchive& archive, ArchiveTarget& lake, Pace pace);
  // Checks that the lake has what this hub archived, and nothing else; takes over where it is ahead
  // with events that the hub has. Once in the life of the archive.
  absl::Status Agree(TopicArchive& archive, ArchiveTarget& lake);
  // Returns the intent: that of an earlier attempt, or a new one, which is stored. Without ranges
  // if there is nothing to archive.
  absl::StatusOr<stored::ArchiveObject> TakeIntent(TopicArchive& archive, ArchiveTarget& lake);
  absl::Status Write(TopicArchive& archive, ArchiveTarget& lake, Pace pace,
                     stored::ArchiveObject object);
  absl::Status CopyRange(const Topic& topic, const stored::ArchiveRange& range, Pace pace,
                         ArchiveTarget::Object& out, uint64_t* events) const;
  absl::Status ListObjects(TopicArchive& archive, ArchiveTarget& lake);
  // Stores a change of the archive, with the positions of the given ranges.
  absl::Status Store(TopicArchive& archive, ArchiveRecords records,
                     absl::Span<const stored::ArchiveRange> moved);

  const ArchiveOptions options_;
  const TopicCatalog& topics_;
  KeyArchive& keys_;
  const LogStore& store_;
  LogWriter& writer_;
  const Clock& clock_;
  Counters counters_;
  absl::AnyInvocable<void()> on_archived_;

  Mutex mutex_;
  bool stopped_ ABSL_GUARDED_BY(mutex_) = false;
  LakeUpkeep upkeep_ ABSL_GUARDED_BY(mutex_);
  TopicId highest_ ABSL_GUARDED_BY(mutex_);  // Of the topics seen so far, and those before Load.
  absl::flat_hash_map<TopicId, std::shared_ptr<TopicArchive>> archives_ ABSL_GUARDED_BY(mutex_);

  Mutex wake_mutex_;  // Held while `wake_` runs.
  absl::AnyInvocable<void()> wake_ ABSL_GUARDED_BY(wake_mutex_);
};

}  // namespace eventhub
