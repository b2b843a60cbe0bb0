#include "client/outbox/outbox_core.h"

#include <algorithm>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "client/outbox/status.h"
#include "client/src/base/failure.h"
#include "client/src/publish/event_check.h"
#include "storage/base/status_macros.h"

namespace eventhub::client {

using outbox::GatheredPart;
using outbox::State;
using outbox::StoredTopic;

absl::StatusOr<std::shared_ptr<OutboxCore>> OutboxCore::Open(std::shared_ptr<Connection> connection,
                                                             OutboxOptions options,
                                                             const Clock& clock) {
  ASSIGN_OR_RETURN(std::unique_ptr<outbox::Spool> spool, outbox::Spool::Open(options.directory));
  ASSIGN_OR_RETURN(const std::vector<StoredTopic> stored, spool->Load());
  auto state = std::make_shared<State>(std::move(options), std::move(connection), clock);
  const auto core = std::shared_ptr<OutboxCore>(new OutboxCore(std::move(state), std::move(spool)));
  core->Start(stored);
  return core;
}

OutboxCore::OutboxCore(std::shared_ptr<State> state, std::unique_ptr<outbox::Spool> spool)
    : shared_(std::move(state)),
      state_(*shared_),
      spool_(std::move(spool)),
      committer_(state_, *spool_),
      sender_(shared_, committer_) {}

OutboxCore::~OutboxCore() { Close(absl::ZeroDuration()).IgnoreError(); }

void OutboxCore::Start(const std::vector<StoredTopic>& stored) {
  std::vector<std::string> lines;
  {
    MutexLock lock(state_.mutex);
    for (const StoredTopic& found : stored) {
      outbox::Topic& topic = state_.AddTopic(found);
      state_.next_topic = std::max(state_.next_topic, found.number + 1);
      state_.pending_events += topic.pending_events;
      state_.pending_bytes += topic.pending_bytes + topic.refused_bytes;
      if (topic.pending_events > 0) state_.MarkSend(topic);
      if (topic.lost_events == 0) continue;
      lines.push_back(outbox::LostLine(topic.name, topic.lost_events));
    }
  }
  for (const std::string& line : lines) state_.Log(line);
  committer_.Start();
  if (state_.options.send) sender_.Start();
  reclaimer_ = std::thread([this] { RunReclaimer(); });
}

void OutboxCore::RunReclaimer() {
  MutexLock lock(state_.mutex);
  for (;;) {
    const uint64_t worthwhile = std::max(outbox::kMinGarbageBytes, state_.pending_bytes);
    if (stop_reclaiming_) return;
    if (state_.garbage_bytes < worthwhile) {
      state_.reclaim_wake.Wait(state_.mutex);
      continue;
    }
    state_.garbage_bytes = 0;
    state_.mutex.Unlock();
    spool_->Reclaim();
    state_.mutex.Lock();
  }
}

absl::Status OutboxCore::Publish(std::string_view topic, const v1::Event& event) {
  struct Result {
    Mutex mutex;
    CondVar known;
    std::optional<absl::Status> status ABSL_GUARDED_BY(mutex);
  };
  const auto result = std::make_shared<Result>();
  RETURN_IF_ERROR(Publish(topic, event, [result](const absl::Status& status) {
    MutexLock lock(result->mutex);
    result->status = status;
    result->known.NotifyAll();
  }));
  MutexLock lock(result->mutex);
  while (!result->status) result->known.Wait(result->mutex);
  return *result->status;
}

absl::Status OutboxCore::Publish(std::string_view topic, const v1::Event& event,
                                 Outbox::Callback done) {
  const absl::Status taken = Take(topic, event, std::move(done));
  return taken.ok() ? taken : WithNothingDone(taken);
}

absl::Status OutboxCore::Take(std::string_view topic, const v1::Event& event,
                              Outbox::Callback done) {
  if (topic.empty()) return absl::InvalidArgumentError("topic must be set");
  RETURN_IF_ERROR(CheckEvent(event));
  const size_t size = event.ByteSizeLong();
  MutexLock lock(state_.mutex);
  if (!HasSpace(Batch::FieldSize(size))) RETURN_IF_ERROR(AwaitSpace(Batch::FieldSize(size)));
  if (state_.closed) return absl::CancelledError("the outbox is closed");
  RETURN_IF_ERROR(state_.failed);
  Gather(state_.TopicOf(topic), event, size, std::move(done));
  return absl::OkStatus();
}

bool OutboxCore::HasSpace(size_t bytes) const {
  const bool on_disk =
      state_.pending_bytes == 0 || state_.pending_bytes + bytes <= state_.options.max_bytes;
  const bool in_memory = state_.unaccepted_bytes == 0 ||
                         state_.unaccepted_bytes + bytes <= state_.options.max_buffer_bytes / 2;
  return on_disk && in_memory;
}

absl::Status OutboxCore::AwaitSpace(size_t bytes) {
  const absl::Duration give_up = state_.Now() + state_.options.max_block;
  ++state_.waiting_for_space;
  while (state_.options.when_full == WhenFull::kBlock && !state_.closed && state_.failed.ok() &&
         !HasSpace(bytes)) {
    const absl::Duration wait = give_up - state_.Now();
    if (wait <= absl::ZeroDuration()) break;
    if (wait == absl::InfiniteDuration()) {
      state_.space.Wait(state_.mutex);
    } else {
      state_.space.WaitFor(state_.mutex, wait);
    }
  }
  --state_.waiting_for_space;
  if (HasSpace(bytes) || state_.closed || !state_.failed.ok()) return absl::OkStatus();
  return absl::ResourceExhaustedError(absl::StrCat("the outbox ", state_.options.directory,
                                                   " is full: ", state_.pending_bytes,
                                                   " bytes are pending"));
}

void OutboxCore::Gather(outbox::Topic& topic, const v1::Event& event, size_t size,
                        Outbox::Callback done) {
  const size_t bytes = Batch::FieldSize(size);
  const bool begin =
      topic.gathered.empty() ||
      topic.gathered.back()->batch.bytes() + bytes > state_.options.max_batch_bytes ||
      topic.gathered.back()->batch.events() == kMaxBatchEvents;
  if (begin) {
    if (!topic.gathered.empty()) topic.last_part_bytes = topic.gathered.back()->batch.bytes();
    topic.gathered.push_back(
        std::make_unique<GatheredPart>(topic.last_part_bytes, state_.clock.Now(), state_.Now()));
    topic.gathered.back()->ticket.id = state_.next_ticket++;
    state_.unresolved.insert(state_.unresolved.end(), topic.gathered.back()->ticket.id);
  }
  GatheredPart& part = *topic.gathered.back();
  part.batch.Append(event, size, nullptr);
  ++part.ticket.events;
  part.ticket.bytes += bytes;
  if (done) part.ticket.done.push_back(std::move(done));
  ++topic.pending_events;
  topic.pending_bytes += bytes;
  ++state_.pending_events;
  state_.pending_bytes += bytes;
  state_.unaccepted_bytes += bytes;
  if (!topic.direct) {
    state_.MarkCommit(topic);
  } else if (begin && (topic.lane.requests().empty() || topic.gathered.size() > 1)) {
    state_.MarkSend(topic);
  }
}

absl::Status OutboxCore::Flush(absl::Duration timeout) {
  MutexLock lock(state_.mutex);
  const uint64_t next = state_.next_ticket;
  const absl::Duration give_up = state_.Now() + timeout;
  while (!state_.unresolved.empty() && *state_.unresolved.begin() < next) {
    const absl::Duration wait = give_up - state_.Now();
    if (wait <= absl::ZeroDuration()) {
      return absl::DeadlineExceededError("not all events are accepted yet");
    }
    state_.progress.WaitFor(state_.mutex, std::min(wait, absl::Hours(1)));
  }
  return std::exchange(state_.first_failure, absl::OkStatus());
}

absl::Status OutboxCore::Drain(absl::Duration timeout) {
  MutexLock lock(state_.mutex);
  const absl::Duration give_up = state_.Now() + timeout;
  while (state_.pending_events > 0) {
    RETURN_IF_ERROR(state_.failed);
    const absl::Duration wait = give_up - state_.Now();
    if (wait > absl::ZeroDuration()) {
      state_.progress.WaitFor(state_.mutex, std::min(wait, absl::Hours(1)));
      continue;
    }
    std::string message = absl::StrCat(state_.pending_events, " events are not in the hub yet");
    for (const auto& [name, topic] : state_.topics) {
      if (topic->last_error.ok()) continue;
      absl::StrAppend(&message, "; topic ", name, ": ", topic->last_error.message());
      break;
    }
    return absl::DeadlineExceededError(message);
  }
  return absl::OkStatus();
}

absl::Status OutboxCore::Close(absl::Duration timeout) {
  {
    MutexLock lock(state_.mutex);
    if (std::exchange(state_.closed, true)) return absl::OkStatus();
    for (const auto& [name, topic] : state_.topics) state_.Spill(*topic);
  }
  state_.space.NotifyAll();
  // The disk alone decides how long this takes.
  absl::Status status = Flush(absl::InfiniteDuration());
  if (status.ok() && timeout > absl::ZeroDuration()) Drain(timeout).IgnoreError();
  sender_.Stop();
  committer_.Stop();
  {
    MutexLock lock(state_.mutex);
    stop_reclaiming_ = true;
    status.Update(state_.failed);
  }
  state_.reclaim_wake.NotifyOne();
  reclaimer_.join();
  spool_.reset();
  return status;
}

OutboxStatus OutboxCore::status() const {
  MutexLock lock(state_.mutex);
  OutboxStatus all;
  all.disk = state_.failed;
  for (const auto& [name, topic] : state_.topics) {
    OutboxTopicStatus& one = all.topics.emplace_back();
    one.topic = name;
    one.state = topic->state;
    one.pending_events = topic->pending_events;
    one.pending_bytes = topic->pending_bytes;
    if (!topic->lane.requests().empty()) {
      one.oldest = topic->lane.requests().front()->accepted;
    } else if (!topic->gathered.empty()) {
      one.oldest = topic->gathered.front()->accepted;
    }
    one.last_error = topic->last_error;
    one.refused_events = topic->refused_events;
    one.refused_bytes = topic->refused_bytes;
    one.lost_events = topic->lost_events;
    one.published_events = topic->published_events;
    one.spilling = !topic->direct;
  }
  outbox::AddUp(all);
  return all;
}

absl::Status OutboxCore::Retry(std::string_view name) {
  MutexLock lock(state_.mutex);
  return state_.Retry(name);
}

absl::StatusOr<uint64_t> OutboxCore::OnCommitter(std::string_view name, Request request) {
  struct Result {
    bool done = false;
    absl::StatusOr<uint64_t> value = absl::CancelledError("the outbox is closed");
  };
  const auto result = std::make_shared<Result>();
  MutexLock lock(state_.mutex);
  if (state_.closed) return result->value;
  const auto found = state_.topics.find(name);
  if (found == state_.topics.end()) return outbox::NoSuchTopic(name);
  state_.AddWork([this, result, &topic = *found->second, request = std::move(request)]() mutable {
    absl::StatusOr<uint64_t> value = request(topic);
    MutexLock work_lock(state_.mutex);
    result->value = std::move(value);
    result->done = true;
    state_.progress.NotifyAll();
  });
  while (!result->done) state_.progress.Wait(state_.mutex);
  return result->value;
}

absl::StatusOr<uint64_t> OutboxCore::RetryRefused(std::string_view topic) {
  return OnCommitter(topic, [this](outbox::Topic& t) { return committer_.RetryRefused(t); });
}

absl::StatusOr<uint64_t> OutboxCore::DropRefused(std::string_view topic) {
  return OnCommitter(topic, [this](outbox::Topic& t) { return committer_.DropRefused(t); });
}

absl::StatusOr<uint64_t> OutboxCore::Drop(std::string_view topic) {
  return OnCommitter(topic, [this](outbox::Topic& t) { return committer_.Drop(t); });
}

}  // namespace eventhub::client
