// Views: tables that pipelines materialize from events, and where they are kept.
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
  // Which of two rows is newer: the one with the greater version. E.g. a revision of the entity, or
  // the time of the fact. Unset: when the hub appended the event, in microseconds. All rows of a
  // view should have versions of one kind. Equal versions are ordered by the events' offsets.
  std::optional<int64_t> version{};
  // The row is removed from the view. Its key and version are kept, so that an older event that
  // comes late does not bring it back.
  bool deleted = false;
};

// What events mean to a view that it has seen before, because somebody moved the subscription back,
// restored the hub from a backup, or replays events.
enum class OnRewind {
  // They are applied again: an event rewrites its row unless a newer event wrote it. Repairs rows
  // after a mistake was corrected in the pipeline. Does not remove rows that it no longer writes.
  kReapply,
  // A move back (not a replay, which repeats only a part) makes a new view beside the old one: from
  // all events that the topic keeps, or from where the subscription was moved to, see
  // `ViewOptions::history`. The old view stays as it is and is what readers see, until the new one
  // has got as far; then they are switched in one write. Events of a replay are applied again.
  kRebuild,
  // They change nothing. They are counted, see PipelineCounters::rows_stale.
  kIgnore,
};

struct ViewOptions {
  // 1 to 50 of `a-z 0-9 _`, beginning with a letter. In SQL, readers select from it by this name.
  std::string name{};
  // 1 to 100, with different names. The key is a column, too, with the name `key`.
  std::vector<Column> columns{};

  OnRewind on_rewind = OnRewind::kReapply;

  // Names the rule that makes the view, at most 100 bytes. A view that was made under another
  // revision, or with other columns, is rebuilt as by kRebuild: change the revision together with
  // the pipeline.
  std::string revision{};

  // Whether a new view, and one that is rebuilt, begins with all events that the topic keeps.
  // False: with what the subscription delivers from now on.
  bool history = true;
};

struct MaterializeOptions {
  // How many rows are written in one transaction, at least 1; those of one event are not divided.
  // While one is in progress, the next is gathered, so that nothing waits for a batch to fill.
  size_t max_rows = 1000;
};

struct ViewStatus {
  uint64_t generation = 0;  // Of the view that readers see: how often it was built.
  bool building = false;    // Another one is being built.
};

// A table of rows by key, and in the same store, committed in the same write, how far in the log it
// is. Thread-safe; methods block on the store.
//
// Give it to a pipeline's Materialize, of one processor at a time in this process. Several
// processes may share a view in PostgreSQL, and should share none in the others.
//
// Every event has its effect on the view, whatever crashes, and no older event overwrites what a
// newer one wrote (an inverse optimistic lock). A row is written before the event is settled. When
// a partition is assigned to a processor, its view is first brought up to the assigned position: it
// reads back what it does not have, e.g. because another process had the partition, or because the
// store was lost. Meanwhile the events of the partition wait, with their leases alive, and the
// state of the pipeline tells the progress. So a step that reads a view sees all events before its
// own, up to those that are in progress in the same processor.
//
// A view in a process's own files has the partitions that were assigned to the process; use a
// STREAM subscription. On a QUEUE, whose consumers share partitions, share the view, too.
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

  // Begins to build the view anew beside the present one, as kRebuild does. The processor that
  // writes it notices at its next event, or before.
  absl::Status Rebuild();

  absl::StatusOr<ViewStatus> status() const;

  const ViewOptions& options() const;

  // For the engine.
  internal::ViewCore& core() const { return *core_; }

 private:
  const std::unique_ptr<internal::ViewCore> core_;
};

}  // namespace eventhub::processor
