// Administers a hub: topics, statistics, health.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "eventhub/connection.h"
#include "eventhub/topic.h"

namespace eventhub::client {

struct AdminOptions {
  // For each call, including the wait for a connection. Lists make one call per page.
  absl::Duration timeout = absl::Seconds(10);
};

// The control plane of a hub. Thread-safe; every method blocks. While the hub cannot be reached, a
// call waits for it until the timeout, and then returns UNAVAILABLE with the cause. A change is
// sent once: if the connection breaks, or no reply arrives (DEADLINE_EXCEEDED), the change may or
// may not have been made; see OutcomeIsUnknown. Calls that change nothing are retried once. A
// successful change is durable: synced to the hub's disk.
//
// Example:
//
//     AdminClient admin(Connect("localhost:7070"));
//     absl::StatusOr<Topic> topic = admin.CreateTopic({.name = "orders", .partitions = 8});
class AdminClient {
 public:
  explicit AdminClient(std::shared_ptr<Connection> connection, AdminOptions options = {});

  // Creates a topic and returns it with defaults filled in. ALREADY_EXISTS if the name is taken,
  // whatever the settings; INVALID_ARGUMENT names the field.
  absl::StatusOr<Topic> CreateTopic(const Topic& topic);

  // NOT_FOUND if the topic does not exist; so do all methods below that name a topic.
  absl::StatusOr<TopicDescription> GetTopic(const std::string& name);

  // All topics, by name.
  absl::StatusOr<std::vector<Topic>> ListTopics();

  // Changes the fields that `update` sets and returns the changed topic. INVALID_ARGUMENT if it
  // sets no field, or names the invalid field.
  absl::StatusOr<Topic> UpdateTopic(const std::string& name, const TopicUpdate& update);

  // Permanently deletes a topic, all of its events, and the dependents that `deletion` names.
  // FAILED_PRECONDITION, with the names, if the topic has other subscriptions or routes, if a
  // subscription moves dead letters to it, or if it is the target of a link or of a route that
  // fails without it.
  absl::Status DeleteTopic(const std::string& name, const TopicDeletion& deletion = {});

  // All partitions of a topic, by number.
  absl::StatusOr<std::vector<PartitionInfo>> ListPartitions(const std::string& topic);

  // The state and the counters of the hub.
  absl::StatusOr<HubStats> GetStats();

  // Tells the hub that its machine's clock is right now, and returns that time. The hub then trims
  // by that clock again, so a wrong time deletes events. See HubStats::clock_doubt.
  absl::StatusOr<absl::Time> ConfirmClock();

  // The health of the hub as a whole, or of one of its gRPC services, e.g.
  // "eventhub.v1.EventHubService". NOT_FOUND if it has no such service.
  absl::StatusOr<Health> CheckHealth(const std::string& service = "");

 private:
  const std::shared_ptr<Connection> connection_;
  const AdminOptions options_;
};

}  // namespace eventhub::client
