#include "client/outbox/committer.h"

#include <algorithm>
#include <limits>

#include "absl/strings/str_cat.h"
#include "client/outbox/region.h"
#include "client/outbox/status.h"
#include "client/src/base/failure.h"
#include "storage/base/status_macros.h"

namespace eventhub::client::outbox {
namespace {

// Refused events are retried this many bytes at a time.
constexpr size_t kRetryPieceBytes = size_t{1} << 20;

// The header of a request that is written as one part.
PartHeader HeaderOf(const Request& request) {
  return {.accepted = request.accepted,
          .first_event = request.first_event,
          .events = static_cast<uint32_t>(request.events),
          .span = static_cast<uint32_t>(request.span),
          .bytes = static_cast<uint32_t>(request.bytes)};
}

}  // namespace

void Committer::Start() {
  thread_ = std::thread([this] { Run(); });
}

void Committer::Stop() {
  if (!thread_.joinable()) return;
  {
    MutexLock lock(state_.mutex);
    state_.stop_committing = true;
  }
  state_.commit_wake.NotifyOne();
  thread_.join();
}

void Committer::Run() {
  MutexLock lock(state_.mutex);
  while (AwaitWork()) {
    while (!state_.work.empty()) {
      absl::AnyInvocable<void()> one = std::move(state_.work.front());
      state_.work.pop_front();
      state_.mutex.Unlock();
      one();
      state_.mutex.Lock();
    }
    CommitAll();
  }
}

bool Committer::AwaitWork() {
  for (;;) {
    if (!state_.work.empty() || !state_.to_commit.empty()) return true;
    const bool stopping = state_.stop_committing;
    const absl::Duration wait = state_.heads_due - state_.Now();
    if (!state_.head_dirty.empty() && (stopping || wait <= absl::ZeroDuration())) return true;
    if (stopping) return false;
    state_.committer_idle = true;
    if (wait == absl::InfiniteDuration()) {
      state_.commit_wake.Wait(state_.mutex);
    } else {
      state_.commit_wake.WaitFor(state_.mutex, wait);
    }
    state_.committer_idle = false;
  }
}

void Committer::CommitAll() {
  // Heads go along with whatever is written.
  for (Topic* topic : std::exchange(state_.head_dirty, {})) {
    topic->head_dirty = false;
    state_.MarkCommit(*topic);
  }
  state_.heads_due = absl::InfiniteDuration();
  Change change;
  for (Topic* topic : std::exchange(state_.to_commit, {})) {
    topic->to_commit = false;
    Decide(*topic, change);
  }
  std::vector<Resolved> resolved;
  // A failure is reported to waiting callers, and kept in the state.
  Commit(change, resolved).IgnoreError();
  state_.mutex.Unlock();
  state_.Tell(std::move(resolved));
  state_.mutex.Lock();
}

void Committer::Decide(Topic& topic, Change& change) {
  if (!topic.direct) {
    DecideSpill(topic, change);
    DecideParts(topic, change);
    // A sealed request counts as sent, when the next process finds it.
    if (state_.options.send && topic.MaySeal()) topic.lane.SealTail();
  }
  if (topic.lane.WantsEpoch()) topic.lane.BeginEpoch();
  DecideRecord(topic, change);
}

void Committer::DecideSpill(Topic& topic, Change& change) {
  for (const auto& request : topic.lane.requests()) {
    if (request->stored || request->writing > 0 || !request->in_memory) continue;
    request->writing = 1;
    change.writes.push_back({.topic = &topic,
                             .request = request->number,
                             .key = {topic.number, request->number, 0},
                             .header = HeaderOf(*request),
                             .events = request->bodies.front(),
                             .ticket = {}});
  }
}

void Committer::DecideParts(Topic& topic, Change& change) {
  for (const auto& part : std::exchange(topic.gathered, {})) {
    const size_t bytes = part->batch.bytes();
    Request* request = topic.lane.Tail(part->batch.events(), bytes);
    if (request == nullptr) request = &topic.lane.Add(part->accepted, part->taken);
    const PartKey key{topic.number, request->number, request->parts};
    const auto events = static_cast<uint32_t>(part->batch.events());
    const PartHeader header = topic.lane.AddPart(*request, part->accepted, events, bytes);
    ++request->writing;
    const bool cached = key.part == 0 || !request->bodies.empty();
    if (cached && state_.cached_bytes + bytes <= state_.options.max_buffer_bytes / 2) {
      request->bodies.push_back(part->batch.body());
      request->cached += bytes;
      state_.cached_bytes += bytes;
    } else {
      state_.DropBodies(*request);
    }
    change.writes.push_back(
        {&topic, request->number, key, header, part->batch.body(), std::move(part->ticket)});
  }
}

void Committer::DecideRecord(Topic& topic, Change& change) {
  const TopicRecord record = topic.lane.Record();
  change.spool.DeleteRequests(topic.number, topic.head_on_disk, record.head);
  change.spool.PutTopic(topic.number, record);
  change.sync |= topic.lane.record_must_sync() || record.sealed > topic.sealed_on_disk;
  topic.sealed_on_disk = record.sealed;
  topic.head_on_disk = record.head;
  change.topics.push_back({&topic, record, std::exchange(topic.unwritten_bytes, 0)});
}

absl::Status Committer::Commit(Change& change, std::vector<Resolved>& resolved) {
  if (!state_.failed.ok()) {
    Fail(state_.failed, change, resolved);
    return state_.failed;
  }
  // A repaired request is replaced by the same change: its deletion has to come first.
  for (const Write& write : change.writes) {
    change.spool.PutPart(write.key, write.header, write.events.view);
    change.sync = true;
  }
  if (change.spool.empty()) return absl::OkStatus();
  const bool sync = change.sync && state_.options.local_durability != Durability::kWritten;
  state_.mutex.Unlock();
  const absl::Status status = spool_.Write(change.spool, sync);
  state_.mutex.Lock();
  if (!status.ok()) {
    state_.failed = status;
    Fail(WithUnknownOutcome(status), change, resolved);
    return status;
  }
  for (Write& write : change.writes) Apply(write, resolved);
  for (const Written& written : change.topics) {
    written.topic->lane.OnRecordWritten(written.record);
    state_.garbage_bytes += written.deleted_bytes;
    state_.MarkSend(*written.topic);
  }
  if (state_.garbage_bytes >= kMinGarbageBytes) state_.reclaim_wake.NotifyOne();
  return status;
}

void Committer::Apply(Write& write, std::vector<Resolved>& resolved) {
  if (write.ticket.id != 0) resolved.push_back({std::move(write.ticket), absl::OkStatus()});
  Request* const request = FindRequest(write.topic->lane, write.request);
  if (request == nullptr) {
    // The hub's reply came first. What was written is deleted with the next head.
    state_.MarkHead(*write.topic);
    return;
  }
  --request->writing;
  request->stored = true;
  if (!request->in_memory) return;
  request->in_memory = false;
  request->cached = request->bytes;
  state_.cached_bytes += request->bytes;
  if (request->ticket.id != 0) {
    resolved.push_back({std::exchange(request->ticket, {}), absl::OkStatus()});
  }
}

// RocksDB takes no writes after a failed one, so the outbox takes no events.
void Committer::Fail(const absl::Status& status, Change& change, std::vector<Resolved>& resolved) {
  for (Write& write : change.writes) {
    if (write.ticket.id != 0) resolved.push_back({std::move(write.ticket), status});
  }
  for (const auto& [name, topic] : state_.topics) {
    for (const auto& request : topic->lane.requests()) {
      if (request->ticket.id == 0) continue;
      resolved.push_back({std::exchange(request->ticket, {}), WithUnknownOutcome(status)});
    }
    for (const auto& part : std::exchange(topic->gathered, {})) {
      state_.Forget(*topic, part->ticket.events, part->ticket.bytes);
      resolved.push_back({std::move(part->ticket), WithNothingDone(state_.failed)});
    }
  }
  state_.space.NotifyAll();
  state_.progress.NotifyAll();
}

void Committer::Replace(Topic& topic, uint64_t number, const std::string& events, uint32_t count,
                        Change& change) {
  Request& request = *FindRequest(topic.lane, number);
  state_.Forget(topic, request.events - count, request.bytes - events.size());
  state_.DropBodies(request);
  request.events = count;
  request.bytes = events.size();
  request.parts = 1;
  if (count == 0) return;
  Bytes body = Bytes::Of(events);
  request.bodies = {body};
  if (!request.stored) return;
  request.cached = request.bytes;
  state_.cached_bytes += request.bytes;
  ++request.writing;
  change.spool.DeleteRequests(topic.number, number, number + 1);
  change.writes.push_back({.topic = &topic,
                           .request = number,
                           .key = {topic.number, number, 0},
                           .header = HeaderOf(request),
                           .events = std::move(body),
                           .ticket = {}});
}

void Committer::SetAside(Topic& topic) {
  std::vector<Resolved> resolved;
  std::string line;
  {
    MutexLock lock(state_.mutex);
    topic.repairing = false;
    if (!topic.lane.set_aside() || !state_.failed.ok()) return;
    const Lane::Refused refused = *topic.lane.set_aside();
    const uint64_t number = topic.lane.head();
    std::vector<Bytes> parts = topic.lane.requests().front()->bodies;
    if (parts.empty()) {
      state_.mutex.Unlock();
      const absl::StatusOr<std::vector<StoredPart>> stored = spool_.ReadParts(topic.number, number);
      state_.mutex.Lock();
      bool whole = stored.ok() && !stored->empty();
      for (size_t i = 0; whole && i < stored->size(); ++i) {
        whole = (*stored)[i].events.ok();
        if (whole) parts.push_back(*(*stored)[i].events);
      }
      if (!whole) {
        // It is salvaged when it is read to be sent again.
        topic.lane.ClearSetAside();
        state_.MarkSend(topic);
        return;
      }
    }
    Request& request = *topic.lane.requests().front();
    RefusedRecord record{.accepted = request.accepted,
                         .refused = state_.clock.Now(),
                         .in_doubt = request.in_doubt,
                         .error = refused.error,
                         .event = {}};
    const std::string rest = Without(Concatenate(parts).view, refused.event, &record.event);
    Change change;
    change.spool.PutRefused(topic.number, topic.next_refused++, record);
    Replace(topic, number, rest, static_cast<uint32_t>(request.events - 1), change);
    ++topic.refused_events;
    topic.refused_bytes += record.event.size();
    state_.pending_bytes += record.event.size();
    if (request.events == 0) {
      Request removed = topic.lane.RemoveFirst();
      if (removed.ticket.id != 0) {
        resolved.push_back({std::move(removed.ticket), absl::OkStatus()});
      }
    }
    topic.lane.ClearSetAside();
    DecideRecord(topic, change);
    change.sync = true;
    if (topic.refused_events == 1) {
      line = absl::StrCat("outbox: the hub refuses an event of topic ", topic.name, ": ",
                          refused.error.message(), "; it is set aside, and so are further ones");
    }
    Commit(change, resolved).IgnoreError();
  }
  state_.Tell(std::move(resolved));
  if (!line.empty()) state_.Log(line);
}

void Committer::Salvage(Topic& topic, uint64_t number) {
  const absl::StatusOr<std::vector<StoredPart>> parts = spool_.ReadParts(topic.number, number);
  std::vector<Resolved> resolved;
  std::string line;
  {
    MutexLock lock(state_.mutex);
    topic.repairing = false;
    state_.MarkSend(topic);
    Request* const request = FindRequest(topic.lane, number);
    if (request == nullptr || !state_.failed.ok()) return;
    request->damaged = false;
    std::string events;
    uint32_t count = 0;
    absl::Status unreadable = parts.status();
    if (parts.ok()) {
      for (const StoredPart& part : *parts) {
        if (part.events.ok()) {
          absl::StrAppend(&events, std::string(part.events->view));
          count += part.header.events;
        } else if (!absl::IsDataLoss(part.events.status())) {
          unreadable = part.events.status();
        }
      }
    }
    // Other errors may pass: nothing is given up for them.
    if (!unreadable.ok() && !absl::IsDataLoss(unreadable)) return;
    const uint64_t lost = request->events - count;
    if (lost == 0 && count > 0) return;  // It could be read this time.
    Change change;
    Replace(topic, number, events, count, change);
    if (count == 0) topic.lane.RemoveFirst();
    topic.lost_events += lost;
    DecideRecord(topic, change);
    change.sync = true;
    line = LostLine(topic.name, lost);
    Commit(change, resolved).IgnoreError();
  }
  state_.Tell(std::move(resolved));
  state_.Log(line);
}

absl::StatusOr<uint64_t> Committer::RetryRefused(Topic& topic) {
  // What is refused meanwhile is not retried: nothing sets events aside while this runs.
  uint64_t retried = 0;
  for (;;) {
    ASSIGN_OR_RETURN(const std::vector<StoredRefused> piece,
                     spool_.ReadRefused(topic.number, kRetryPieceBytes));
    if (piece.empty()) return retried;
    RETURN_IF_ERROR(RetryPiece(topic, piece));
    retried += piece.size();
  }
}

absl::Status Committer::RetryPiece(Topic& topic, const std::vector<StoredRefused>& piece) {
  MutexLock lock(state_.mutex);
  state_.Spill(topic);
  Change change;
  for (const StoredRefused& refused : piece) {
    const RefusedRecord& record = refused.record;
    const size_t bytes = record.event.size();
    Request* request = topic.lane.Tail(1, bytes);
    if (request == nullptr) request = &topic.lane.Add(record.accepted, state_.Now());
    const PartKey key{topic.number, request->number, request->parts};
    const PartHeader header = topic.lane.AddPart(*request, record.accepted, 1, bytes);
    ++request->writing;
    state_.DropBodies(*request);
    change.writes.push_back(
        {&topic, request->number, key, header, Bytes::Of(record.event), Ticket()});
    topic.pending_bytes += bytes;
    topic.refused_bytes -= bytes;
  }
  change.spool.DeleteRefused(topic.number, piece.back().serial + 1);
  topic.pending_events += piece.size();
  state_.pending_events += piece.size();
  topic.refused_events -= piece.size();
  if (topic.lane.WantsEpoch()) topic.lane.BeginEpoch();
  DecideRecord(topic, change);
  std::vector<Resolved> none;
  return Commit(change, none);
}

absl::StatusOr<uint64_t> Committer::DropRefused(Topic& topic) {
  MutexLock lock(state_.mutex);
  const uint64_t dropped = std::exchange(topic.refused_events, 0);
  state_.pending_bytes -= std::exchange(topic.refused_bytes, 0);
  state_.space.NotifyAll();
  Change change;
  change.spool.DeleteRefused(topic.number, topic.next_refused);
  change.sync = true;
  std::vector<Resolved> none;
  RETURN_IF_ERROR(Commit(change, none));
  return dropped;
}

absl::StatusOr<uint64_t> Committer::Drop(Topic& topic) {
  std::vector<Resolved> resolved;
  std::shared_ptr<PublishStream> stream;
  uint64_t dropped = 0;
  absl::Status status;
  {
    MutexLock lock(state_.mutex);
    stream = std::exchange(topic.stream, nullptr);
    ++topic.stream_number;
    topic.writing = false;
    for (const auto& request : topic.lane.RemoveAll()) {
      dropped += request->events;
      state_.Forget(topic, request->events, request->bytes);
      state_.cached_bytes -= request->cached;
      topic.unwritten_bytes += request->bytes;
      if (request->ticket.id != 0) {
        resolved.push_back({std::move(request->ticket),
                            WithUnknownOutcome(absl::CancelledError("the event was dropped"))});
      }
    }
    topic.lane.BeginEpoch();
    Change change;
    DecideRecord(topic, change);
    status = Commit(change, resolved);
  }
  if (stream != nullptr) stream->Cancel();
  state_.Tell(std::move(resolved));
  RETURN_IF_ERROR(status);
  return dropped;
}

}  // namespace eventhub::client::outbox
