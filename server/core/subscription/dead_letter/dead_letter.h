// Reading events for subscriptions off the log, and the form of dead letters.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "eventhub/v1/event.pb.h"
#include "server/core/subscription/cursor/partition_cursor.h"
#include "server/core/topic/topic_catalog.h"
#include "storage/base/shared_bytes.h"
#include "storage/log_store.h"
#include "storage/partition_log.h"
#include "storage/record_batch.h"

namespace eventhub {

// An event as it lies in the log: one encoded field `Event events = 15`.
struct LoggedEvent {
  SharedBytes bytes;
  int64_t append_micros;
};

// Appends the batches that hold the range, from memory or the disk, as far as they have about
// `max_bytes`, but at least one. One that is not `wanted` may come without its events. NOT_FOUND: a
// part was trimmed.
absl::Status ReadBatches(const LogStore& store, PartitionLog& log, Offset from, Offset end,
                         size_t max_bytes, std::vector<RecordBatchPtr>* batches,
                         WantedBatches wanted = AnyBatch);

// The event of a batch at an offset that it has.
LoggedEvent EventOf(const RecordBatch& batch, PartitionId partition, Offset offset);

// The dead letter at a place. NOT_FOUND if its topic was deleted, or it was trimmed; UNAVAILABLE
// while the topic is being deleted.
absl::StatusOr<LoggedEvent> ReadPlace(const TopicCatalog& topics, const LogStore& store,
                                      const DeadLetterPlace& place);

// Why an event was given up; becomes its attributes.
struct DeadLetterNote {
  std::string subscription;
  std::string topic;
  PartitionId partition;
  Offset offset;
  uint32_t attempts;
  std::string reason;
  absl::Time time;
};

// The event with the note added, as it goes into the dead-letter topic. An event that is a dead
// letter already keeps its notes: the first one has the names without a number, the further ones
// are numbered (`deadletter2reason`), up to kMaxDeadLetterNotes; then the last one is replaced.
inline constexpr int kMaxDeadLetterNotes = 8;
absl::StatusOr<SharedBytes> MakeDeadLetter(const LoggedEvent& event, const DeadLetterNote& note);

// The event as it lies in the log.
absl::StatusOr<v1::Event> ParseLogged(const LoggedEvent& logged);

// The event of a dead letter, without its last note: as it was in the subscription's topic.
absl::StatusOr<v1::Event> EventOfDeadLetter(const LoggedEvent& letter);

// The same, as a batch that stands for the one it came from.
absl::StatusOr<RecordBatchPtr> BatchOfDeadLetter(const LoggedEvent& letter, Offset offset);

}  // namespace eventhub
