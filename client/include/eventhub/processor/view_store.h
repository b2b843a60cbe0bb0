// The interface between the rules of a view and the database that stores it.
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
#include "absl/time/time.h"
#include "absl/types/span.h"
#include "eventhub/processor/view.h"

namespace eventhub::processor {

// By partition, an offset: each event before it is in the view, or will be delivered to it.
using ViewPositions = std::map<uint32_t, int64_t>;

// A row to write.
struct RowWrite {
  Row row{};
  // The effective version, and the offset of the event, which decides between equal versions.
  int64_t version = 0;
  int64_t offset = 0;

  // Set by the store: OK and `written`; OK and not `written`, because the stored row is newer; or
  // an error of this row alone, e.g. a violated constraint.
  absl::Status status{};
  bool written = false;
};

// The rows of a view belong to generations: at most one that readers see, and one being built.
struct StoredView {
  uint64_t generation = 0;  // The one that readers see; 0: there is none yet.
  uint64_t building = 0;    // The one being built; 0: none.
  // Of the newer of the two; see ViewOptions.
  std::string revision{};
  ViewPositions positions{};           // Of `generation`.
  ViewPositions building_positions{};  // Of `building`.
};

// Marks an error of ViewStore::Write as the program's, e.g. of a function that is called with the
// rows: the database works, but these rows cannot be written. The units of the rows are then
// written in smaller transactions; those that cause the error are retried or fail, as in other
// steps.
absl::Status ErrorOfProgram(absl::Status error);
bool IsErrorOfProgram(const absl::Status& error);

// One view in a database. Thread-safe; methods block. Each method is one transaction: if it returns
// OK, all of it is durable; after an error, none of it took effect, except that the outcome is
// unknown if the connection was lost in a commit. All errors are retried, except those marked by
// ErrorOfProgram.
class ViewStore {
 public:
  virtual ~ViewStore() = default;

  // How long each method may wait for transactions of others, from now on; see MaterializeOptions.
  // By default it has no effect.
  virtual void SetTimeout(absl::Duration timeout);

  virtual absl::StatusOr<StoredView> Load() = 0;

  // Creates an empty generation of `revision`. Its number must be greater than all earlier ones. If
  // readers see no generation yet, they see this one; otherwise it is being built, and replaces
  // another one that was being built. ABORTED if the number is not greater, because another process
  // created a generation.
  virtual absl::Status Begin(uint64_t generation, std::string_view revision) = 0;

  // Writes the rows that are newer than the stored ones (with `again`, those that are not older),
  // and replaces the given positions. ABORTED if the generation is neither seen nor being built.
  virtual absl::Status Write(uint64_t generation, bool again, absl::Span<RowWrite> rows,
                             const ViewPositions& positions) = 0;

  // Lets readers see the generation that is being built, and drops the other one. No effect if it
  // is no longer being built.
  virtual absl::Status Switch(uint64_t generation) = 0;

  // See View.
  virtual absl::StatusOr<std::optional<std::vector<Value>>> Get(std::string_view key) = 0;
  virtual absl::Status ForEach(
      absl::FunctionRef<bool(std::string_view key, const std::vector<Value>& row)> visit) = 0;
};

// Checks the options, and creates the view if the store has none of this revision.
// INVALID_ARGUMENT, naming the option, if one is out of range; otherwise the errors of the store.
absl::StatusOr<std::shared_ptr<View>> OpenView(const ViewOptions& options,
                                               std::unique_ptr<ViewStore> store);

// INVALID_ARGUMENT, naming the option, if one is out of range. For stores, which need valid names.
absl::Status CheckViewOptions(const ViewOptions& options);

}  // namespace eventhub::processor
