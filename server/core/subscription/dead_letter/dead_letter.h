// The format of dead letters.
#pragma once

#include <cstdint>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "eventhub/v1/event.pb.h"
#include "eventhub/v1/hub.pb.h"
#include "storage/base/shared_bytes.h"
#include "storage/base/types.h"
#include "storage/record_batch.h"

namespace eventhub {

// An event as stored in the log: one encoded field `Event events = 15`.
struct LoggedEvent {
  SharedBytes bytes;
  int64_t append_micros;
};

// Why an event was given up; stored as attributes of the dead letter.
struct DeadLetterNote {
  std::string subscription;
  std::string topic;
  PartitionId partition;
  Offset offset;
  uint32_t attempts;
  std::string reason;
  absl::Time time;
};

// A dead letter: a copy of the event, for one pipeline that gave up on it.
struct DeadLetterCopy {
  SharedBytes bytes;     // One encoded field `Event events = 15`.
  std::string fault_id;  // See wire::FaultId.
};

// Adds the note and a detail to the event, which yields a dead letter. An event that is a dead
// letter already keeps its notes: the names of the first have no number, those of later ones are
// numbered (`deadletter2reason`), up to kMaxDeadLetterNotes; beyond that the last note is replaced.
inline constexpr int kMaxDeadLetterNotes = 8;
absl::StatusOr<DeadLetterCopy> MakeDeadLetter(const LoggedEvent& event, const DeadLetterNote& note,
                                              const v1::FaultDetail& detail);

// Decodes an event as stored in the log.
absl::StatusOr<v1::Event> ParseLogged(const LoggedEvent& logged);

// Returns the event of a dead letter without its last note: as it was in the subscription's topic.
absl::StatusOr<v1::Event> EventOfDeadLetter(const LoggedEvent& letter);

// Like EventOfDeadLetter, as a batch in place of the batch that the event came from.
absl::StatusOr<RecordBatchPtr> BatchOfDeadLetter(const LoggedEvent& letter, Offset offset);

}  // namespace eventhub
