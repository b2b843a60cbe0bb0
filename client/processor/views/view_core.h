// The rules of a view, over any store.
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

// Decides which generation is written, when a new one is built, and when it replaces the old one.
// Thread-safe; blocks on the store.
class ViewCore {
 public:
  ViewCore(ViewOptions options, std::unique_ptr<ViewStore> store);

  // Creates the view if the store has none of this revision.
  absl::Status Open();

  const ViewOptions& options() const { return options_; }
  ViewStore& store() { return *store_; }

  struct ResumePoint {
    uint64_t generation = 0;
    int64_t offset = 0;  // The view has all events before it; it may lack any event from it on.
  };
  // Returns from where events must be read back if the next event of the partition is at `offset`.
  // `redelivered`: the hub says that the event was not settled.
  absl::StatusOr<ResumePoint> Resume(uint32_t partition, int64_t offset, bool redelivered);

  // Writes rows to the newest generation, and returns its number. Also writes the positions, if
  // they belong to that generation.
  absl::StatusOr<uint64_t> Write(absl::Span<RowWrite> rows, const PositionsInView& positions);

  // INVALID_ARGUMENT, naming the column, if the row does not fit the view.
  absl::Status Check(const Row& row) const;

  absl::Status Rebuild();
  absl::StatusOr<ViewStatus> Status();

  // Sets a function that Rebuild calls, on its thread; null: none.
  void SetListener(std::function<void()> listener);

 private:
  absl::Status Load() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  absl::Status Begin() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  std::optional<int64_t> PositionOf(uint32_t partition) const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // Switches to the generation that is being built if it has caught up with the other one.
  void MaySwitch() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  uint64_t newest() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    return stored_.building != 0 ? stored_.building : stored_.generation;
  }

  const ViewOptions options_;
  const std::string revision_;  // Including the columns.
  const std::unique_ptr<ViewStore> store_;

  Mutex mutex_;
  StoredView stored_ ABSL_GUARDED_BY(mutex_);  // As this process knows it.

  Mutex listener_mutex_;
  std::function<void()> listener_ ABSL_GUARDED_BY(listener_mutex_);
};

}  // namespace eventhub::processor::internal
