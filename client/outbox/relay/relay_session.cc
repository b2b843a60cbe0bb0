#include "client/outbox/relay/relay_session.h"

#include <algorithm>
#include <iterator>
#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "client/outbox/region.h"
#include "client/outbox/relay/row_event.h"
#include "storage/base/status_macros.h"

namespace eventhub::client::outbox {
namespace {

// The maximum number of a topic's rows that are in requests, so that no transaction has more to
// delete.
constexpr size_t kMaxRowsOnRecord = 20'000;
// How long the deletion of a confirmed row may wait for other writes.
constexpr absl::Duration kCleanUpDelay = absl::Milliseconds(20);
// The expected initial size of the buffer of a request.
constexpr size_t kFirstBatchBytes = 4096;

std::string SetAsideLine(const std::string& topic, const absl::Status& error) {
  return absl::StrCat("outbox: a row of topic ", topic,
                      " is set aside, and so are further ones: ", error.message());
}

}  // namespace

RelaySession::RelaySession(std::shared_ptr<State> state, RowStore& store, std::string producer,
                           absl::Duration poll_interval)
    : shared_(std::move(state)),
      state_(*shared_),
      store_(store),
      producer_(std::move(producer)),
      poll_interval_(poll_interval),
      sender_(shared_, *this) {
  state_.head_delay = kCleanUpDelay;
}

RelaySession::~RelaySession() { sender_.Stop(); }

absl::Status RelaySession::Load(std::vector<RecordedTopic> topics) {
  TopicNumber number = 0;
  for (RecordedTopic& topic : topics) {
    StoredTopic stored;
    stored.number = number++;
    stored.record = {.name = topic.name,
                     .epoch = topic.epoch,
                     .base = topic.base,
                     .head = topic.next,
                     .sealed = topic.next};
    OnRecord& on_record = on_record_[topic.name];
    std::vector<Bytes> bodies;
    for (const RecordedRequest& request : std::exchange(topic.requests, {})) {
      on_record.requests[request.number];  // Even if none of its rows is left.
      if (request.ids.empty()) continue;
      // Omits rows that were deleted, and rows that are no longer valid events. The latter are read
      // again as new rows.
      RowIds& found = on_record.requests[request.number];
      Batch batch(0, std::nullopt, kFirstBatchBytes);
      StoredRequest& pending = stored.requests.emplace_back();
      RETURN_IF_ERROR(store_.ReadRequest(topic.name, request.ids, [&](const OutboxRow& row) {
        const absl::StatusOr<v1::Event> event = EventOfRow(producer_, row);
        if (!event.ok()) return true;
        if (found.empty()) pending.accepted = row.created_at;
        found.push_back(row.id);
        batch.Append(*event, event->ByteSizeLong(), nullptr);
        return true;
      }));
      if (found.empty()) {
        stored.requests.pop_back();
        continue;
      }
      pending.number = request.number;
      pending.events = found.size();
      pending.span = found.size();
      pending.bytes = batch.bytes();
      pending.parts = 1;
      bodies.push_back(batch.body());
    }
    if (!stored.requests.empty()) stored.record.head = stored.requests.front().number;
    on_record.topic = std::move(topic);
    MutexLock lock(state_.mutex);
    Topic& loaded = state_.AddTopic(stored);
    for (size_t i = 0; i < bodies.size(); ++i) {
      Request& request = *loaded.lane.requests()[i];
      request.bodies = {std::move(bodies[i])};
      request.in_memory = true;
    }
    state_.next_topic = number;
    state_.pending_events += loaded.pending_events;
    state_.pending_bytes += loaded.pending_bytes;
    state_.MarkSend(loaded);
  }
  return absl::OkStatus();
}

void RelaySession::Stop() {
  MutexLock lock(state_.mutex);
  stopping_ = true;
  state_.commit_wake.NotifyOne();
}

void RelaySession::Wake() {
  MutexLock lock(state_.mutex);
  scan_ = true;
  state_.commit_wake.NotifyOne();
}

void RelaySession::WhenDrained(std::function<void()> done) {
  MutexLock lock(state_.mutex);
  drains_.push_back({.done = std::move(done)});
  scan_ = true;
  state_.commit_wake.NotifyOne();
}

absl::Status RelaySession::Run() {
  sender_.Start();
  poll_at_ = state_.Now() + poll_interval_;
  absl::Status status;
  while (status.ok()) {
    const Next next = AwaitWork();
    if (next == Next::kStop) break;
    if (next == Next::kPoll) {
      const absl::StatusOr<bool> changed = store_.MayHaveChanged();
      status = changed.status();
      if (!status.ok() || !*changed) continue;
      Wake();
    }
    status = DoWork();
    if (status.ok()) status = Pass();
  }
  sender_.Stop();
  return status;
}

RelaySession::Next RelaySession::AwaitWork() {
  MutexLock lock(state_.mutex);
  for (;;) {
    if (stopping_) return Next::kStop;
    const absl::Duration now = state_.Now();
    const bool clean_up = !state_.head_dirty.empty() && now >= state_.heads_due;
    if (scan_ || clean_up || !state_.work.empty() || !state_.to_commit.empty() || CanRead()) {
      return Next::kPass;
    }
    if (now >= poll_at_) {
      poll_at_ = now + poll_interval_;
      return Next::kPoll;
    }
    state_.committer_idle = true;
    state_.commit_wake.WaitFor(state_.mutex, std::min(poll_at_, state_.heads_due) - now);
    state_.committer_idle = false;
  }
}

bool RelaySession::CanRead() const {
  for (const auto& [name, on_record] : on_record_) {
    if (on_record.more && BudgetOf(name).rows > 0) return true;
  }
  return false;
}

// Reads further rows when half of the bytes that may be in flight are confirmed.
RelaySession::Budget RelaySession::BudgetOf(std::string_view name) const {
  const OutboxOptions& options = state_.options;
  size_t requests = 0;
  size_t rows = 0;
  size_t bytes = 0;
  if (const auto found = state_.topics.find(name); found != state_.topics.end()) {
    requests = found->second->lane.requests().size();
    rows = found->second->pending_events;
    bytes = found->second->pending_bytes;
  }
  if (requests > options.max_in_flight_requests / 2 || rows > kMaxRowsOnRecord / 2 ||
      bytes > options.max_in_flight_bytes / 2) {
    return {};
  }
  Budget budget{.requests = options.max_in_flight_requests - requests,
                .rows = kMaxRowsOnRecord - rows,
                .bytes = options.max_in_flight_bytes - bytes};
  const size_t buffered = state_.pending_bytes;
  const size_t left = options.max_buffer_bytes - std::min(options.max_buffer_bytes, buffered);
  if (left >= budget.bytes) return budget;
  // Topics that are stopped may fill the buffer; the others continue, one request at a time.
  if (requests > 0 && left < options.max_batch_bytes) return {};
  budget.bytes = std::max(left, options.max_batch_bytes);
  return budget;
}

absl::Status RelaySession::DoWork() {
  for (;;) {
    absl::AnyInvocable<void()> one;
    {
      MutexLock lock(state_.mutex);
      if (state_.work.empty()) return absl::OkStatus();
      one = std::move(state_.work.front());
      state_.work.pop_front();
    }
    one();
    RETURN_IF_ERROR(failed_);
  }
}

absl::Status RelaySession::Pass() {
  bool scan;
  bool read;
  {
    MutexLock lock(state_.mutex);
    for (Topic* topic : std::exchange(state_.head_dirty, {})) topic->head_dirty = false;
    for (Topic* topic : std::exchange(state_.to_commit, {})) topic->to_commit = false;
    state_.heads_due = absl::InfiniteDuration();
    for (Drain& drain : drains_) drain.begun = true;
    scan = std::exchange(scan_, false);
    read = scan || CanRead();
  }
  NewRowsByTopic rows;
  if (read) {
    ASSIGN_OR_RETURN(rows, Read(scan));
  }
  std::vector<Change> changes;
  {
    MutexLock lock(state_.mutex);
    changes = Decide(rows);
  }
  if (!changes.empty()) {
    RETURN_IF_ERROR(Write(changes));
    std::vector<std::string> lines;
    {
      MutexLock lock(state_.mutex);
      Apply(changes, lines);
    }
    for (const std::string& line : lines) state_.Log(line);
  }
  FinishDrains();
  return absl::OkStatus();
}

absl::StatusOr<RelaySession::NewRowsByTopic> RelaySession::Read(bool scan) {
  NewRowsByTopic rows;
  ASSIGN_OR_RETURN(const std::vector<std::string> topics, store_.TopicsWithRows());
  for (auto& [name, on_record] : on_record_) {
    on_record.more &= std::find(topics.begin(), topics.end(), name) != topics.end();
  }
  for (const std::string& name : topics) {
    OnRecord& on_record = on_record_[name];
    on_record.topic.name = name;
    if (!scan && !on_record.more) continue;
    on_record.more = true;
    Budget budget;
    {
      MutexLock lock(state_.mutex);
      budget = BudgetOf(name);
    }
    if (budget.rows == 0) continue;
    RETURN_IF_ERROR(ReadTopic(name, budget, rows[name]));
  }
  return rows;
}

absl::Status RelaySession::ReadTopic(const std::string& topic, const Budget& budget,
                                     NewRows& rows) {
  OnRecord& on_record = on_record_[topic];
  on_record.more = false;
  size_t read = 0;
  size_t bytes = 0;
  return store_.ReadRows(
      topic, !on_record.requests.empty(), budget.rows, [&](const OutboxRow& row) {
        if (++read == budget.rows) on_record.more = true;
        const absl::StatusOr<v1::Event> event = EventOfRow(producer_, row);
        if (!event.ok()) {
          rows.bad.push_back({row.id, event.status()});
          return true;
        }
        const size_t size = event->ByteSizeLong();
        const size_t added = Batch::FieldSize(size);
        const bool begin =
            rows.requests.empty() ||
            rows.requests.back()->batch.bytes() + added > state_.options.max_batch_bytes ||
            rows.requests.back()->batch.events() == kMaxBatchEvents;
        if (bytes > 0 &&
            (bytes + added > budget.bytes || (begin && rows.requests.size() == budget.requests))) {
          on_record.more = true;
          return false;
        }
        if (begin) {
          rows.requests.push_back(std::make_unique<NewRequest>(
              rows.requests.empty() ? kFirstBatchBytes : state_.options.max_batch_bytes));
          rows.requests.back()->created = row.created_at;
        }
        rows.requests.back()->batch.Append(*event, size, nullptr);
        rows.requests.back()->ids.push_back(row.id);
        bytes += added;
        return true;
      });
}

std::vector<RelaySession::Change> RelaySession::Decide(NewRowsByTopic& rows) {
  for (const auto& [name, ignored] : rows) state_.TopicOf(name);
  std::vector<Change> changes;
  for (const auto& [name, topic] : state_.topics) {
    OnRecord& on_record = on_record_[name];
    Change change{.topic = topic.get(), .on_record = &on_record};
    topic->unwritten_bytes = 0;
    while (!on_record.requests.empty() && on_record.requests.begin()->first < topic->lane.head()) {
      const auto first = on_record.requests.begin();
      change.confirmed.push_back({first->first, std::move(first->second)});
      on_record.requests.erase(first);
    }
    if (const auto fresh = rows.find(name); fresh != rows.end()) {
      for (const auto& request : fresh->second.requests) AddRequest(*request, change);
      change.bad = std::move(fresh->second.bad);
    }
    if (topic->lane.WantsEpoch()) topic->lane.BeginEpoch();
    change.changed = UpdateRecord(*topic, on_record.topic);
    if (!change.empty()) changes.push_back(std::move(change));
  }
  return changes;
}

// It is not sent before Apply.
void RelaySession::AddRequest(NewRequest& added, Change& change) {
  Topic& topic = *change.topic;
  Request& request = topic.lane.Add(added.created, state_.Now());
  const size_t bytes = added.batch.bytes();
  topic.lane.AddPart(request, added.created, static_cast<uint32_t>(added.ids.size()), bytes);
  request.bodies = {added.batch.body()};
  request.sealed = true;
  request.writing = 1;
  topic.pending_events += added.ids.size();
  topic.pending_bytes += bytes;
  state_.pending_events += added.ids.size();
  state_.pending_bytes += bytes;
  change.added.push_back({request.number, added.ids});
  change.on_record->requests[request.number] = std::move(added.ids);
}

absl::Status RelaySession::Write(const std::vector<Change>& changes) {
  SqlTransaction transaction(store_.database());
  RETURN_IF_ERROR(store_.Begin(transaction));
  for (const Change& change : changes) {
    const std::string& name = change.topic->name;
    for (const RecordedRequest& request : change.confirmed) {
      if (!request.ids.empty()) RETURN_IF_ERROR(store_.DeleteRows(name, request.ids));
      RETURN_IF_ERROR(store_.DeleteRequest(name, request.number));
    }
    for (const RecordedRequest& request : change.added) {
      RETURN_IF_ERROR(store_.PutRequest(name, request));
    }
    for (const BadRow& row : change.bad) {
      RETURN_IF_ERROR(store_.SetAside(name, row.id, row.error, /*in_doubt=*/false));
    }
    if (change.changed) RETURN_IF_ERROR(store_.PutTopic(change.on_record->topic));
  }
  return transaction.Commit();
}

void RelaySession::Apply(const std::vector<Change>& changes, std::vector<std::string>& lines) {
  for (const Change& change : changes) {
    Topic& topic = *change.topic;
    ConfirmRecord(topic, change.on_record->topic);
    for (const RecordedRequest& added : change.added) {
      Request& request = *FindRequest(topic.lane, added.number);
      request.writing = 0;
      request.stored = true;
      request.in_memory = true;
    }
    if (!change.bad.empty() && topic.refused_events == 0) {
      lines.push_back(SetAsideLine(topic.name, change.bad.front().error));
    }
    topic.refused_events += change.bad.size();
    state_.MarkSend(topic);
  }
}

void RelaySession::FinishDrains() {
  std::vector<Drain> finished;
  {
    MutexLock lock(state_.mutex);
    if (drains_.empty() || state_.pending_events > 0) return;
    for (const auto& [name, on_record] : on_record_) {
      if (on_record.more || !on_record.requests.empty()) return;
    }
    const auto waiting = std::partition(drains_.begin(), drains_.end(),
                                        [](const Drain& drain) { return drain.begun; });
    std::move(drains_.begin(), waiting, std::back_inserter(finished));
    drains_.erase(drains_.begin(), waiting);
  }
  for (const Drain& drain : finished) drain.done();
}

bool RelaySession::UpdateRecord(const Topic& topic, RecordedTopic& record) {
  const TopicRecord now = topic.lane.Record();
  const uint64_t next = topic.lane.next_number();
  if (record.epoch == now.epoch && record.base == now.base && record.next == next) return false;
  record.name = topic.name;
  record.epoch = now.epoch;
  record.base = now.base;
  record.next = next;
  return true;
}

void RelaySession::ConfirmRecord(Topic& topic, const RecordedTopic& record) {
  topic.lane.OnRecordWritten({.epoch = record.epoch, .base = record.base});
}

void RelaySession::SetAside(Topic& topic) { failed_.Update(TryToSetAside(topic)); }

absl::Status RelaySession::TryToSetAside(Topic& topic) {
  OnRecord& on_record = on_record_[topic.name];
  Lane::Refused refused;
  RecordedRequest request;
  int64_t id = 0;
  bool in_doubt = false;
  bool changed = false;
  {
    MutexLock lock(state_.mutex);
    topic.repairing = false;
    if (!topic.lane.set_aside()) return absl::OkStatus();
    refused = *topic.lane.set_aside();
    Request& first = *topic.lane.requests().front();
    request = {first.number, on_record.requests[first.number]};
    if (refused.event >= request.ids.size()) {
      return absl::InternalError("the hub refuses an event that it was not sent");
    }
    id = request.ids[refused.event];
    request.ids.erase(request.ids.begin() + refused.event);
    in_doubt = first.in_doubt;
    std::string event;
    Bytes rest = Bytes::Of(Without(Concatenate(first.bodies).view, refused.event, &event));
    state_.Forget(topic, 1, event.size());
    --first.events;
    first.bytes -= event.size();
    first.bodies = {std::move(rest)};
    if (request.ids.empty()) {
      topic.lane.RemoveFirst();
      on_record.requests.erase(request.number);
    } else {
      on_record.requests[request.number] = request.ids;
    }
    changed = UpdateRecord(topic, on_record.topic);
  }
  SqlTransaction transaction(store_.database());
  RETURN_IF_ERROR(store_.Begin(transaction));
  RETURN_IF_ERROR(store_.SetAside(topic.name, id, refused.error, in_doubt));
  RETURN_IF_ERROR(request.ids.empty() ? store_.DeleteRequest(topic.name, request.number)
                                      : store_.PutRequest(topic.name, request));
  if (changed) RETURN_IF_ERROR(store_.PutTopic(on_record.topic));
  RETURN_IF_ERROR(transaction.Commit());
  bool first_one;
  {
    MutexLock lock(state_.mutex);
    ConfirmRecord(topic, on_record.topic);
    topic.lane.ClearSetAside();
    first_one = topic.refused_events++ == 0;
    state_.MarkSend(topic);
  }
  if (first_one) state_.Log(SetAsideLine(topic.name, refused.error));
  return absl::OkStatus();
}

// Requests stay in memory until they are confirmed, so they are neither read again nor found
// damaged.
absl::StatusOr<std::vector<StoredPart>> RelaySession::ReadParts(TopicNumber, uint64_t) const {
  return absl::NotFoundError("the events of the request are only in memory");
}

void RelaySession::Salvage(Topic&, uint64_t) {}

}  // namespace eventhub::client::outbox
