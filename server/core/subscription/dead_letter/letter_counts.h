// Counts of dead letters by what failed.
#pragma once

#include <string>
#include <tuple>
#include <vector>

#include "absl/container/btree_map.h"
#include "eventhub/v1/subscription.pb.h"
#include "server/core/subscription/dead_letter/dead_letter_office.h"

namespace eventhub {

// Puts dead letters into groups. Not thread-safe.
class LetterGroups {
 public:
  void Add(const std::string& subscription, const OpenDeadLetter& letter);
  // In the order of subscription, processor, pipeline, step and error.
  void AddTo(v1::CountDeadLettersResponse& response) const;

 private:
  using Key = std::tuple<std::string, std::string, std::string, std::string, std::string>;

  absl::btree_map<Key, v1::DeadLetterGroup> groups_;
};

}  // namespace eventhub
