// The transactional outbox: a service writes its events into a table of its own database, in the
// transaction that they are about; a relay publishes them, each exactly once.
//
// This header is the part that all databases share. A relay is opened by OpenSqliteRelay
// (eventhub/sqlite_outbox.h) or OpenPostgresRelay (eventhub/postgres_outbox.h).
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "eventhub/connection.h"
#include "eventhub/outbox.h"
#include "eventhub/retry.h"
#include "eventhub/topic.h"

namespace eventhub::client {

class RelayCore;

struct OutboxRelayOptions {
  // The table. 1 to 40 of a-z 0-9 _, beginning with a letter. The relay's own tables have its name
  // and a suffix.
  std::string table = "eventhub_outbox";

  // Whether the tables are created if there are none. Otherwise, the service's migrations must
  // create them; see SqliteOutboxSchema and PostgresOutboxSchema.
  bool create_tables = true;

  // How long a committed row may go unnoticed if no notification arrives. More than 0; the default
  // is 50 ms for SQLite, where a look costs microseconds, and 1 s for PostgreSQL.
  std::optional<absl::Duration> poll_interval{};

  // What an event must survive in the hub before its row is deleted.
  Durability hub_durability = Durability::kDefault;

  // Events are sent in requests of up to this many encoded bytes (1 KiB to 3 MiB; a single event
  // may be larger).
  size_t max_batch_bytes = 256 * 1024;

  // The limits on the unacknowledged requests of one topic: their number (1 to 64) and their bytes.
  size_t max_in_flight_requests = 64;
  size_t max_in_flight_bytes = 8 * 1024 * 1024;

  // The maximum bytes of events in memory, of all topics; at least 1 MiB. Rows beyond that stay
  // unread. Each topic may exceed it by one event.
  size_t max_buffer_bytes = 32 * 1024 * 1024;

  // How long the hub may take to reply to a request; afterwards the stream is dropped and opened
  // again. More than 0; may be infinite.
  absl::Duration reply_timeout = absl::Seconds(30);

  // The delays between attempts while the hub or the database cannot be reached.
  RetryOptions retry{};

  // The delays between attempts while the hub refuses a topic for a reason that somebody must
  // resolve, e.g. because the topic does not exist.
  RetryOptions stopped_retry{.initial_delay = absl::Seconds(1), .max_delay = absl::Minutes(1)};

  // Receives one line when something happens that an operator should know: a topic stops or
  // continues, a row is set aside, the database fails. Not repeated while the state lasts. Called
  // on a thread of the relay; must be quick. Unset: standard error.
  std::function<void(std::string_view line)> log{};
};

struct OutboxRelayTopicStatus {
  std::string topic{};
  // As far as the active relay knows; kSending in a relay that stands by.
  OutboxTopicState state = OutboxTopicState::kSending;
  absl::Status last_error{};
  // Rows in the table, i.e. not known to be in the hub.
  uint64_t pending_rows = 0;
  // The creation time of the oldest of them; unset if there are none.
  std::optional<absl::Time> oldest{};
  // Rows that were set aside.
  uint64_t refused_rows = 0;
  // Events that the hub acknowledged to this relay.
  uint64_t published_events = 0;
};

struct OutboxRelayStatus {
  // Whether this relay publishes. False: another one does, or the database cannot be used.
  bool active = false;
  // Why the database could not be used the last time; OK if it could.
  absl::Status database{};
  // In total, over all topics.
  uint64_t pending_rows = 0;
  std::optional<absl::Time> oldest{};
  uint64_t refused_rows = 0;
  uint64_t published_events = 0;
  // The topics that have rows, or that this relay published to, by name.
  std::vector<OutboxRelayTopicStatus> topics{};
};

// A row that was set aside.
struct RefusedRow {
  int64_t id = 0;  // In `<table>_refused`.
  std::string topic{};
  std::string event{};  // As it is in the table.
  absl::Time created_at{};
  absl::Time refused_at{};
  // Why: INVALID_ARGUMENT if the row is not an event, otherwise the hub's error.
  absl::Status error{};
  // An earlier attempt to publish it may have succeeded.
  bool in_doubt = false;
};

// Publishes the rows of an outbox table. Thread-safe.
//
// Guarantees:
// - A row that is committed is published exactly once, whatever crashes, however often: relay, hub,
//   database or machine. A row that is rolled back is never published. Before events are sent, the
//   database has on record which rows a request consists of and its sequence number, by which the
//   hub recognizes it. Exceptions: a hub that has forgotten the producer (idle for longer than
//   `--producer_expiry`, 7 days by default) may append the events twice that were in flight when
//   the connection broke, and a database or a hub that was restored from a backup publishes, or
//   has, older events again. A `deduplication_window` on the topic covers these cases, too.
// - Events of a topic are published in the order of their ids, among the rows that are visible: if
//   one transaction saw the effect of another, its events follow. A transaction that commits late
//   is not skipped, and delays nobody.
// - A topic that the hub refuses does not delay other topics. A row that is not an event, or that
//   the hub refuses for good because of its contents, is set aside with the reason; the rows behind
//   it are published.
// - One relay at a time publishes a table, however many are open, in however many processes. The
//   others stand by, and one of them takes over when the process that published, or its connection,
//   ends.
//
// A published row is deleted, together with up to thousands of others, in the transaction that
// records the next requests; no row is updated. Rows in flight stay in the table until the hub has
// confirmed them.
//
// Memory: `max_buffer_bytes`. Threads: two, and one that listens in PostgreSQL. An idle relay runs
// one cheap query per `poll_interval`.
class OutboxRelay {
 public:
  // For OpenSqliteRelay and OpenPostgresRelay.
  explicit OutboxRelay(std::shared_ptr<RelayCore> core);

  // Stops. Rows that are not in the hub remain in the table, for the next relay.
  ~OutboxRelay();

  OutboxRelay(const OutboxRelay&) = delete;
  OutboxRelay& operator=(const OutboxRelay&) = delete;

  // Looks at the table now: call it after a commit, to publish without waiting for the next poll.
  // Cheap; does not block.
  void Notify();

  // Returns OK when all rows that were committed before the call are in the hub or set aside, and
  // deleted from the table. DEADLINE_EXCEEDED after `timeout`, naming the reason.
  absl::Status Drain(absl::Duration timeout = absl::InfiniteDuration());

  // Counts the rows, in the database: its cost grows with the rows that are pending. If the
  // database cannot be used, the counts are 0 and `database` says why.
  OutboxRelayStatus status() const;

  // Retries a topic at once, and takes the producer's name back if a copy of the database has taken
  // it over. NOT_FOUND if this relay does not publish rows of the topic.
  absl::Status Retry(std::string_view topic);

  // Passes the rows of a topic that were set aside, oldest first, until `visit` returns an error,
  // which is then returned. An empty topic: all topics.
  absl::Status ForEachRefused(std::string_view topic,
                              absl::FunctionRef<absl::Status(const RefusedRow& row)> visit) const;

  // Puts the rows of a topic that were set aside back into the table, behind all others, in several
  // transactions; returns how many.
  absl::StatusOr<uint64_t> RetryRefused(std::string_view topic);

  // Deletes the rows of a topic that were set aside; returns how many. They cannot be restored. For
  // one row: DELETE FROM <table>_refused WHERE id = …
  absl::StatusOr<uint64_t> DiscardRefused(std::string_view topic);

 private:
  const std::shared_ptr<RelayCore> core_;
};

}  // namespace eventhub::client
