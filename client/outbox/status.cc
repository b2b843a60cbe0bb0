#include "client/outbox/status.h"

#include <algorithm>

#include "absl/strings/str_cat.h"

namespace eventhub::client {

std::string_view OutboxTopicStateName(OutboxTopicState state) {
  switch (state) {
    case OutboxTopicState::kSending:
      return "sending";
    case OutboxTopicState::kWaiting:
      return "waiting";
    case OutboxTopicState::kStopped:
      return "stopped";
  }
  return "";
}

namespace outbox {

void AddUp(OutboxStatus& status) {
  for (const OutboxTopicStatus& topic : status.topics) {
    status.pending_events += topic.pending_events;
    status.pending_bytes += topic.pending_bytes;
    status.refused_events += topic.refused_events;
    status.refused_bytes += topic.refused_bytes;
    status.lost_events += topic.lost_events;
    status.published_events += topic.published_events;
    if (!topic.oldest) continue;
    status.oldest = status.oldest ? std::min(*status.oldest, *topic.oldest) : *topic.oldest;
  }
}

std::string LostLine(const std::string& topic, uint64_t events) {
  return absl::StrCat("outbox: events of topic ", topic,
                      " are lost, because the disk is damaged: ", events);
}

absl::Status NoSuchTopic(std::string_view topic) {
  return absl::NotFoundError(
      absl::StrCat("nothing was ever published to topic ", std::string(topic)));
}

}  // namespace outbox
}  // namespace eventhub::client
