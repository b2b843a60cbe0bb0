// Provides events that are not ready to be delivered: events on disk, and batches whose events must
// be matched against a filter or a key first.
#pragma once

#include <cstddef>
#include <memory>
#include <optional>
#include <vector>

#include "absl/status/status.h"
#include "server/core/archive/history.h"
#include "server/core/event/event_filter.h"
#include "server/core/subscription/cursor/partition_cursor.h"
#include "server/core/subscription/dispatch/event_choices.h"
#include "server/core/subscription/dispatch/fetch_turn.h"
#include "server/core/topic/topic.h"
#include "server/core/topic/topic_catalog.h"
#include "storage/log_store.h"
#include "storage/record_batch.h"

namespace eventhub {

// A request for events. Self-contained: the subscription may change meanwhile.
struct EventFetch {
  size_t partition = 0;
  Candidate candidate;
  std::vector<Candidate> following;  // Likely the next ones of its flow, in ascending order.
  std::shared_ptr<const EventFilter> filter;  // Of all of them; null: none.
  bool each_is_chosen = false;                // Events are matched one by one.
  bool by_key = false;                        // By their keys, too.
  std::vector<RecordBatchPtr> batches;        // From memory; empty: read from disk.
  size_t max_bytes = 0;                       // To read from the history.

  bool in_memory() const { return !batches.empty(); }
};

struct FetchedEvents {
  absl::Status status;                  // NOT_FOUND: the first event was trimmed.
  std::vector<RecordBatchPtr> batches;  // Ascending; there may be gaps between them.
  std::optional<EventChoices> choices;  // If each event is chosen.
  // Redriven events that cannot be delivered any more: retention removed all copies, or compaction
  // removed them.
  std::vector<Offset> gone;
  bool from_disk = false;
  size_t reads = 0;  // Stored batches read from disk, or batches of the history.
  // The batches do not count from here on.
  Offset limit = Offset::Max();

  // Events from `from` on can be delivered up to this offset, at most `end`; `from`: none.
  Offset EndFrom(Offset from, Offset end) const;
};

// Runs without the subscription's mutex, since a read may block and a filter's cost depends on the
// size of the events; so the code that delivers the result first checks that it is still wanted.
// Thread-safe.
class EventSource {
 public:
  // The arguments outlive this object.
  EventSource(const LogStore& store, const TopicCatalog& topics, const Topic& topic)
      : store_(store), topics_(topics), topic_(topic) {}

  // Reads the events, unless `fetch` has some, which are moved from it; then matches them. Stops
  // when the turn is over. Blocks on the disk unless the events are in memory.
  FetchedEvents Fetch(EventFetch& fetch, FetchTurn* turn) const;

  // Likewise from the history: waits for the lake. Offsets that have no events there count as
  // removed by compaction. The status is an error of History if nothing was read.
  FetchedEvents FetchHistory(const EventFetch& fetch, History& history, FetchTurn* turn) const;

 private:
  using Ranges = std::vector<OffsetRange>;

  // Reads events from the log or, if retention removed them, from their dead letters.
  absl::Status Read(const EventFetch& fetch, FetchTurn* turn, FetchedEvents* fetched) const;
  absl::Status ReadLog(const EventFetch& fetch, const Ranges& ranges, FetchTurn* turn,
                       FetchedEvents* fetched) const;
  // Reads the dead letters of redriven events, the first one at least.
  absl::Status ReadLetters(std::vector<Candidate> redriven, FetchTurn* turn,
                           FetchedEvents* fetched) const;
  // Reads a part of the range, of about `*left` bytes, which it subtracts.
  absl::Status ReadHistory(const EventFetch& fetch, const OffsetRange& range, History& history,
                           size_t* left, FetchedEvents* fetched) const;
  static void Match(const EventFetch& fetch, FetchTurn* turn, FetchedEvents* fetched);
  // A redriven event passes every filter, so one that did not pass was removed.
  static void NoteRemoved(const EventFetch& fetch, FetchedEvents* fetched);

  const LogStore& store_;
  const TopicCatalog& topics_;
  const Topic& topic_;
};

}  // namespace eventhub
