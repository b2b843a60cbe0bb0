// The hub's clock when it last ran: a start compares the system's clock with it.
#pragma once

#include <optional>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "storage/log_store.h"
#include "storage/log_writer.h"

namespace eventhub {

// Returns the last recorded time; nullopt if none was recorded.
absl::StatusOr<std::optional<absl::Time>> ReadNotedTime(const LogStore& store);

// Records the time of its commit. Nobody waits for it.
class NoteTimeTask final : public CommitTask {
 public:
  void Prepare(CommitBuilder& commit) override;
  void Done(const absl::Status&) override {}
  size_t bytes() const override { return 0; }
  bool synced() const override { return false; }
};

}  // namespace eventhub
