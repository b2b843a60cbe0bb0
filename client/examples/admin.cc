// Creates a topic unless it exists, sets its retention to a week, and lists all topics.
//
//   admin [address] [topic]

#include <iostream>
#include <string>

#include "eventhub/admin_client.h"

using eventhub::client::AdminClient;
using eventhub::client::Connect;

int main(int argc, char** argv) {
  AdminClient admin(Connect(argc > 1 ? argv[1] : "localhost:7070"));
  const std::string name = argc > 2 ? argv[2] : "orders";

  const auto created = admin.CreateTopic({.name = name, .partitions = 8});
  if (!created.ok() && created.status().code() != absl::StatusCode::kAlreadyExists) {
    std::cerr << created.status().message() << "\n";
    return 1;
  }

  const auto updated = admin.UpdateTopic(name, {.max_age = absl::Hours(7 * 24)});
  if (!updated.ok()) {
    std::cerr << updated.status().message() << "\n";
    return 1;
  }

  const auto topics = admin.ListTopics();
  if (!topics.ok()) {
    std::cerr << topics.status().message() << "\n";
    return 1;
  }
  for (const auto& topic : *topics) {
    std::cout << topic.name << ": " << topic.partitions << " partitions, keeps "
              << absl::FormatDuration(topic.max_age) << "\n";
  }
  return 0;
}
