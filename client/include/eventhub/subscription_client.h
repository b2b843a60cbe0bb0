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

// The subscriptions of a hub. Thread-safe; every method blocks. As those of AdminClient, calls wait
// for the hub, those that change nothing are made once more, and an error may leave a change in
// doubt. Changes are on the hub's disk (synced) when they are answered. Everywhere: NOT_FOUND if
// there is no such subscription; INVALID_ARGUMENT names the field.
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

  // Creates a subscription, and its dead-letter topic if there is none of that name; returns it
  // with defaults filled in. ALREADY_EXISTS if there is one of that name, whatever its settings;
  // NOT_FOUND if there is no such topic.
  absl::StatusOr<Subscription> CreateSubscription(const Subscription& subscription,
                                                  StartPosition start = StartPosition::Latest());

  // The answer to "why is it behind?", with at most `max_partitions` partitions, those furthest
  // behind first; 0: 100, at most 1,000.
  absl::StatusOr<SubscriptionDescription> GetSubscription(const std::string& name,
                                                          uint32_t max_partitions = 0);

  // All subscriptions by name, or those of one topic.
  absl::StatusOr<std::vector<SubscriptionSummary>> ListSubscriptions(const std::string& topic = "");

  // Changes what `update` sets and returns the subscription as it is then. INVALID_ARGUMENT if it
  // sets nothing.
  absl::StatusOr<Subscription> UpdateSubscription(const std::string& name,
                                                  const SubscriptionUpdate& update);

  // Deletes it with its snapshots and open dead letters; the dead-letter topic stays. Its consumers
  // get NOT_FOUND.
  absl::Status DeleteSubscription(const std::string& name);

  // Moves a subscription; with `dry_run`, only says what would move. NOT_FOUND also if it has no
  // such snapshot; OUT_OF_RANGE if an offset is trimmed or beyond the end.
  absl::StatusOr<std::vector<PartitionMove>> Seek(const std::string& name, const SeekTarget& target,
                                                  bool dry_run = false);

  // Delivers a range again, beside the live flow; with `dry_run`, only says what. Each call adds a
  // replay, so look first before it is made again after an unclear outcome.
  absl::StatusOr<ReplayResult> Replay(const std::string& name, const ReplaySpec& spec,
                                      bool dry_run = false);

  // Ends what is left of all replays; returns how many events are not delivered again.
  absl::StatusOr<uint64_t> CancelReplays(const std::string& name);

  // Keeps the ack state under a name of its own. ALREADY_EXISTS if it has a snapshot of that name.
  absl::StatusOr<Snapshot> CreateSnapshot(const std::string& subscription, const std::string& name);
  // By name.
  absl::StatusOr<std::vector<Snapshot>> ListSnapshots(const std::string& subscription);
  // NOT_FOUND also if it has no such snapshot.
  absl::Status DeleteSnapshot(const std::string& subscription, const std::string& name);

  // Gives the open dead letters that `selector` picks, oldest first in each partition of the
  // dead-letter topic, to `visit`, until it returns false. A page at a time, so that any number of
  // them can be gone through; their `data` only with `with_data`.
  absl::Status ListDeadLetters(const std::string& subscription, const DeadLetterSelector& selector,
                               bool with_data, absl::FunctionRef<bool(DeadLetter)> visit);

  // Returns dead letters to the subscription; with `dry_run`, only counts them. Those whose events
  // it has yet to come to, after a seek back, stay, and so do those whose events are gone. After
  // DEADLINE_EXCEEDED some were returned; a retry goes on with the others.
  absl::StatusOr<RedriveResult> RedriveDeadLetters(const std::string& subscription,
                                                   const DeadLetterSelector& selector,
                                                   bool dry_run = false);

  // Gives dead letters up for good; with `dry_run`, only counts them. How many.
  absl::StatusOr<uint64_t> DiscardDeadLetters(const std::string& subscription,
                                              const DeadLetterSelector& selector,
                                              bool dry_run = false);

 private:
  const std::shared_ptr<Connection> connection_;
  const AdminOptions options_;
};

}  // namespace eventhub::client
