#include "eventhub/processor/internal/view_writer.h"

#include <algorithm>
#include <iterator>
#include <set>
#include <utility>

#include "client/processor/views/view_core.h"
#include "eventhub/processor/internal/runtime.h"

namespace eventhub::processor::internal {
namespace {

uint64_t LaneOfItem(const ViewItem& item) { return item.unit().lane; }

CallOptions ForAlone(const MaterializeOptions& options) {
  return {.parallel = 1,
          .timeout = absl::InfiniteDuration(),  // A write cannot be given up.
          .retry = options.retry,
          .breaker = options.breaker};
}

}  // namespace

struct ViewWriter::Batch {
  ViewItems items;
  std::set<uint32_t> partitions;
  std::vector<RowWrite> rows;
  PositionsInView positions;
  absl::Duration started;
  // The result of the view.
  absl::Status status;
  uint64_t generation = 0;

  // Gives the rows back, so that other batches can be made of the items.
  ViewItems Divide() {
    size_t at = 0;
    for (std::unique_ptr<ViewItem>& item : items) {
      for (Row& row : item->rows_) row = std::move(rows[at++].row);
    }
    return std::move(items);
  }
};

// A unit that is written by itself.
class ViewWriter::Alone final : public CallItem {
 public:
  Alone(ViewWriter& writer, std::shared_ptr<Batch> batch)
      : writer_(writer), batch_(std::move(batch)) {}

  bool DropLost() override {
    if (!writer_.runtime_.IsLost(unit())) return false;
    writer_.runtime_.Finish(unit());
    return true;
  }
  std::unique_ptr<Attempt> NewAttempt() override {
    return std::make_unique<TypedAttempt<absl::Status>>();
  }
  Ref<Counted> arguments() const override { return {}; }
  void Invoke(Attempt& attempt) override {
    Answer<absl::Status> answer(static_cast<TypedAttempt<absl::Status>*>(&attempt));
    if (batch_->rows.empty()) {
      answer(absl::OkStatus());
      return;
    }
    writer_.Write(
        batch_, [batch = batch_, answer = std::move(answer)]() mutable { answer(batch->status); });
  }
  Verdict Take(Attempt& attempt, int attempts) override {
    const absl::Status& status = static_cast<TypedAttempt<absl::Status>&>(attempt).result();
    if (status.ok()) {
      if (!batch_->rows.empty()) {
        writer_.runtime_.OnViewWritten(*writer_.view_, batch_->generation);
      }
      writer_.PassOn(*batch_);
      return {};
    }
    const bool of_program = IsErrorOfProgram(status);
    if (!of_program || writer_.alone_.Retryable(status)) {
      return {.retry = status, .answered = false, .counts = of_program};
    }
    GiveUp(status, attempts);
    return {};
  }
  void GiveUp(const absl::Status& error, int attempts) override {
    writer_.runtime_.Fail(unit(), writer_.step_, error, attempts);
  }
  void GiveUpThrown(int attempts) override {
    writer_.runtime_.FailThrown(unit(), writer_.step_, attempts);
  }

 private:
  const AnyUnit& unit() const { return batch_->items[0]->unit(); }

