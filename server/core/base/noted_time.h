// The time that the hub's clock had when it ran last: what a start measures the system's clock by.
#pragma once

#include <optional>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "storage/log_store.h"
#include "storage/log_writer.h"

namespace eventhub {

// The time that was noted last; nullopt if none was.
absl::StatusOr<std::optional<absl::Time>> ReadNotedTime(const LogStore& store);

// Notes the time of its commit. Nobody waits for it.
class NoteTimeTask final : public CommitTask {
 public:
  void Prepare(CommitBuilder& commit) override;
  void Done(const absl::Status&) override {}
  size_t bytes() const override { return 0; }
  bool synced() const override { return false; }
};

}  // namespace eventhub
