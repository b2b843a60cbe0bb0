// Moves due events from the store into their topic's log, in pieces.
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

// Due events of one topic, ordered by due time.
struct DuePiece {
  std::vector<std::string> keys;
  std::vector<std::optional<PartitionId>> partitions;  // The partitions that the requests named.
  SharedBytes events;
  EventScan scan;  // Of `events`.
  // The due time of the first event after the piece; nullopt if there is none.
  std::optional<int64_t> next_due;
};

// Reads events that are due at `now`, starting with `from` (both in microseconds), up to the size
// of a piece.
absl::StatusOr<DuePiece> ReadDue(const LogStore& store, const Topic& topic, int64_t from,
                                 int64_t now);

// Runs before ReadDue: see DelayedTable::BeginReading.
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

// Appends a piece like a publisher, and removes its events from the delayed ones in the same write:
// no event is lost or duplicated. Events cancelled since the piece was read are omitted. If the
// topic refuses, perhaps temporarily, the whole piece stays stored.
class ReleaseTask final : public CommitTask {
 public:
  // Plans the copies of the events, so it must not be called on the commit thread.
  ReleaseTask(DelayedTable& table, std::shared_ptr<Topic> topic, DuePiece piece, StatusDone done);

  Readiness readiness() override;
  void Renew() override { RenewPlan(append_); }
  void BeginRenewal() override { eventhub::BeginRenewal(absl::MakeSpan(&append_, 1)); }
  void EndRenewal() override { eventhub::EndRenewal(absl::MakeSpan(&append_, 1)); }
  void Refuse() override;
  uint64_t renewal_lane() const override { return append_.topic->id().value(); }
  void Prepare(CommitBuilder& commit) override;
  void Done(const absl::Status& status) override;
  size_t bytes() const override { return BytesOf(append_.publish); }
  // Regardless of the topic's default: an event may have been published as synced, and an event
  // that readers have seen must not be undone.
  bool synced() const override { return true; }

 private:
  absl::Status Release(CommitBuilder& commit);
  // Distributes the events with these indices in the piece over the partitions.
  CheckedPublish Distribute(const std::vector<size_t>& indices) const;
  // Removes the events that were cancelled.
  void LeaveOutCancelled();

  DelayedTable& table_;
  TopicAppend append_;
  DuePiece piece_;
  StatusDone done_;
  absl::Status refused_;
};

}  // namespace eventhub