  ViewWriter& writer_;
  const std::shared_ptr<Batch> batch_;
};

ViewWriter::ViewWriter(Runtime& runtime, std::string step, std::shared_ptr<View> view,
                       const MaterializeOptions& options)
    : runtime_(runtime),
      step_(std::move(step)),
      view_(std::move(view)),
      options_(options),
      alone_(runtime, step_, ForAlone(options)) {
  view_->core().store().SetTimeout(options_.timeout);
}

ViewWriter::~ViewWriter() = default;

absl::Status ViewWriter::Check(const std::vector<Row>& rows) const {
  for (const Row& row : rows) {
    if (absl::Status status = view_->core().Check(row); !status.ok()) return status;
  }
  return absl::OkStatus();
}

void ViewWriter::Add(std::unique_ptr<ViewItem> item) {
  item->since_ = runtime_.Now();
  item->count_ = item->rows_.size();
  runtime_.counters().waiting.Add(1);
  waiting_.push_back(std::move(item));
  if (!busy_) WriteSoon();
}

void ViewWriter::WriteSoon() {
  busy_ = true;
  runtime_.Post([this] { WriteNext(); });
}

void ViewWriter::WriteNext() {
  if (runtime_.closing()) return;
  busy_ = true;  // Also while items are passed on, which may bring others.
  while (!divided_.empty() || !waiting_.empty()) {
    ViewItems items;
    if (divided_.empty()) {
      items = TakeWaiting();
    } else {
      items = std::move(divided_.front());
      divided_.pop_front();
    }
    Sort(items);
    const std::shared_ptr<Batch> batch = BatchOf(std::move(items));
    if (!batch->rows.empty()) {
      runtime_.counters().batches.Add(1);
      runtime_.counters().batched_units.Add(static_cast<int64_t>(batch->items.size()));
      runtime_.counters().batch_room.Add(static_cast<int64_t>(options_.max_rows));
      Start(batch);
      return;
    }
    PassOn(*batch);
  }
  busy_ = false;
}

ViewItems ViewWriter::TakeWaiting() {
  ViewItems items;
  size_t rows = 0;
  const absl::Duration now = runtime_.Now();
  while (!waiting_.empty()) {
    const ViewItem& next = *waiting_.front();
    if (rows > 0 && rows + next.count_ > options_.max_rows) break;
    rows += next.count_;
    runtime_.counters().waiting.Add(-1);
    runtime_.counters().io_wait.Add(now - next.since_);
    items.push_back(std::move(waiting_.front()));
    waiting_.pop_front();
  }
  return items;
}

void ViewWriter::Sort(ViewItems& items) {
  const auto taken_out = [this](std::unique_ptr<ViewItem>& item) {
    if (runtime_.IsLost(item->unit())) {
      runtime_.Finish(item->unit());
    } else if (alone_.Holds(LaneOfItem(*item))) {
      AddAlone(std::move(item));
    } else {
      return false;
    }
    return true;
  };
  size_t kept = 0;
  for (std::unique_ptr<ViewItem>& item : items) {
    if (!taken_out(item)) std::swap(items[kept++], item);
  }
  items.resize(kept);
}

void ViewWriter::AddAlone(std::unique_ptr<ViewItem> item) {
  const uint64_t lane = LaneOfItem(*item);
  ViewItems one;
  one.push_back(std::move(item));
  alone_.Add(std::make_unique<Alone>(*this, BatchOf(std::move(one))), lane);
}

std::shared_ptr<ViewWriter::Batch> ViewWriter::BatchOf(ViewItems items) const {
  auto batch = std::make_shared<Batch>();
  batch->items = std::move(items);
  batch->rows.reserve(batch->items.size());
  for (const std::unique_ptr<ViewItem>& item : batch->items) {
    const Arrival& arrival = item->unit().task().trigger->arrival;
    if (!arrival.replayed) batch->partitions.insert(arrival.partition);
    const int64_t appended = absl::ToUnixMicros(arrival.append_time);
    for (Row& row : item->rows_) {
      RowWrite& write = batch->rows.emplace_back();
      write.version = row.version.value_or(appended);
      write.offset = arrival.offset;
      write.row = std::move(row);
    }
  }
  return batch;
}

void ViewWriter::Start(std::shared_ptr<Batch> batch) {
  runtime_.counters().calls.Add(1);
  batch->started = runtime_.Now();
  Write(batch, [this, batch] { OnWritten(batch); });
}

void ViewWriter::Write(const std::shared_ptr<Batch>& batch, absl::AnyInvocable<void() &&> done) {
  batch->positions =
      runtime_.PositionsOf(*view_, {batch->partitions.begin(), batch->partitions.end()});
  runtime_.Block(
      [view = view_, batch] {
        auto generation = view->core().Write(absl::MakeSpan(batch->rows), batch->positions);
        batch->status = generation.status();
        batch->generation = generation.value_or(0);
      },
      std::move(done));
}

void ViewWriter::OnWritten(const std::shared_ptr<Batch>& batch) {
  runtime_.counters().io_time.Add(runtime_.Now() - batch->started);
  const bool refused = IsErrorOfProgram(batch->status);
  if (!batch->status.ok() && !refused) {
    RetryLater(batch);
    return;
  }
  if (std::exchange(failures_, 0) > 0) runtime_.SetWaiting(step_, "");
  if (refused) {
    OnRefused(*batch);
  } else {
    alone_.CountSuccess();
    runtime_.OnViewWritten(*view_, batch->generation);
    PassOn(*batch);
  }
  WriteNext();
}

void ViewWriter::OnRefused(Batch& batch) {
  ViewItems items = batch.Divide();
  if (items.size() > 1) {
    const auto middle = items.begin() + static_cast<std::ptrdiff_t>(items.size() / 2);
    ViewItems second(std::make_move_iterator(middle), std::make_move_iterator(items.end()));
    items.erase(middle, items.end());
    divided_.push_front(std::move(second));
    divided_.push_front(std::move(items));
    return;
  }
  if (!alone_.Retryable(batch.status)) {
    runtime_.Fail(items[0]->unit(), step_, batch.status);
    return;
  }
  const uint64_t lane = LaneOfItem(*items[0]);
  alone_.AddFailed(std::make_unique<Alone>(*this, BatchOf(std::move(items))), lane, batch.status);
}

void ViewWriter::PassOn(Batch& batch) {
  Counters& counters = runtime_.counters();
  size_t at = 0;
  for (std::unique_ptr<ViewItem>& item : batch.items) {
    absl::Status status;
    for (const size_t end = at + item->count_; at < end; ++at) {
      const RowWrite& write = batch.rows[at];
      status.Update(write.status);
      if (write.status.ok()) (write.written ? counters.rows : counters.rows_stale).Add(1);
    }
    if (status.ok()) {
      item->Done();
    } else {
      runtime_.Fail(item->unit(), step_, status);
    }
    item.reset();
  }
}

void ViewWriter::RetryLater(const std::shared_ptr<Batch>& batch) {
  ++failures_;
  runtime_.SetWaiting(step_, std::string(batch->status.message()));
  const absl::Duration delay = RetryDelay(options_.retry, failures_, runtime_.random());
  runtime_.At(runtime_.Now() + delay, [this, batch] {
    if (runtime_.closing()) return;
    runtime_.counters().retries.Add(1);
    Start(batch);
  });
}

}  // namespace eventhub::processor::internal
