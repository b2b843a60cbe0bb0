// Writes the rows of one Materialize step, batch by batch.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <string>
#include <vector>

#include "absl/functional/any_invocable.h"
#include "absl/status/status.h"
#include "absl/time/time.h"
#include "eventhub/processor/internal/call_gate.h"
#include "eventhub/processor/internal/unit.h"
#include "eventhub/processor/view.h"
#include "eventhub/processor/view_store.h"

namespace eventhub::processor::internal {

class Runtime;

// The rows of one unit.
class ViewItem {
 public:
  explicit ViewItem(std::vector<Row> rows) : rows_(std::move(rows)) {}
  virtual ~ViewItem() = default;

  virtual const AnyUnit& unit() const = 0;
  // Called when the view has the rows, or newer ones. The item is destroyed afterwards.
  virtual void Done() = 0;

 private:
  friend class ViewWriter;

  std::vector<Row> rows_;
  size_t count_ = 0;      // Of rows, also while they are being written.
  absl::Duration since_;  // When it arrived.
};

using ViewItems = std::vector<std::unique_ptr<ViewItem>>;

// One write is in progress at a time; meanwhile the rows of the next one are collected. A write
// that the store fails is retried until it succeeds; a row that cannot be written fails its unit.
// If the program's part of a write fails, the batch is halved until the units that cause the
// failure are alone. Those, and later units of their lanes, then pass a gate one by one, which
// retries or fails them.
// On the strand only, except for the write itself.
class ViewWriter {
 public:
  // `runtime` must outlive it, and it must outlive the writes.
  ViewWriter(Runtime& runtime, std::string step, std::shared_ptr<View> view,
             const MaterializeOptions& options);
  ~ViewWriter();

  ViewWriter(const ViewWriter&) = delete;
  ViewWriter& operator=(const ViewWriter&) = delete;

  // INVALID_ARGUMENT if a row does not fit the view.
  absl::Status Check(const std::vector<Row>& rows) const;
  // Adds an item, in order, even without rows.
  void Add(std::unique_ptr<ViewItem> item);
  bool idle() const { return !busy_ && alone_.idle(); }

 private:
  struct Batch;
  class Alone;

  // Posts the write, so that rows that arrive together are written together.
  void WriteSoon();
  void WriteNext();
  // The next items, as many as may be written at once.
  ViewItems TakeWaiting();
  // Takes out what need not be written now.
  void Sort(ViewItems& items);
  void AddAlone(std::unique_ptr<ViewItem> item);
  std::shared_ptr<Batch> BatchOf(ViewItems items) const;
  void Start(std::shared_ptr<Batch> batch);
  // On the thread for what blocks, and then `done`.
  void Write(const std::shared_ptr<Batch>& batch, absl::AnyInvocable<void() &&> done);
  void OnWritten(const std::shared_ptr<Batch>& batch);
  // The program could not do its part.
  void OnRefused(Batch& batch);
  void PassOn(Batch& batch);
  void RetryLater(const std::shared_ptr<Batch>& batch);

  Runtime& runtime_;
  const std::string step_;
  const std::shared_ptr<View> view_;
  const MaterializeOptions options_;

  std::deque<std::unique_ptr<ViewItem>> waiting_;
  // Batches that were divided, which come before what waits.
  std::deque<ViewItems> divided_;
  bool busy_ = false;  // A write is in progress, or about to begin.
  int failures_ = 0;   // Of the store, in a row.

  CallGate alone_;  // Units that are written by themselves.
};

}  // namespace eventhub::processor::internal
