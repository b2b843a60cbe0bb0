#include "eventhub/connection/topic_calls.h"

#include "client/src/connection/unimplemented.h"

namespace eventhub::client {

absl::StatusOr<Topic> TopicCalls::CreateTopic(const Topic&, absl::Duration) {
  return Unimplemented("CreateTopic");
}

absl::StatusOr<TopicDescription> TopicCalls::GetTopic(const std::string&, absl::Duration) {
  return Unimplemented("GetTopic");
}

absl::StatusOr<Page<Topic>> TopicCalls::ListTopics(uint32_t, const std::string&, absl::Duration) {
  return Unimplemented("ListTopics");
}

absl::StatusOr<Topic> TopicCalls::UpdateTopic(const std::string&, const TopicUpdate&,
                                              absl::Duration) {
  return Unimplemented("UpdateTopic");
}

absl::Status TopicCalls::DeleteTopic(const std::string&, const TopicDeletion&, absl::Duration) {
  return Unimplemented("DeleteTopic");
}

absl::StatusOr<Page<PartitionInfo>> TopicCalls::ListPartitions(const std::string&, uint32_t,
                                                               const std::string&, absl::Duration) {
  return Unimplemented("ListPartitions");
}

}  // namespace eventhub::client
