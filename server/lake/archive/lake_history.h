// The history of one hub's topics, from its lake.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "server/core/archive/history.h"
#include "server/core/base/memory_meter.h"
#include "server/lake/archive/history_cache.h"
#include "server/lake/archive/history_frame.h"
#include "server/lake/object/object.pb.h"
#include "server/lake/object/object_plan.h"
#include "server/lake/read/topic_index.h"
#include "server/lake/store/object_store.h"
#include "server/lake/store/watched_store.h"
#include "storage/base/mutex.h"
#include "storage/base/work_pool.h"

namespace eventhub {

// Reads manifests when a topic is first read, and again when the hub has archived more than the
// last one says. Nothing depends on the archiver or its store.
class LakeHistory final : public History {
 public:
  // Opens the lake, see OpenObjectStore; it may be unavailable at the moment. `hub` is the hub's
  // id. `memory`, which outlives this object, is for all that is kept, and for what is being read.
  // The calls of the store are noted in `calls`, if that is not null.
  static absl::StatusOr<std::unique_ptr<LakeHistory>> Open(
      const std::string& location, std::string hub, MemoryMeter& memory,
      std::shared_ptr<lake::StoreCalls> calls = nullptr);

  // With `ahead_threads`, these decode what a reader is likely to want next while it sends what it
  // has.
  LakeHistory(std::unique_ptr<lake::ObjectStore> store, std::string hub, MemoryMeter& memory,
              int ahead_threads = 0);
  ~LakeHistory() override;

  void Interrupt() override;
  absl::StatusOr<HistoryBounds> Bounds(const ArchivedTopic& topic, PartitionId partition,
                                       Offset upto) override;
  absl::StatusOr<HistoryPart> Read(const ArchivedTopic& topic, const HistoryRange& range,
                                   size_t max_bytes) override;
  absl::StatusOr<Offset> SeekTime(const ArchivedTopic& topic, const HistoryRange& range,
                                  absl::Time time) override;

 private:
  using Index = std::shared_ptr<const lake::TopicIndex>;
  struct TopicState;
  // A part that is being read.
  struct Reading;

  std::shared_ptr<TopicState> StateOf(TopicId topic);
  // Drops the indexes of other topics, the longest unused first, while they take too much.
  void DropIndexes(TopicId except);
  // The index of the topic, null if it is not in the lake. It is loaded again if it does not have
  // the partition up to `upto`, or with `again`.
  absl::StatusOr<Index> IndexOf(const ArchivedTopic& topic, PartitionId partition, Offset upto,
                                bool again);
  absl::StatusOr<Index> Load(const ArchivedTopic& topic, std::optional<lake::LakeTopic>* place);

  absl::StatusOr<HistoryPart> ReadBy(const lake::TopicIndex& index, const HistoryRange& range,
                                     size_t max_bytes);
  absl::Status ReadObject(const std::string& name, const lake::ObjectIndex& object,
                          const HistoryRange& range, Reading* reading);
  absl::StatusOr<Offset> SeekBy(const lake::TopicIndex& index, const HistoryRange& range,
                                int64_t micros);

  absl::StatusOr<std::shared_ptr<const lake::ObjectIndex>> OpenObject(
      const std::string& name, const lake::TopicIndex::Object& object);
  absl::StatusOr<std::shared_ptr<const HistoryFrame>> OpenFrame(const std::string& name,
                                                                const lake::Frame& frame);
  // Decodes the next frames of an object that have some of the range from `next` on; `number` is
  // that of the first that may.
  void DecodeAhead(const std::string& name, const lake::ObjectIndex& object,
                   const HistoryRange& range, Offset next, int number);
  // Calls `call` with the index. If an object is missing, it may have been replaced: then again
  // with the present index.
  template <typename Result, typename Call>
  absl::StatusOr<Result> With(const ArchivedTopic& topic, const HistoryRange& range, Call call);

  const std::unique_ptr<lake::ObjectStore> store_;
  const std::string hub_;
  MemoryMeter& memory_;
  HistoryCache cache_;
  const int ahead_threads_;
  std::atomic<int> ahead_ = 0;  // Frames to decode ahead.

  Mutex mutex_;
  uint64_t uses_ ABSL_GUARDED_BY(mutex_) = 0;
  absl::flat_hash_map<TopicId, std::shared_ptr<TopicState>> topics_ ABSL_GUARDED_BY(mutex_);

  WorkPool ahead_pool_;  // Last: its threads use the members above.
};

}  // namespace eventhub
