// Due events on their way from the store into their topic's log, a piece at a time.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "server/core/event/event_scanner.h"
#include "server/core/publish/delayed_table.h"
#include "server/core/publish/topic_append.h"
#include "storage/base/await.h"
#include "storage/base/shared_bytes.h"
#include "storage/log_store.h"
#include "storage/log_writer.h"

namespace eventhub {

// Events of one topic that are due, in the order of their due times.
struct DuePiece {
  std::vector<std::string> keys;
  std::vector<std::optional<PartitionId>> partitions;  // Those that requests named.
  SharedBytes events;
  EventScan scan;  // Of `events`.
  // When the first event behind the piece is due; nullopt if there is none.
  std::optional<int64_t> next_due;
};

// Reads what is due at `now`, from `from` on (both in microseconds), as far as it fits a piece.
absl::StatusOr<DuePiece> ReadDue(const LogStore& store, TopicId topic, int64_t from, int64_t now);

// Goes before ReadDue: see DelayedTable::BeginReading.
class BeginReadingTask final : public CommitTask {
 public:
  BeginReadingTask(DelayedTable& table, StatusDone done) : table_(table), done_(std::move(done)) {}

  void Prepare(CommitBuilder&) override { table_.BeginReading(); }
  void Done(const absl::Status& status) override { std::move(done_)(status); }
  size_t bytes() const override { return 0; }
  bool synced() const override { return false; }

 private:
  DelayedTable& table_;
  StatusDone done_;
};

// Appends a piece as a publisher would, and takes its events from the delayed ones in the same
// write: none is ever lost, or there twice. What was cancelled since it was read is left out. An
// error of the topic, which may pass, leaves all of the piece where it is.
class ReleaseTask final : public CommitTask {
 public:
  ReleaseTask(DelayedTable& table, std::shared_ptr<Topic> topic, DuePiece piece, StatusDone done);

  void Prepare(CommitBuilder& commit) override;
  void Done(const absl::Status& status) override;
  size_t bytes() const override { return piece_.events.size(); }
  // Whatever the topic's default is: one of them may have been published to be synced, and what
  // readers see of it must not be taken back.
  bool synced() const override { return true; }

 private:
  absl::Status Release(CommitBuilder& commit);
  // The events that are not cancelled, by partition.
  CheckedPublish Distribute();

  DelayedTable& table_;
  TopicAppend append_;
  DuePiece piece_;
  StatusDone done_;
  std::vector<std::string> released_;
  absl::Status refused_;
};

}  // namespace eventhub
