// The users of a topic, and what they prevent: one place for these rules, for requests and
// topologies alike.
#pragma once

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "eventhub/v1/route.pb.h"

namespace eventhub {

// The users, by name. The caller fills in the users that exist, or will exist, and omits those that
// are deleted with the topic.
struct TopicUsers {
  std::vector<std::string> subscriptions;
  std::vector<std::string> dead_letters_of;  // Subscriptions whose dead letters go to it.
  // Subscriptions that need it for dead letters: open ones, or redriven ones that are not settled.
  std::vector<std::string> open_letters_of;
  std::vector<std::string> links;           // Links that append to it.
  std::vector<std::string> routes;          // Routes that lead from it.
  std::vector<std::string> failing_routes;  // Routes that fail without it.

  // Returns why the topic must keep its events, as the end of a sentence; empty if it need not.
  std::string KeepEvents() const;

  // FAILED_PRECONDITION if dead letters need its events.
  absl::Status CheckNoLetters(absl::string_view topic) const;

  // FAILED_PRECONDITION if the topic cannot be deleted. Dead letters are named last.
  absl::Status CheckDelete(absl::string_view topic) const;
};

// Whether a route refuses the events of its source when the topic does not exist.
bool FailsWithout(const v1::Route& route, absl::string_view topic);

}  // namespace eventhub
