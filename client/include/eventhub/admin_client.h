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
  // For each call, the wait for a connection included. Lists make a call per page.
  absl::Duration timeout = absl::Seconds(10);
};

// The control plane of a hub. Thread-safe; every method blocks. While the hub cannot be reached, a
// call waits for it until the timeout; UNAVAILABLE then says why. A change is sent once: if the
// connection breaks, or no answer comes (DEADLINE_EXCEEDED), it may or may not have been made; see
// OutcomeIsUnknown. A call that changes nothing is made once more. Changes are on the hub's disk
// (synced) when they are answered.
//
// Example:
//
//     AdminClient admin(Connect("localhost:7070"));
//     absl::StatusOr<Topic> topic = admin.CreateTopic({.name = "orders", .partitions = 8});
class AdminClient {
 public:
  explicit AdminClient(std::shared_ptr<Connection> connection, AdminOptions options = {});

  // Creates a topic and returns it with defaults filled in. ALREADY_EXISTS if there is one of that
  // name, whatever its settings; INVALID_ARGUMENT names the field.
  absl::StatusOr<Topic> CreateTopic(const Topic& topic);

  // NOT_FOUND if there is none, here and below.
  absl::StatusOr<TopicDescription> GetTopic(const std::string& name);

  // All topics, by name.
  absl::StatusOr<std::vector<Topic>> ListTopics();

  // Changes what `update` sets and returns the topic as it is then. INVALID_ARGUMENT if it sets
  // nothing, or names the field.
  absl::StatusOr<Topic> UpdateTopic(const std::string& name, const TopicUpdate& update);

  // Deletes a topic and all its events, for good, and what `deletion` says. FAILED_PRECONDITION,
  // with the names, if it has subscriptions or routes that are not to go with it, if dead letters
  // of a subscription go to it, or if a link, or a route that fails without it, leads to it.
  absl::Status DeleteTopic(const std::string& name, const TopicDeletion& deletion = {});

  // All partitions of a topic, by number.
  absl::StatusOr<std::vector<PartitionInfo>> ListPartitions(const std::string& topic);

  absl::StatusOr<HubStats> GetStats();

  // Has the hub take the time that its machine's clock has now for right, and go by it at once;
  // returns that time. See HubStats::clock_doubt: by a wrong time, events are deleted.
  absl::StatusOr<absl::Time> ConfirmClock();

  // The health of the hub as a whole, or of one of its gRPC services (NOT_FOUND if it has none of
  // that name), e.g. "eventhub.v1.EventHubService".
  absl::StatusOr<Health> CheckHealth(const std::string& service = "");

 private:
  const std::shared_ptr<Connection> connection_;
  const AdminOptions options_;
};

}  // namespace eventhub::client
