// Where views are kept: the interface between a view's rules and a database.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "eventhub/processor/view.h"

namespace eventhub::processor {

// By partition: all events before this offset are in the view, or will be delivered to it.
using ViewPositions = std::map<uint32_t, int64_t>;

// A row to write.
struct RowWrite {
  Row row{};
  // The version in effect, and the offset of the event, which decides between equal versions.
  int64_t version = 0;
  int64_t offset = 0;

  // Set by the store. OK and `written`, OK and not `written` because the row there is newer, or an
  // error of this row alone, e.g. a constraint.
  absl::Status status{};
  bool written = false;
};

// A view's rows are kept in generations: at most one that readers see, and one that is being built.
struct StoredView {
  uint64_t generation = 0;  // What readers see; 0: there is none yet.
  uint64_t building = 0;    // 0: none.
  // Of the newest of the two; see ViewOptions.
  std::string revision{};
  ViewPositions positions{};           // Of `generation`.
  ViewPositions building_positions{};  // Of `building`.
};

// One view in a database. Thread-safe; methods block. Each method is one transaction: all of it is
// durable when it returns OK, and none of it took effect after an error, unless the connection was
// lost in a commit; then either. Errors that IsTransient (call.h) says may pass are retried.
class ViewStore {
 public:
  virtual ~ViewStore() = default;

  virtual absl::StatusOr<StoredView> Load() = 0;

  // Creates an empty generation of `revision`, which is greater than all before. It is what readers
  // see if there is none, and is being built otherwise, in place of another that was. ABORTED if it
  // is not greater, because another process began one.
  virtual absl::Status Begin(uint64_t generation, std::string_view revision) = 0;

  // Writes the rows that are newer than those that are there, or not older if `again`, and replaces
  // the positions that are given. ABORTED if the generation is neither seen nor being built.
  virtual absl::Status Write(uint64_t generation, bool again, absl::Span<RowWrite> rows,
                             const ViewPositions& positions) = 0;

  // Makes the generation that is being built what readers see, and drops the other. No effect if it
  // is not being built anymore.
  virtual absl::Status Switch(uint64_t generation) = 0;

  // See View.
  virtual absl::StatusOr<std::optional<std::vector<Value>>> Get(std::string_view key) = 0;
  virtual absl::Status ForEach(
      absl::FunctionRef<bool(std::string_view key, const std::vector<Value>& row)> visit) = 0;
};

// Checks the options, and begins the view if the store has none of this revision.
// INVALID_ARGUMENT, naming the option, if one is out of range; else the errors of the store.
absl::StatusOr<std::shared_ptr<View>> OpenView(const ViewOptions& options,
                                               std::unique_ptr<ViewStore> store);

// INVALID_ARGUMENT, naming the option, if one is out of range. For stores, which need good names.
absl::Status CheckViewOptions(const ViewOptions& options);

}  // namespace eventhub::processor
