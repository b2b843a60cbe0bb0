// A relay: stands by, takes over, and begins anew after errors of the database.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <thread>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "client/outbox/relay/relay_session.h"
#include "client/outbox/relay/row_store.h"
#include "client/outbox/relay/sql_database.h"
#include "client/outbox/state.h"
#include "eventhub/connection.h"
#include "eventhub/outbox_relay.h"
#include "storage/base/clock.h"
#include "storage/base/mutex.h"

namespace eventhub::client {

// See OutboxRelay for the contract. Its mutex is acquired before that of a session's state.
class RelayCore {
 public:
  // `default_poll` is the poll interval of the kind of database.
  static absl::StatusOr<std::shared_ptr<RelayCore>> Open(std::shared_ptr<Connection> connection,
                                                         OutboxRelayOptions options,
                                                         outbox::RelayDatabase database,
                                                         absl::Duration default_poll,
                                                         const Clock& clock);
  ~RelayCore();

  void Notify();
  absl::Status Drain(absl::Duration timeout);
  OutboxRelayStatus status();
  absl::Status Retry(std::string_view topic);
  absl::Status ForEachRefused(std::string_view topic,
                              absl::FunctionRef<absl::Status(const RefusedRow& row)> visit);
  absl::StatusOr<uint64_t> RetryRefused(std::string_view topic);
  absl::StatusOr<uint64_t> DiscardRefused(std::string_view topic);

 private:
  RelayCore(std::shared_ptr<Connection> connection, OutboxRelayOptions options,
            outbox::RelayDatabase database, const Clock& clock);

  void Run();
  // Stands by (then OK), or publishes until it is stopped (OK) or the database fails.
  absl::Status TakeTurn();
  absl::Status RunSession(outbox::RecordedState recorded);
  std::shared_ptr<outbox::State> NewState() const;
  void BeginSession(const std::shared_ptr<outbox::RelaySession>& session,
                    std::shared_ptr<outbox::State> state);
  void EndSession();
  void SetDatabaseStatus(const absl::Status& status);
  void Log(const std::string& line) const;

  std::string WhyNotDrained() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void AddSessionTo(std::map<std::string, OutboxRelayTopicStatus>& topics) const
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // The rows, in the database.
  absl::Status Count(std::map<std::string, OutboxRelayTopicStatus>& topics);
  using TakePiece = absl::StatusOr<uint64_t> (outbox::RowStore::*)(std::string_view topic,
                                                                   int64_t last, size_t limit);
  absl::StatusOr<uint64_t> TakeRefused(std::string_view topic, TakePiece take);
  // Runs `call` on the operators' connection.
  absl::Status ForOperators(absl::FunctionRef<absl::Status(outbox::RowStore& store)> call);

  const std::shared_ptr<Connection> connection_;
  const OutboxRelayOptions options_;
  const Clock& clock_;
  const std::string schema_;
  const std::unique_ptr<outbox::SqlDatabase> database_;
  outbox::RowStore store_;  // Of the relay's thread.

  Mutex operators_mutex_;
  const std::unique_ptr<outbox::SqlDatabase> operators_database_;
  outbox::RowStore operators_ ABSL_GUARDED_BY(operators_mutex_);

  mutable Mutex mutex_;
  CondVar stop_wake_;
  CondVar progress_;  // A session began or ended, or the table is drained.
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;
  absl::Status database_status_ ABSL_GUARDED_BY(mutex_);
  // Null while it stands by.
  std::shared_ptr<outbox::RelaySession> session_ ABSL_GUARDED_BY(mutex_);
  std::shared_ptr<outbox::State> state_ ABSL_GUARDED_BY(mutex_);
  uint64_t session_number_ ABSL_GUARDED_BY(mutex_) = 0;
  // By topic, of sessions that ended.
  std::map<std::string, uint64_t> published_ ABSL_GUARDED_BY(mutex_);

  std::unique_ptr<outbox::SqlListener> listener_;
  std::thread thread_;
};

}  // namespace eventhub::client
