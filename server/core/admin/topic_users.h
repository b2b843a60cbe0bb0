// What uses a topic, and what it keeps the topic from: one place for these rules, whoever asks, a
// request or a topology.
#pragma once

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "eventhub/v1/route.pb.h"

namespace eventhub {

// By their names. Who asks fills in what there is, or will be, and leaves out what goes with the
// topic.
struct TopicUsers {
  std::vector<std::string> subscriptions;
  std::vector<std::string> dead_letters_of;  // Subscriptions whose dead letters it takes.
  // Subscriptions that need it for dead letters: open ones, or redriven ones that are not settled.
  std::vector<std::string> open_letters_of;
  std::vector<std::string> links;           // Those that append to it.
  std::vector<std::string> routes;          // Those that lead from it.
  std::vector<std::string> failing_routes;  // Those that fail without it.

  // Why the topic has to keep its events, as the end of a sentence; empty if it has not.
  std::string KeepEvents() const;

  // FAILED_PRECONDITION: dead letters need its events.
  absl::Status CheckNoLetters(absl::string_view topic) const;

  // FAILED_PRECONDITION: it cannot be deleted. Dead letters are named last.
  absl::Status CheckDelete(absl::string_view topic) const;
};

// Whether a route refuses the events of its source when the topic is not there.
bool FailsWithout(const v1::Route& route, absl::string_view topic);

}  // namespace eventhub
