// The rules of a view, over whatever store keeps it.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "eventhub/processor/internal/runtime.h"
#include "eventhub/processor/view.h"
#include "eventhub/processor/view_store.h"
#include "storage/base/mutex.h"

namespace eventhub::processor::internal {

// Decides which generation is written, when one is built and when it takes the place of the other.
// Thread-safe; blocks on the store.
class ViewCore {
 public:
  ViewCore(ViewOptions options, std::unique_ptr<ViewStore> store);

  // Begins the view if the store has none of this revision.
  absl::Status Open();

  const ViewOptions& options() const { return options_; }
  ViewStore& store() { return *store_; }

  struct ResumePoint {
    uint64_t generation = 0;
    int64_t offset = 0;  // The view has the events before it, and none after it for sure.
  };
  // The next event of the partition is at `offset`. Where must events be read back from first?
  // `redelivered`: the hub says that the event was not settled.
  absl::StatusOr<ResumePoint> Resume(uint32_t partition, int64_t offset, bool redelivered);

  // Writes rows to the newest generation, which is returned, and with them the positions, if that
  // is the generation that they are about.
  absl::StatusOr<uint64_t> Write(absl::Span<RowWrite> rows, const PositionsInView& positions);

  // INVALID_ARGUMENT, naming the column, if the view cannot have such a row.
  absl::Status Check(const Row& row) const;

  absl::Status Rebuild();
  absl::StatusOr<ViewStatus> Status();

  // Is called after Rebuild, on its thread; null: nobody is.
  void SetListener(std::function<void()> listener);

 private:
  absl::Status Load() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  absl::Status Begin() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  std::optional<int64_t> PositionOf(uint32_t partition) const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // Switches to the generation that is being built if it has got as far as the other.
  void MaySwitch() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  uint64_t newest() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    return stored_.building != 0 ? stored_.building : stored_.generation;
  }

  const ViewOptions options_;
  const std::string revision_;  // With the columns.
  const std::unique_ptr<ViewStore> store_;

  Mutex mutex_;
  StoredView stored_ ABSL_GUARDED_BY(mutex_);  // As far as known here.

  Mutex listener_mutex_;
  std::function<void()> listener_ ABSL_GUARDED_BY(listener_mutex_);
};

}  // namespace eventhub::processor::internal
