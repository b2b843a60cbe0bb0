#include "client/outbox/relay/relay_core.h"

#include <algorithm>
#include <iostream>
#include <limits>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "client/outbox/relay/row_event.h"
#include "client/src/base/backoff.h"
#include "client/src/base/option_checks.h"
#include "storage/base/status_macros.h"

namespace eventhub::client {
namespace {

// Rows that were set aside are read, moved and deleted this many at a time.
constexpr size_t kRefusedPiece = 500;

absl::Status CheckRelayOptions(const OutboxRelayOptions& options) {
  constexpr uint64_t kMax = uint64_t{1} << 60;
  constexpr uint64_t kMiB = uint64_t{1} << 20;
  RETURN_IF_ERROR(outbox::CheckTableName(options.table));
  if (options.poll_interval) {
    RETURN_IF_ERROR(CheckMoreThanZero("poll_interval", *options.poll_interval));
  }
  RETURN_IF_ERROR(CheckRange("max_batch_bytes", options.max_batch_bytes, 1024, 3 * kMiB));
  RETURN_IF_ERROR(CheckRange("max_in_flight_requests", options.max_in_flight_requests, 1, 64));
  RETURN_IF_ERROR(CheckRange("max_in_flight_bytes", options.max_in_flight_bytes, 1, kMax));
  RETURN_IF_ERROR(CheckRange("max_buffer_bytes", options.max_buffer_bytes, kMiB, kMax));
  RETURN_IF_ERROR(CheckMoreThanZero("reply_timeout", options.reply_timeout));
  RETURN_IF_ERROR(CheckRetryOptions(options.retry));
  const absl::Status stopped = CheckRetryOptions(options.stopped_retry);
  if (stopped.ok()) return stopped;
  return absl::InvalidArgumentError(absl::StrCat("stopped_", stopped.message()));
}

}  // namespace

absl::StatusOr<std::shared_ptr<RelayCore>> RelayCore::Open(std::shared_ptr<Connection> connection,
                                                           OutboxRelayOptions options,
                                                           outbox::RelayDatabase database,
                                                           absl::Duration default_poll,
                                                           const Clock& clock) {
  RETURN_IF_ERROR(CheckRelayOptions(options));
  if (!options.poll_interval) options.poll_interval = default_poll;
  const auto listen = std::move(database.listen);
  auto core = std::shared_ptr<RelayCore>(
      new RelayCore(std::move(connection), std::move(options), std::move(database), clock));
  RETURN_IF_ERROR(core->store_.Open(core->schema_));
  core->thread_ = std::thread([raw = core.get()] { raw->Run(); });
  if (listen) core->listener_ = listen([raw = core.get()] { raw->Notify(); });
  return core;
}

RelayCore::RelayCore(std::shared_ptr<Connection> connection, OutboxRelayOptions options,
                     outbox::RelayDatabase database, const Clock& clock)
    : connection_(std::move(connection)),
      options_(std::move(options)),
      clock_(clock),
      schema_(options_.create_tables ? std::move(database.schema) : ""),
      database_(std::move(database.relay)),
      store_(*database_, options_.table),
      operators_database_(std::move(database.operators)),
      operators_(*operators_database_, options_.table) {}

RelayCore::~RelayCore() {
  listener_.reset();
  {
    MutexLock lock(mutex_);
    stopping_ = true;
    if (session_ != nullptr) session_->Stop();
  }
  stop_wake_.NotifyOne();
  if (thread_.joinable()) thread_.join();
}

void RelayCore::Run() {
  Backoff backoff(options_.retry);
  for (;;) {
    const absl::Status status = TakeTurn();
    SetDatabaseStatus(status);
    if (status.ok()) {
      backoff.Reset();
    } else {
      store_.Close();
    }
    const absl::Duration delay = status.ok() ? *options_.poll_interval : backoff.DelayAfter(status);
    MutexLock lock(mutex_);
    const absl::Duration until = clock_.Monotonic() + delay;
    while (!stopping_ && clock_.Monotonic() < until) {
      stop_wake_.WaitFor(mutex_, until - clock_.Monotonic());
    }
    if (stopping_) return;
  }
}

absl::Status RelayCore::TakeTurn() {
  RETURN_IF_ERROR(store_.Open(schema_));
  ASSIGN_OR_RETURN(std::optional<outbox::RecordedState> recorded, store_.TakeOver());
  if (!recorded) return absl::OkStatus();
  return RunSession(*std::move(recorded));
}

absl::Status RelayCore::RunSession(outbox::RecordedState recorded) {
  const std::shared_ptr<outbox::State> state = NewState();
  const auto session = std::make_shared<outbox::RelaySession>(
      state, store_, std::move(recorded.producer), *options_.poll_interval);
  RETURN_IF_ERROR(session->Load(std::move(recorded.topics)));
  SetDatabaseStatus(absl::OkStatus());
  BeginSession(session, state);
  const absl::Status status = session->Run();
  EndSession();
  return status;
}

std::shared_ptr<outbox::State> RelayCore::NewState() const {
  OutboxOptions options;
  options.hub_durability = options_.hub_durability;
  options.max_batch_bytes = options_.max_batch_bytes;
  options.max_in_flight_requests = options_.max_in_flight_requests;
  options.max_in_flight_bytes = options_.max_in_flight_bytes;
  options.max_buffer_bytes = options_.max_buffer_bytes;
  options.reply_timeout = options_.reply_timeout;
  options.retry = options_.retry;
  options.stopped_retry = options_.stopped_retry;
  options.log = options_.log;
  return std::make_shared<outbox::State>(std::move(options), connection_, clock_);
}

void RelayCore::BeginSession(const std::shared_ptr<outbox::RelaySession>& session,
                             std::shared_ptr<outbox::State> state) {
  MutexLock lock(mutex_);
  session_ = session;
  state_ = std::move(state);
  ++session_number_;
  if (stopping_) session->Stop();
  progress_.NotifyAll();
}

void RelayCore::EndSession() {
  MutexLock lock(mutex_);
  {
    MutexLock state_lock(state_->mutex);
    for (const auto& [name, topic] : state_->topics) published_[name] += topic->published_events;
  }
  session_ = nullptr;
  state_ = nullptr;
  progress_.NotifyAll();
}

void RelayCore::SetDatabaseStatus(const absl::Status& status) {
  bool news;
  {
    MutexLock lock(mutex_);
    news = status.ok() != database_status_.ok();
    database_status_ = status;
  }
  if (!news) return;
  Log(status.ok() ? absl::StrCat("outbox: table ", options_.table, " can be used again")
                  : absl::StrCat("outbox: table ", options_.table,
                                 " cannot be used, retrying: ", status.message()));
}

void RelayCore::Log(const std::string& line) const {
  if (options_.log) {
    options_.log(line);
  } else {
    std::cerr << line << std::endl;
  }
}

void RelayCore::Notify() {
  MutexLock lock(mutex_);
  if (session_ != nullptr) session_->Wake();
}

absl::Status RelayCore::Drain(absl::Duration timeout) {
  const auto drained = std::make_shared<bool>(false);  // Guarded by the mutex.
  const absl::Duration give_up = clock_.Monotonic() + timeout;
  uint64_t asked = 0;
  MutexLock lock(mutex_);
  for (;;) {
    if (*drained) return absl::OkStatus();
    if (session_ != nullptr && session_number_ != asked) {
      asked = session_number_;
      session_->WhenDrained([this, drained] {
        MutexLock done_lock(mutex_);
        *drained = true;
        progress_.NotifyAll();
      });
    }
    const absl::Duration wait = give_up - clock_.Monotonic();
    if (wait <= absl::ZeroDuration()) return absl::DeadlineExceededError(WhyNotDrained());
    progress_.WaitFor(mutex_, std::min(wait, absl::Hours(1)));
  }
}

std::string RelayCore::WhyNotDrained() const {
  std::string message = absl::StrCat("table ", options_.table, " has rows that are not in the hub");
  if (state_ == nullptr) {
    return absl::StrCat(
        message, "; ",
        database_status_.ok() ? "another relay publishes it" : database_status_.message());
  }
  MutexLock lock(state_->mutex);
  for (const auto& [name, topic] : state_->topics) {
    if (topic->last_error.ok()) continue;
    return absl::StrCat(message, "; topic ", name, ": ", topic->last_error.message());
  }
  return message;
}

OutboxRelayStatus RelayCore::status() {
  std::map<std::string, OutboxRelayTopicStatus> topics;
  const absl::Status counted = Count(topics);
  OutboxRelayStatus all;
  {
    MutexLock lock(mutex_);
    AddSessionTo(topics);
    all.active = session_ != nullptr;
    all.database = database_status_;
    all.database.Update(counted);
  }
  for (auto& [name, topic] : topics) {
    topic.topic = name;
    all.pending_rows += topic.pending_rows;
    all.refused_rows += topic.refused_rows;
    all.published_events += topic.published_events;
    if (topic.oldest) all.oldest = std::min(all.oldest.value_or(*topic.oldest), *topic.oldest);
    all.topics.push_back(std::move(topic));
  }
  return all;
}

absl::Status RelayCore::Count(std::map<std::string, OutboxRelayTopicStatus>& topics) {
  return ForOperators([&](outbox::RowStore& store) -> absl::Status {
    ASSIGN_OR_RETURN(const std::vector<outbox::RowCount> rows, store.CountRows());
    ASSIGN_OR_RETURN(const std::vector<outbox::RowCount> refused, store.CountRefused());
    for (const outbox::RowCount& count : rows) {
      topics[count.topic].pending_rows = count.rows;
      topics[count.topic].oldest = count.oldest;
    }
    for (const outbox::RowCount& count : refused) topics[count.topic].refused_rows = count.rows;
    return absl::OkStatus();
  });
}

void RelayCore::AddSessionTo(std::map<std::string, OutboxRelayTopicStatus>& topics) const {
  for (const auto& [name, published] : published_) topics[name].published_events = published;
  if (state_ == nullptr) return;
  MutexLock lock(state_->mutex);
  for (const auto& [name, topic] : state_->topics) {
    OutboxRelayTopicStatus& status = topics[name];
    status.state = topic->state;
    status.last_error = topic->last_error;
    status.published_events += topic->published_events;
  }
}

absl::Status RelayCore::Retry(std::string_view topic) {
  MutexLock lock(mutex_);
  if (state_ == nullptr) {
    return absl::NotFoundError(
        absl::StrCat("this relay does not publish table ", options_.table, " now"));
  }
  MutexLock state_lock(state_->mutex);
  return state_->Retry(topic);
}

absl::Status RelayCore::ForOperators(
    absl::FunctionRef<absl::Status(outbox::RowStore& store)> call) {
  MutexLock lock(operators_mutex_);
  absl::Status status = operators_.Open(/*schema=*/"");
  if (status.ok()) status = call(operators_);
  if (!status.ok()) operators_.Close();
  return status;
}

absl::Status RelayCore::ForEachRefused(
    std::string_view topic, absl::FunctionRef<absl::Status(const RefusedRow& row)> visit) {
  int64_t last = std::numeric_limits<int64_t>::min();
  for (;;) {
    std::vector<RefusedRow> rows;
    RETURN_IF_ERROR(ForOperators([&](outbox::RowStore& store) -> absl::Status {
      ASSIGN_OR_RETURN(rows, store.ListRefused(topic, last, kRefusedPiece));
      return absl::OkStatus();
    }));
    for (const RefusedRow& row : rows) RETURN_IF_ERROR(visit(row));
    if (rows.size() < kRefusedPiece) return absl::OkStatus();
    last = rows.back().id;
  }
}

absl::StatusOr<uint64_t> RelayCore::TakeRefused(std::string_view topic, TakePiece take) {
  uint64_t total = 0;
  std::optional<int64_t> last;  // Rows that are refused later stay.
  for (;;) {
    uint64_t taken = 0;
    RETURN_IF_ERROR(ForOperators([&](outbox::RowStore& store) -> absl::Status {
      if (!last) {
        ASSIGN_OR_RETURN(last, store.LastRefused(topic));
      }
      ASSIGN_OR_RETURN(taken, (store.*take)(topic, *last, kRefusedPiece));
      return absl::OkStatus();
    }));
    total += taken;
    if (taken < kRefusedPiece) return total;
  }
}

absl::StatusOr<uint64_t> RelayCore::RetryRefused(std::string_view topic) {
  ASSIGN_OR_RETURN(const uint64_t retried, TakeRefused(topic, &outbox::RowStore::RetryRefused));
  Notify();
  return retried;
}

absl::StatusOr<uint64_t> RelayCore::DiscardRefused(std::string_view topic) {
  return TakeRefused(topic, &outbox::RowStore::DiscardRefused);
}

OutboxRelay::OutboxRelay(std::shared_ptr<RelayCore> core) : core_(std::move(core)) {}

OutboxRelay::~OutboxRelay() = default;

void OutboxRelay::Notify() { core_->Notify(); }

absl::Status OutboxRelay::Drain(absl::Duration timeout) { return core_->Drain(timeout); }

OutboxRelayStatus OutboxRelay::status() const { return core_->status(); }

absl::Status OutboxRelay::Retry(std::string_view topic) { return core_->Retry(topic); }

absl::Status OutboxRelay::ForEachRefused(
    std::string_view topic, absl::FunctionRef<absl::Status(const RefusedRow& row)> visit) const {
  return core_->ForEachRefused(topic, visit);
}

absl::StatusOr<uint64_t> OutboxRelay::RetryRefused(std::string_view topic) {
  return core_->RetryRefused(topic);
}

absl::StatusOr<uint64_t> OutboxRelay::DiscardRefused(std::string_view topic) {
  return core_->DiscardRefused(topic);
}

}  // namespace eventhub::client
