// Administers durable subscriptions: settings, seek, replay, snapshots, dead letters.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "eventhub/admin_client.h"
#include "eventhub/connection.h"
#include "eventhub/subscription.h"

namespace eventhub::client {

// The subscriptions of a hub. Thread-safe; every method blocks. Like those of AdminClient, calls
// wait for the hub, calls that change nothing are retried once, and an error may leave the outcome
// of a change unknown. A successful change is durable: synced to the hub's disk. All methods return
// NOT_FOUND if the subscription does not exist, and INVALID_ARGUMENT, naming the field, if a
// setting is invalid.
//
// Example:
//
//     SubscriptionClient subscriptions(Connect("localhost:7070"));
//     auto billing = subscriptions.CreateSubscription(
//         {.name = "billing", .topic = "orders", .kind = SubscriptionKind::kQueue},
//         StartPosition::Earliest());
class SubscriptionClient {
 public:
  explicit SubscriptionClient(std::shared_ptr<Connection> connection, AdminOptions options = {});

  // Creates a subscription, and its dead-letter topic if that does not exist; returns the
  // subscription with defaults filled in. ALREADY_EXISTS if the name is taken, whatever the
  // settings; NOT_FOUND if the topic does not exist.
  absl::StatusOr<Subscription> CreateSubscription(const Subscription& subscription,
                                                  StartPosition start = StartPosition::Latest());

  // The state of a subscription, which answers "why is it behind?". Contains at most
  // `max_partitions` partitions (0: 100; at most 1,000), the furthest behind first.
  absl::StatusOr<SubscriptionDescription> GetSubscription(const std::string& name,
                                                          uint32_t max_partitions = 0);

  // All subscriptions, or those of one topic, by name.
  absl::StatusOr<std::vector<SubscriptionSummary>> ListSubscriptions(const std::string& topic = "");

  // Changes the fields that `update` sets and returns the changed subscription. INVALID_ARGUMENT if
  // it sets no field.
  absl::StatusOr<Subscription> UpdateSubscription(const std::string& name,
                                                  const SubscriptionUpdate& update);

  // Deletes a subscription with its snapshots and open dead letters; the dead-letter topic stays.
  // Its consumers end with NOT_FOUND.
  absl::Status DeleteSubscription(const std::string& name);

  // Moves the cursors of a subscription; with `dry_run`, only reports what would move. NOT_FOUND
  // also if the snapshot does not exist; OUT_OF_RANGE if an offset is trimmed or beyond the end.
  absl::StatusOr<std::vector<PartitionMove>> Seek(const std::string& name, const SeekTarget& target,
                                                  bool dry_run = false);

  // Delivers a range of events again, beside the live flow; with `dry_run`, only reports which.
  // Each call adds a replay: after an error with unknown outcome, check before repeating it. Events
  // that retention has removed come from the hub's lake, if it has one. OUT_OF_RANGE if an offset
  // is before those, or beyond the end; FAILED_PRECONDITION (ErrorReason::kReplayInProgress) if
  // replays with another filter are not done; UNAVAILABLE (kLakeUnavailable) if the lake is needed
  // to find the range, and does not answer.
  absl::StatusOr<ReplayResult> Replay(const std::string& name, const ReplaySpec& spec,
                                      bool dry_run = false);

  // Cancels the rest of all replays; returns how many events are no longer delivered again.
  absl::StatusOr<uint64_t> CancelReplays(const std::string& name);

  // Saves the ack state under a name. ALREADY_EXISTS if the subscription has a snapshot of that
  // name.
  absl::StatusOr<Snapshot> CreateSnapshot(const std::string& subscription, const std::string& name);
  // All snapshots of a subscription, by name.
  absl::StatusOr<std::vector<Snapshot>> ListSnapshots(const std::string& subscription);
  // NOT_FOUND also if the snapshot does not exist.
  absl::Status DeleteSnapshot(const std::string& subscription, const std::string& name);

  // Passes the open dead letters that `selector` selects to `visit`, oldest first in each partition
  // of the dead-letter topic, until `visit` returns false. Fetches a page at a time, so that any
  // number can be visited; includes their `data` only if `with_data` is set.
  absl::Status ListDeadLetters(const std::string& subscription, const DeadLetterSelector& selector,
                               bool with_data, absl::FunctionRef<bool(DeadLetter)> visit);

  // Returns dead letters to the subscription, those of a pipeline to that pipeline only (see
  // ReceivedEvent::pipelines); with `dry_run`, only counts them. Dead letters stay if the
  // subscription has not reached their events again after a seek back, if their events no longer
  // exist, or while they are in flight to another pipeline. After DEADLINE_EXCEEDED some have been
  // returned; a retry continues with the others.
  absl::StatusOr<RedriveResult> RedriveDeadLetters(const std::string& subscription,
                                                   const DeadLetterSelector& selector,
                                                   bool dry_run = false);

  // Discards dead letters permanently; with `dry_run`, only counts them. Returns their number.
  absl::StatusOr<uint64_t> DiscardDeadLetters(const std::string& subscription,
                                              const DeadLetterSelector& selector,
                                              bool dry_run = false);

 private:
  const std::shared_ptr<Connection> connection_;
  const AdminOptions options_;
};

}  // namespace eventhub::client
