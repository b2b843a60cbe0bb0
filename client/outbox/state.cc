#include "client/outbox/state.h"

#include <algorithm>
#include <iostream>

#include "absl/strings/str_cat.h"
#include "client/outbox/status.h"
#include "client/src/base/guarded.h"

namespace eventhub::client::outbox {
namespace {

// The deletion does not wait beyond this.
constexpr uint64_t kMaxUnwrittenBytes = uint64_t{8} << 20;

}  // namespace

Topic::Topic(const StoredTopic& stored, const Lane::Options& lane_options,
             const OutboxOptions& options)
    : name(stored.record.name),
      number(stored.number),
      lane(stored, lane_options),
      backoff(options.retry),
      stopped_backoff(options.stopped_retry),
      head_on_disk(0),
      sealed_on_disk(stored.record.sealed),
      next_refused(stored.next_refused),
      refused_events(stored.refused_events),
      refused_bytes(stored.refused_bytes),
      lost_events(stored.lost_events) {
  for (const auto& request : lane.requests()) {
    pending_events += request->events;
    pending_bytes += request->bytes;
  }
  direct = options.mode == OutboxMode::kSpill && options.send && lane.requests().empty();
}

Request* FindRequest(Lane& lane, uint64_t number) {
  auto& requests = lane.requests();
  const auto at = std::lower_bound(
      requests.begin(), requests.end(), number,
      [](const std::unique_ptr<Request>& request, uint64_t n) { return request->number < n; });
  return at != requests.end() && (*at)->number == number ? at->get() : nullptr;
}

State::State(OutboxOptions opts, std::shared_ptr<Connection> hub, const Clock& time)
    : options(std::move(opts)), connection(std::move(hub)), clock(time) {}

Topic& State::TopicOf(std::string_view name) {
  if (const auto found = topics.find(name); found != topics.end()) return *found->second;
  StoredTopic fresh;
  fresh.number = next_topic++;
  fresh.record.name = name;
  return AddTopic(fresh);
}

Topic& State::AddTopic(const StoredTopic& stored) {
  const Lane::Options lane{.max_batch_bytes = options.max_batch_bytes,
                           .max_requests = options.max_in_flight_requests,
                           .max_bytes = options.max_in_flight_bytes};
  return *topics.emplace(stored.record.name, std::make_unique<Topic>(stored, lane, options))
              .first->second;
}

void State::MarkCommit(Topic& topic) {
  if (!topic.to_commit) {
    topic.to_commit = true;
    to_commit.push_back(&topic);
  }
  if (committer_idle) commit_wake.NotifyOne();
}

void State::MarkSend(Topic& topic) {
  if (!topic.to_send) {
    topic.to_send = true;
    to_send.push_back(&topic);
  }
  if (sender_idle) send_wake.NotifyOne();
}

void State::MarkHead(Topic& topic) {
  if (topic.unwritten_bytes >= kMaxUnwrittenBytes) MarkCommit(topic);
  if (topic.head_dirty) return;
  topic.head_dirty = true;
  head_dirty.push_back(&topic);
  if (heads_due < absl::InfiniteDuration()) return;
  heads_due = Now() + head_delay;
  if (committer_idle) commit_wake.NotifyOne();
}

void State::AddWork(absl::AnyInvocable<void()> one) {
  work.push_back(std::move(one));
  if (committer_idle) commit_wake.NotifyOne();
}

void State::Forget(Topic& topic, uint64_t events, uint64_t bytes) {
  topic.pending_events -= events;
  topic.pending_bytes -= bytes;
  pending_events -= events;
  pending_bytes -= bytes;
  if (waiting_for_space > 0) space.NotifyAll();
  if (pending_events == 0) progress.NotifyAll();
}

void State::DropBodies(Request& request) {
  if (request.in_memory) return;
  cached_bytes -= std::exchange(request.cached, 0);
  request.bodies.clear();
}

std::string State::BackOff(Topic& topic, const absl::Status& error, bool stopped) {
  topic.last_error = error;
  topic.state = stopped ? OutboxTopicState::kStopped : OutboxTopicState::kWaiting;
  topic.not_before = Now() + (stopped ? topic.stopped_backoff : topic.backoff).DelayAfter(error);
  Spill(topic);
  MarkSend(topic);
  if (!stopped || std::exchange(topic.told_stopped, true)) return "";
  return absl::StrCat("outbox: topic ", topic.name, " is stopped, ", topic.pending_events,
                      " events pending: ", error.message());
}

absl::Status State::Retry(std::string_view name) {
  const auto found = topics.find(name);
  if (found == topics.end()) return NoSuchTopic(name);
  Topic& topic = *found->second;
  topic.lane.TakeOver();
  topic.not_before = Now();
  topic.backoff.Reset();
  topic.stopped_backoff.Reset();
  MarkSend(topic);
  return absl::OkStatus();
}

void State::Spill(Topic& topic) {
  if (!topic.direct) return;
  topic.direct = false;
  MarkCommit(topic);
}

void State::Tell(std::vector<Resolved> resolved) {
  if (resolved.empty()) return;
  absl::Status thrown;
  for (Resolved& one : resolved) {
    for (Outbox::Callback& done : one.ticket.done) {
      thrown.Update(Guarded("a callback of Publish", [&] { std::move(done)(one.status); }));
    }
  }
  MutexLock lock(mutex);
  first_failure.Update(thrown);
  for (const Resolved& one : resolved) {
    if (!one.status.ok()) first_failure.Update(one.status);
    unresolved.erase(one.ticket.id);
    unaccepted_bytes -= one.ticket.bytes;
  }
  if (waiting_for_space > 0) space.NotifyAll();
  progress.NotifyAll();
}

void State::Log(const std::string& line) const {
  if (options.log) {
    options.log(line);
  } else {
    std::cerr << line << std::endl;
  }
}

}  // namespace eventhub::client::outbox
