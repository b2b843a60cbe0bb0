// The outbox: takes events, and answers for those who wait.
#pragma once

#include <cstddef>
#include <memory>
#include <string_view>
#include <thread>

#include "absl/functional/any_invocable.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "client/outbox/committer.h"
#include "client/outbox/sender.h"
#include "client/outbox/spool.h"
#include "client/outbox/state.h"
#include "eventhub/connection.h"
#include "eventhub/outbox.h"
#include "storage/base/clock.h"

namespace eventhub::client {

// See Outbox for the contract. Events gather in parts; the committer writes parts to disk, as
// requests; the sender sends requests to the hub. With kSpill, the sender makes requests of the
// parts itself, and the committer writes only those that the hub does not confirm in time.
class OutboxCore {
 public:
  static absl::StatusOr<std::shared_ptr<OutboxCore>> Open(std::shared_ptr<Connection> connection,
                                                          OutboxOptions options,
                                                          const Clock& clock);
  ~OutboxCore();

  absl::Status Publish(std::string_view topic, const v1::Event& event);
  absl::Status Publish(std::string_view topic, const v1::Event& event, Outbox::Callback done);
  absl::Status Flush(absl::Duration timeout);
  absl::Status Drain(absl::Duration timeout);
  absl::Status Close(absl::Duration timeout);
  OutboxStatus status() const;

  absl::Status Retry(std::string_view topic);
  absl::StatusOr<uint64_t> RetryRefused(std::string_view topic);
  absl::StatusOr<uint64_t> DropRefused(std::string_view topic);
  absl::StatusOr<uint64_t> Drop(std::string_view topic);

 private:
  OutboxCore(std::shared_ptr<outbox::State> state, std::unique_ptr<outbox::Spool> spool);

  void Start(const std::vector<outbox::StoredTopic>& stored);
  absl::Status Take(std::string_view topic, const v1::Event& event, Outbox::Callback done);
  bool HasSpace(size_t bytes) const ABSL_EXCLUSIVE_LOCKS_REQUIRED(state_.mutex);
  absl::Status AwaitSpace(size_t bytes) ABSL_EXCLUSIVE_LOCKS_REQUIRED(state_.mutex);
  void Gather(outbox::Topic& topic, const v1::Event& event, size_t size, Outbox::Callback done)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(state_.mutex);
  // Runs an operator's request on the committer.
  using Request = absl::AnyInvocable<absl::StatusOr<uint64_t>(outbox::Topic&)>;
  absl::StatusOr<uint64_t> OnCommitter(std::string_view topic, Request request);
  void RunReclaimer();

  const std::shared_ptr<outbox::State> shared_;
  outbox::State& state_;
  std::unique_ptr<outbox::Spool> spool_;  // Null once it is closed.
  outbox::Committer committer_;
  outbox::Sender sender_;
  std::thread reclaimer_;
  bool stop_reclaiming_ ABSL_GUARDED_BY(state_.mutex) = false;
};

}  // namespace eventhub::client
