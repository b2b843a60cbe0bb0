// The work of `eventhub publish`: lines in, acknowledgements out.
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
  // `-` is standard input, and so is none.
  std::vector<std::string> files;
  std::optional<uint32_t> partition;
  client::Durability durability = client::Durability::kDefault;
  // Empty: a random one.
  std::string producer_id;
  // Lines that are no events are counted and left out, instead of being the end.
  bool keep_going = false;
  // Print what is acknowledged.
  bool acks = false;
  // No progress and no summary.
  bool quiet = false;
};

// Publishes all lines, and returns OK if all of them were acknowledged. An interrupt ends the
// input; what was taken is still published.
absl::Status RunPublish(const Context& context, const PublishRunOptions& options,
                        EventSource source);

}  // namespace eventhub::cli
