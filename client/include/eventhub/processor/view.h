// Views: tables that pipelines materialize from events.
//
// Open one with the header of its store: rocksdb_view.h, sqlite_view.h, postgres_view.h. A store of
// your own implements ViewStore (view_store.h).
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "eventhub/processor/call.h"

namespace eventhub::processor {

namespace internal {
class ViewCore;
}  // namespace internal

// A value of a column; std::monostate is NULL.
using Value = std::variant<std::monostate, int64_t, double, std::string>;

enum class ColumnType { kInteger, kReal, kText, kBlob };

struct Column {
  // 1 to 50 of `a-z 0-9 _`, beginning with a letter; not `key`.
  std::string name{};
  ColumnType type = ColumnType::kText;

  friend bool operator==(const Column&, const Column&) = default;
};

// A row of a view, as a Materialize step writes it: all columns at once.
//
//     Row{.key = order.sku, .values = {order.quantity, order.location}}
//     Row::Delete(order.sku)
struct Row {
  static Row Delete(std::string key, std::optional<int64_t> version = std::nullopt) {
    return {.key = std::move(key), .version = version, .deleted = true};
  }

  // Identifies the row; UTF-8, 1 to 1,024 bytes without NUL.
  std::string key{};
  // One for each column, in order; none if `deleted`. NULL fits each type, an int64_t also kReal.
  std::vector<Value> values{};
  // Of two rows, the one with the greater version is newer. E.g. a revision of the entity, or the
  // time of the fact. Unset: the append time of the event, in microseconds. All rows of a view
  // should have versions of one kind. Equal versions are ordered by the events' offsets.
  std::optional<int64_t> version{};
  // Removes the row from the view. Its key and version are kept, so that a late, older event does
  // not bring it back.
  bool deleted = false;
};

// What a view does with events that it has already applied, after the subscription was moved back,
// the hub was restored from a backup, or events were replayed.
enum class OnRewind {
  // Applies them again: an event rewrites its row unless a newer event wrote it. Repairs rows after
  // a mistake in the pipeline was corrected. Does not remove rows that the pipeline no longer
  // writes.
  kReapply,
  // After a move back (not a replay, which repeats only a part), builds a new view beside the old
  // one: from all events that the topic keeps, or from the position to which the subscription was
  // moved, see `ViewOptions::history`. Readers see the unchanged old view until the new one has
  // caught up; then one write switches them. Events of a replay are applied again.
  kRebuild,
  // Changes nothing, and counts them, see PipelineCounters::rows_stale.
  kIgnore,
};

struct ViewOptions {
  // 1 to 50 of `a-z 0-9 _`, beginning with a letter. In SQL, readers select from it by this name.
  std::string name{};
  // 1 to 100, with different names. The key is a column, too, with the name `key`.
  std::vector<Column> columns{};

  OnRewind on_rewind = OnRewind::kReapply;

  // Names the version of the rule that makes the view, at most 100 bytes. A view that was made
  // under another revision, or with other columns, is rebuilt as by kRebuild. So change the
  // revision together with the pipeline.
  std::string revision{};

  // Whether a new or rebuilt view begins with all events that the topic keeps. False: with the
  // events that the subscription delivers from now on.
  bool history = true;
};

struct MaterializeOptions {
  // The maximum number of rows in one transaction, at least 1; the rows of one event are not
  // divided. While one transaction is in progress, the next is collected, so no row waits for a
  // batch to fill.
  size_t max_rows = 5000;

  // How long a write may wait for transactions of others that have locked what it needs, 1 ms to
  // 1 min; then it is tried again later. For SQLite, PostgreSQL, and stores of your own that wait;
  // it holds for all that is done with the view from then on.
  absl::Duration timeout = absl::Seconds(1);

  // What becomes of errors of the function, and of what a store calls in its transactions
  // (`in_transaction`): as in other steps. Writes that the store fails are tried again with these
  // delays, too, but without end: an outage of a database makes no faults.
  CallRetry retry{};
  CircuitBreaker breaker{};
};

struct ViewStatus {
  uint64_t generation = 0;  // Of the view that readers see; counts how often it was built.
  bool building = false;    // Whether another generation is being built.
};

// A table of rows by key. The same store has its position in the log, which is committed in the
// same write as the rows. Thread-safe; methods block on the store.
//
// Pass it to the Materialize step of one processor at a time in this process. Several processes may
// share a view in PostgreSQL, but not in the other stores.
//
// Every event takes effect on the view despite crashes, and an older event never overwrites the row
// of a newer one (an inverse optimistic lock). A row is written before the event is settled. When a
// partition is assigned to a processor, its view is first brought up to the assigned position: the
// processor reads back events that the view lacks, e.g. because another process had the partition,
// or because the store was lost. Meanwhile the new events of the partition wait, their leases are
// extended, and the state of the pipeline shows the progress. So a step that reads a view sees all
// events before its own, except those that are in progress in the same processor.
//
// A view in the files of a process has only the partitions that were assigned to the process; use a
// STREAM subscription. The consumers of a QUEUE share partitions, so they must also share the view.
class View {
 public:
  // For stores. INVALID_ARGUMENT, naming the option, if one is out of range; else the errors of the
  // store.
  explicit View(std::unique_ptr<internal::ViewCore> core);
  ~View();

  View(const View&) = delete;
  View& operator=(const View&) = delete;

  // The values of a row; unset if there is none.
  absl::StatusOr<std::optional<std::vector<Value>>> Get(std::string_view key) const;

  // Passes the rows to `visit`, by key, until it returns false. `visit` must not use the view.
  absl::Status ForEach(
      absl::FunctionRef<bool(std::string_view key, const std::vector<Value>& row)> visit) const;

  // Starts a rebuild beside the present view, as kRebuild does. The processor that writes the view
  // begins it at its next event, or earlier.
  absl::Status Rebuild();

  absl::StatusOr<ViewStatus> status() const;

  const ViewOptions& options() const;

  // For the engine.
  internal::ViewCore& core() const { return *core_; }

 private:
  const std::unique_ptr<internal::ViewCore> core_;
};

}  // namespace eventhub::processor
