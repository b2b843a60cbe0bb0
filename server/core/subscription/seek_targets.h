// The targets of seeks and replays: positions of a request, resolved to offsets.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "eventhub/v1/subscription.pb.h"
#include "server/core/archive/history.h"
#include "server/core/read/topic_history.h"
#include "server/core/subscription/subscription.h"
#include "server/core/topic/topic.h"
#include "storage/log_store.h"
#include "storage/log_writer.h"

namespace eventhub {

// Resolves the positions of a seek, one partition at a time, since each lookup may read from disk.
// Uses the state of the log at construction. Not thread-safe.
class SeekTargets {
 public:
  SeekTargets(v1::SeekSubscriptionRequest request, std::shared_ptr<Subscription> subscription,
              const SubscriptionContext& context);

  // Checks the request, and looks up its snapshot, if it names one. Blocks on the disk.
  absl::Status Check();

  // The number of calls of Find: one per partition, if there is a start, then one per offset.
  size_t steps() const { return starts() + static_cast<size_t>(request_.offsets_size()); }
  absl::Status Find(size_t step);

  std::vector<SeekPlace> Take();

 private:
  size_t starts() const;
  absl::Status TakeSnapshot();
  absl::Status FindStart(size_t partition);
  absl::Status FindExact(const v1::PartitionOffset& exact);

  const v1::SeekSubscriptionRequest request_;
  const std::shared_ptr<Subscription> subscription_;
  const LogStore& store_;
  LogWriter& writer_;
  const std::shared_ptr<const TopicView> view_;
  const std::vector<Offset> ends_;
  std::vector<std::optional<SeekPlace>> places_;  // By partition.
};

// Resolves the ranges of a replay: in the log first, then in the history. Otherwise like
// SeekTargets.
class ReplayTargets {
 public:
  // `history`: null if the hub has no lake.
  ReplayTargets(v1::ReplaySubscriptionRequest request, std::shared_ptr<Topic> topic,
                const LogStore& store, History* history);

  absl::Status Check();

  size_t partitions() const { return partitions_.size(); }
  absl::Status Find(size_t i);

  // Then, the partitions with a position that may be in the history. FindInHistory waits for the
  // lake.
  size_t unresolved() const { return unresolved_.size(); }
  absl::Status FindInHistory(size_t i);

  const v1::ReplaySubscriptionRequest& request() const { return request_; }
  const std::string& topic() const { return topic_->name(); }
  // In the order of partitions.
  PartitionRanges Take();

 private:
  // A range with a position that only the lake knows.
  struct Unresolved {
    PartitionRange range;
    HistoryStart start;
    HistoryStart stop;
  };

  // Resolves the end of the range, as far as the log knows.
  absl::Status FindEnd(Unresolved& found) const;

  const v1::ReplaySubscriptionRequest request_;
  const std::shared_ptr<Topic> topic_;
  const LogStore& store_;
  History* const history_;
  const std::shared_ptr<const TopicView> view_;
  const std::vector<Offset> ends_;
  std::vector<uint32_t> partitions_;
  PartitionRanges ranges_;
  std::vector<Unresolved> unresolved_;
};

// Move the remaining targets up to the start of the log as of this commit, or refuse: see
// ConfirmStart. Events of a snapshot before that start are lost to the subscription. A replay may
// begin in the history.
absl::Status ConfirmTargets(const Topic& topic, std::vector<SeekPlace>& places);
absl::Status ConfirmTargets(const Topic& topic, bool named, RangeWork& work);

}  // namespace eventhub
