#include "eventhub/processor/internal/view_writer.h"

#include <algorithm>
#include <cmath>
#include <set>
#include <utility>

#include "absl/random/distributions.h"
#include "client/processor/views/view_core.h"
#include "eventhub/processor/internal/runtime.h"

namespace eventhub::processor::internal {
namespace {

constexpr absl::Duration kFirstDelay = absl::Milliseconds(50);
constexpr absl::Duration kLongestDelay = absl::Seconds(10);

}  // namespace

struct ViewWriter::Batch {
  std::vector<std::unique_ptr<ViewItem>> items;
  std::vector<RowWrite> rows;
  PositionsInView positions;
  absl::Duration started;
  // The result of the view.
  absl::Status status;
  uint64_t generation = 0;
};

ViewWriter::ViewWriter(Runtime& runtime, std::string step, std::shared_ptr<View> view,
                       size_t max_rows)
    : runtime_(runtime), step_(std::move(step)), view_(std::move(view)), max_rows_(max_rows) {}

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
  busy_ = false;
  if (runtime_.closing()) return;
  auto batch = std::make_shared<Batch>();
  size_t rows = 0;
  std::set<uint32_t> partitions;
  while (!waiting_.empty()) {
    ViewItem& next = *waiting_.front();
    if (rows > 0 && rows + next.count_ > max_rows_) break;
    std::unique_ptr<ViewItem> item = std::move(waiting_.front());
    waiting_.pop_front();
    runtime_.counters().waiting.Add(-1);
    if (runtime_.IsLost(item->unit())) {
      runtime_.Finish(item->unit());
      continue;
    }
    runtime_.counters().io_wait.Add(runtime_.Now() - item->since_);
    rows += item->count_;
    const Arrival& arrival = item->unit().task().trigger->arrival;
    if (!arrival.replayed) partitions.insert(arrival.partition);
    const int64_t appended = absl::ToUnixMicros(arrival.append_time);
    for (Row& row : item->rows_) {
      RowWrite& write = batch->rows.emplace_back();
      write.version = row.version.value_or(appended);
      write.offset = arrival.offset;
      write.row = std::move(row);
    }
    batch->items.push_back(std::move(item));
  }
  if (batch->rows.empty()) {
    PassOn(*batch);
    return;
  }
  batch->positions = runtime_.PositionsOf(*view_, {partitions.begin(), partitions.end()});
  runtime_.counters().batches.Add(1);
  runtime_.counters().batched_units.Add(static_cast<int64_t>(batch->items.size()));
  runtime_.counters().batch_room.Add(static_cast<int64_t>(max_rows_));
  Start(std::move(batch));
}

void ViewWriter::Start(std::shared_ptr<Batch> batch) {
  busy_ = true;
  batch->started = runtime_.Now();
  runtime_.counters().calls.Add(1);
  runtime_.Block(
      [view = view_, batch] {
        auto generation = view->core().Write(absl::MakeSpan(batch->rows), batch->positions);
        batch->status = generation.status();
        batch->generation = generation.value_or(0);
      },
      [this, batch] { OnWritten(batch); });
}

void ViewWriter::OnWritten(const std::shared_ptr<Batch>& batch) {
  Counters& counters = runtime_.counters();
  counters.io_time.Add(runtime_.Now() - batch->started);
  if (!batch->status.ok()) {
    RetryLater(batch);
    return;
  }
  if (std::exchange(failures_, 0) > 0) runtime_.SetWaiting(step_, "");
  runtime_.OnViewWritten(*view_, batch->generation);
  PassOn(*batch);
  WriteNext();
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
  const absl::Duration longest =
      std::min(kFirstDelay * std::pow(2.0, std::min(failures_ - 1, 20)), kLongestDelay);
  runtime_.At(runtime_.Now() + longest * absl::Uniform(runtime_.random(), 0.5, 1.0), [this, batch] {
    if (runtime_.closing()) return;
    runtime_.counters().retries.Add(1);
    Start(batch);
  });
}

}  // namespace eventhub::processor::internal
