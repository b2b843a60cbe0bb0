#include "client/src/publish/open_batches.h"

#include <algorithm>
#include <utility>

#include "absl/base/macros.h"

namespace eventhub::client {
namespace {

// Without linger a request is sent as soon as none is in flight. A producer that published this
// many events meanwhile is a fast one: small requests would cost it more than the moment that it
// takes to fill a larger one.
constexpr size_t kFastProducerEvents = 64;
constexpr size_t kWorthwhileBytes = 64 * 1024;
constexpr absl::Duration kGatherTime = absl::Microseconds(500);

}  // namespace

std::optional<OpenBatches::Begun> OpenBatches::Append(std::optional<uint32_t> partition,
                                                      const v1::Event& event, size_t size,
                                                      Publisher::Callback&& done) {
  const size_t bytes = Batch::FieldSize(size);
  std::optional<Begun> begun;
  std::optional<Batches::iterator> found = Find(partition, bytes);
  if (!found) {
    found = Begin(partition);
    begun = {.id = (**found)->id, .sealed = SealTime(***found)};
  }
  Batch& batch = ***found;
  batch.Append(event, size, std::move(done));
  bytes_ += bytes;
  ++events_;
  if (batch.bytes() >= options_.max_batch_bytes || batch.events() >= options_.max_batch_events) {
    Seal(*found);
  } else if (options_.linger <= absl::ZeroDuration() && queue_.empty() &&
             (!gather_until_ || bytes_ >= kWorthwhileBytes)) {
    SealAll();
  }
  return begun;
}

std::optional<OpenBatches::Batches::iterator> OpenBatches::Find(std::optional<uint32_t> partition,
                                                                size_t bytes) {
  std::optional<Batches::iterator> found;
  if (!partition) {
    found = mixed_;
  } else if (const auto it = by_partition_.find(*partition); it != by_partition_.end()) {
    found = it->second;
  }
  if (found && (**found)->bytes() + bytes > options_.max_batch_bytes) {
    Seal(*found);
    found.reset();
  }
  return found;
}

OpenBatches::Batches::iterator OpenBatches::Begin(std::optional<uint32_t> partition) {
  auto batch = std::make_unique<Batch>(next_id_++, partition, last_batch_bytes_);
  batch->opened_at = clock_.Monotonic();
  batch->deadline = batch->opened_at + options_.deadline;
  const auto open = batches_.insert(batches_.end(), std::move(batch));
  if (partition) {
    by_partition_.emplace(*partition, open);
  } else {
    mixed_ = open;
  }
  return open;
}

void OpenBatches::Seal(Batches::iterator open) {
  std::unique_ptr<Batch> batch = std::move(*open);
  batches_.erase(open);
  if (batch->partition) {
    by_partition_.erase(*batch->partition);
  } else {
    mixed_.reset();
  }
  ABSL_ASSERT(batch->bytes() <= bytes_ && batch->events() <= events_);
  bytes_ -= batch->bytes();
  events_ -= batch->events();
  // The next batch is likely to be as large, with a little to spare.
  last_batch_bytes_ = std::min(batch->bytes() + batch->bytes() / 8, options_.max_batch_bytes);
  queue_.Push(std::move(batch));
}

void OpenBatches::SealAll() {
  gather_until_.reset();
  while (!batches_.empty()) Seal(batches_.begin());
}

void OpenBatches::SealDue(absl::Duration now) {
  if (gather_until_ && *gather_until_ <= now) SealAll();
  while (!batches_.empty() && SealTime(*batches_.front()) <= now) Seal(batches_.begin());
}

void OpenBatches::SealIfIdle() {
  if (options_.linger > absl::ZeroDuration() || !queue_.empty()) return;
  if (events_ < kFastProducerEvents || bytes_ >= kWorthwhileBytes) {
    SealAll();
  } else if (!gather_until_) {
    gather_until_ = clock_.Monotonic() + kGatherTime;
  }
}

absl::Duration OpenBatches::SealTime(const Batch& batch) const {
  if (options_.linger <= absl::ZeroDuration()) return batch.deadline;
  return std::min(batch.deadline, batch.opened_at + options_.linger);
}

absl::Duration OpenBatches::next_due() const {
  absl::Duration due = batches_.empty() ? absl::InfiniteDuration() : SealTime(*batches_.front());
  if (gather_until_) due = std::min(due, *gather_until_);
  return due;
}

}  // namespace eventhub::client
