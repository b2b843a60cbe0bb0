#include "client/src/read/reader_core.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "client/src/base/failure.h"
#include "eventhub/error.h"
#include "eventhub/v1/hub.pb.h"
#include "proto/wire/field_reader.h"
#include "storage/base/status_macros.h"

namespace eventhub::client {
namespace {

absl::Status MalformedResponse() {
  return absl::DataLossError("the hub sent a malformed read response");
}

bool ParsePosition(std::string_view message, PartitionOffset& position) {
  v1::PartitionOffset parsed;
  if (!parsed.ParseFromArray(message.data(), static_cast<int>(message.size()))) return false;
  position.partition = parsed.partition();
  position.offset = parsed.offset();
  position.run = parsed.run();
  return true;
}

}  // namespace

ReaderCore::ReaderCore(std::shared_ptr<Connection> connection, ReaderOptions options,
                       const Clock& clock)
    : connection_(std::move(connection)),
      options_(std::move(options)),
      clock_(clock),
      reconnect_(options_.retry, options_.reconnect_deadline,
                 absl::StrCat("read topic ", options_.topic)),
      retry_at_(clock.Monotonic()) {
  for (const PartitionOffset& position : options_.offsets) {
    positions_[position.partition] = {position.offset, position.run};
  }
}

ReaderCore::~ReaderCore() = default;

absl::StatusOr<EventBatch> ReaderCore::Next(absl::Duration timeout) {
  const absl::Duration deadline = Now() + timeout;
  for (;;) {
    if (cancelled()) return absl::CancelledError("the reader was cancelled");
    if (!queue_.empty()) return HandOut();
    if (!final_.ok()) return final_;
    if (done_) {
      EventBatch end;
      end.done_ = true;
      return end;
    }
    if (stream_ == nullptr) {
      if (Now() < retry_at_) WaitForRetry(deadline);
      if (Now() >= retry_at_) Open();
    } else {
      Bytes frame;
      switch (stream_->Read(std::max(deadline - Now(), absl::ZeroDuration()), frame)) {
        case ReadStream::Outcome::kFrame:
          final_ = TakeFrame(frame);
          continue;
        case ReadStream::Outcome::kClosed:
          final_ = OnClosed(stream_->status());
          continue;
        case ReadStream::Outcome::kTimeout:
          break;
      }
    }
    if (Now() >= deadline && !cancelled()) {
      return absl::DeadlineExceededError(
          absl::StrCat("no event of topic ", options_.topic, " arrived in time"));
    }
  }
}

bool ReaderCore::cancelled() const {
  MutexLock lock(waiter_->mutex);
  return waiter_->cancelled;
}

void ReaderCore::Cancel() {
  {
    MutexLock lock(waiter_->mutex);
    waiter_->cancelled = true;
    if (stream_ != nullptr) stream_->Cancel();
  }
  waiter_->changed.NotifyAll();
}

void ReaderCore::Open() {
  std::unique_ptr<ReadStream> stream = connection_->read_streams().OpenReadStream(MakeSpec());
  MutexLock lock(waiter_->mutex);
  if (waiter_->cancelled) stream->Cancel();
  stream_ = std::move(stream);
}

ReadSpec ReaderCore::MakeSpec() const {
  ReadSpec spec;
  spec.topic = options_.topic;
  spec.partitions = options_.partitions;
  // Once reading has begun, an unknown partition was added later: read all of it.
  spec.start = started_ ? StartPosition::Earliest() : options_.start;
  spec.offsets = positions();
  spec.stop_offset = options_.stop_offset;
  spec.stop_time = options_.stop_time;
  spec.follow = options_.follow;
  spec.max_response_bytes = options_.max_response_bytes;
  spec.filter = options_.filter;
  spec.report_passed = options_.report_passed;
  spec.as_stored = options_.as_stored;
  return spec;
}

absl::Status ReaderCore::TakeFrame(const Bytes& frame) {
  bool caught_up = false;
  wire::FieldReader field(frame.view);
  while (field.Next()) {
    if (field.Is(v1::ReadResponse::kBatchesFieldNumber)) {
      absl::StatusOr<EventBatch> batch = EventBatch::Parse(frame, field.bytes());
      if (!batch.ok()) return batch.status();
      if (!batch->empty()) queue_.push_back(*std::move(batch));
    } else if (field.Is(v1::ReadResponse::kCaughtUpFieldNumber, wire::WireType::kVarint)) {
      caught_up = field.value() != 0;
    } else if (field.Is(v1::ReadResponse::kStartFieldNumber)) {
      PartitionOffset position;
      if (!ParsePosition(field.bytes(), position)) return MalformedResponse();
      positions_.try_emplace(position.partition, Place{position.offset, position.run});
      starts_.try_emplace(position.partition, position.offset);
      started_ = true;
    } else if (field.Is(v1::ReadResponse::kPassedFieldNumber)) {
      PartitionOffset position;
      if (!ParsePosition(field.bytes(), position)) return MalformedResponse();
      passed_.push_back(position);
    }
  }
  if (!field.ok()) return MalformedResponse();
  reconnect_.OnConnected();
  if (queue_.empty()) TakePassed();
  if (caught_up) {
    if (queue_.empty()) queue_.emplace_back();
    queue_.back().caught_up_ = true;
  }
  return absl::OkStatus();
}

EventBatch ReaderCore::HandOut() {
  EventBatch batch = std::move(queue_.front());
  queue_.pop_front();
  if (!batch.empty()) positions_[batch.partition()] = {batch.last_offset() + 1, batch.run()};
  if (queue_.empty()) TakePassed();
  return batch;
}

void ReaderCore::TakePassed() {
  for (const PartitionOffset& position : passed_) {
    positions_[position.partition] = {position.offset, position.run};
  }
  passed_.clear();
}

absl::Status ReaderCore::OnClosed(const absl::Status& status) {
  {
    MutexLock lock(waiter_->mutex);
    stream_.reset();
  }
  // Only a read with an end can end normally; otherwise the connection was closed.
  if (status.ok() && (!options_.follow || options_.stop_offset || options_.stop_time)) {
    done_ = true;
    return absl::OkStatus();
  }
  if (status.code() == absl::StatusCode::kOutOfRange && Skip(status)) return absl::OkStatus();
  if (status.ok() || MayPass(status)) return Retry(status);
  return status;
}

bool ReaderCore::Skip(const absl::Status& status) {
  if (options_.when_trimmed != WhenTrimmed::kSkipToEarliest) return false;
  const std::optional<ErrorInfo> info = GetErrorInfo(status);
  if (!info || !info->partition || !info->earliest_offset) return false;
  const auto position = positions_.find(*info->partition);
  const int64_t from =
      position != positions_.end() ? position->second.offset : options_.start.offset;
  // A position beyond the end is not trimmed, and a hub that refuses its own earliest offset would
  // be asked forever.
  if (from >= *info->earliest_offset) return false;
  skipped_events_ += static_cast<uint64_t>(*info->earliest_offset - from);
  positions_[*info->partition] = {*info->earliest_offset, 0};
  return true;
}

absl::Status ReaderCore::Retry(const absl::Status& status) {
  const absl::Duration now = Now();
  ASSIGN_OR_RETURN(const absl::Duration delay, reconnect_.OnFailed(status, now));
  retry_at_ = now + delay;
  return absl::OkStatus();
}

void ReaderCore::WaitForRetry(absl::Duration deadline) {
  const absl::Duration delay = std::min(retry_at_, deadline) - Now();
  if (delay <= absl::ZeroDuration()) return;
  uint64_t wake;
  {
    MutexLock lock(waiter_->mutex);
    wake = waiter_->wakes + 1;
  }
  connection_->RunAfter(delay, [waiter = waiter_] {
    {
      MutexLock lock(waiter->mutex);
      ++waiter->wakes;
    }
    waiter->changed.NotifyAll();
  });
  MutexLock lock(waiter_->mutex);
  while (waiter_->wakes < wake && !waiter_->cancelled) waiter_->changed.Wait(waiter_->mutex);
}

std::vector<PartitionOffset> ReaderCore::positions() const {
  std::vector<PartitionOffset> positions;
  positions.reserve(positions_.size());
  for (const auto& [partition, place] : positions_) {
    positions.push_back({partition, place.offset, place.run});
  }
  return positions;
}

std::optional<int64_t> ReaderCore::start_of(uint32_t partition) const {
  const auto it = starts_.find(partition);
  return it == starts_.end() ? std::nullopt : std::optional(it->second);
}

}  // namespace eventhub::client
