// Implements `eventhub publish`: publishes lines, and reports acknowledgements.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "client/cli/frame/command.h"
#include "client/cli/input/event_source.h"
#include "eventhub/topic.h"

namespace eventhub::cli {

struct PublishRunOptions {
  std::string topic;
  // An empty list or `-` means standard input.
  std::vector<std::string> files;
  std::optional<uint32_t> partition;
  client::Durability durability = client::Durability::kDefault;
  // Empty: a random one.
  std::string producer_id;
  // Count and skip lines that are not events, instead of failing.
  bool keep_going = false;
  // Print acknowledged events.
  bool acks = false;
  // No progress and no summary.
  bool quiet = false;
};

// Publishes all lines; OK if all of them were acknowledged. An interrupt ends the input; the lines
// read before it are still published.
absl::Status RunPublish(const Context& context, const PublishRunOptions& options,
                        EventSource source);

}  // namespace eventhub::cli
