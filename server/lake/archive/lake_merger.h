// Merges the small objects of a lake in the background.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <thread>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "server/core/archive/archive_target.h"
#include "server/lake/archive/lake_topics.h"
#include "server/lake/archive/pacer.h"
#include "server/lake/merge/merge_topic.h"
#include "server/lake/store/object_store.h"
#include "storage/base/clock.h"
#include "storage/base/mutex.h"

namespace eventhub {

struct LakeMergerOptions {
  lake::MergeTopicOptions topic{};
  // Lines that are read and written, in bytes per second; 0: without limit.
  uint64_t bytes_per_second = uint64_t{16} << 20;
  // All topics are looked at once this long after the start, and after that when there is something
  // to merge.
  absl::Duration first_look = absl::Minutes(1);
  absl::Duration look_interval = absl::Seconds(1);
  // After a failure, a topic waits for this, which doubles with each further failure.
  absl::Duration retry = absl::Minutes(1);
  absl::Duration max_retry = absl::Hours(1);
};

// One thread of low priority. Thread-safe. Runs from construction to Interrupt().
class LakeMerger {
 public:
  // The arguments outlive this object.
  LakeMerger(lake::ObjectStore& store, LakeTopics& topics, const Clock& clock,
             LakeMergerOptions options);
  // Waits for the merge in progress, as long as one call of the store.
  ~LakeMerger();

  LakeMerger(const LakeMerger&) = delete;
  LakeMerger& operator=(const LakeMerger&) = delete;

  // Ends the merge in progress soon, which leaves nothing but an object that the next attempt
  // overwrites, and begins no other.
  void Interrupt();

  // Notes that an object was added to a topic.
  void NoteObject(const lake::LakeTopic& topic, int64_t hour);

  LakeUpkeep Describe() const;

 private:
  struct State {
    lake::LakeTopic topic;
    absl::Time due;
    absl::Duration wait;  // After the last failure.
    std::string problem;  // Why the last pass failed, or what it could not merge.
  };

  void Run();
  void LookAtAll();
  void Pass(const lake::LakeTopic& topic);
  absl::Status MergeNow(const lake::LakeTopic& topic, lake::MergeTally* tally);
  void Finish(const lake::LakeTopic& topic, const absl::Status& status,
              const lake::MergeTally& tally);

  lake::ObjectStore& store_;
  LakeTopics& topics_;
  const Clock& clock_;
  const LakeMergerOptions options_;
  Pacer pacer_;  // Of what is copied.

  mutable Mutex mutex_;
  CondVar changed_;
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;
  bool looked_ ABSL_GUARDED_BY(mutex_) = false;                  // At all topics.
  absl::Duration look_at_ ABSL_GUARDED_BY(mutex_);               // When that is tried. Monotonic.
  std::map<std::string, State> states_ ABSL_GUARDED_BY(mutex_);  // By directory.
  LakeUpkeep upkeep_ ABSL_GUARDED_BY(mutex_);

  std::thread thread_;  // Last: it uses the members above.
};

}  // namespace eventhub
