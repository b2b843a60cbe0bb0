// Counts the open dead letters in a topic.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "eventhub/subscription_client.h"

namespace eventhub::cli {

// The number of open dead letters of one subscription.
struct OpenLetters {
  std::string subscription;
  uint64_t count = 0;
  bool more = false;  // There are more than the count.
};

// Counts them for each of `subscriptions` that has open dead letters in `topic`.
absl::StatusOr<std::vector<OpenLetters>> FindOpenLetters(
    client::SubscriptionClient& client,
    const std::vector<client::SubscriptionSummary>& subscriptions, const std::string& topic);

// Formats the counts as a part of a sentence: `5 open dead letters of subscription 'billing' and
// …`.
std::string LettersText(const std::vector<OpenLetters>& letters);

}  // namespace eventhub::cli
