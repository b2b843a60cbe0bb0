// Topic calls: how AdminClient reaches the topics of a hub.
#pragma once

#include <cstdint>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "eventhub/topic.h"

namespace eventhub::client {

// The topics of a hub; see AdminClient for the contract of each call. Thread-safe; each call blocks
// until the reply, an error, or `timeout` (DEADLINE_EXCEEDED). A call that a class does not
// override returns UNIMPLEMENTED.
class TopicCalls {
 public:
  virtual ~TopicCalls() = default;

  virtual absl::StatusOr<Topic> CreateTopic(const Topic& topic, absl::Duration timeout);
  virtual absl::StatusOr<TopicDescription> GetTopic(const std::string& name,
                                                    absl::Duration timeout);
  virtual absl::StatusOr<Page<Topic>> ListTopics(uint32_t page_size, const std::string& page_token,
                                                 absl::Duration timeout);
  virtual absl::StatusOr<Topic> UpdateTopic(const std::string& name, const TopicUpdate& update,
                                            absl::Duration timeout);
  virtual absl::Status DeleteTopic(const std::string& name, const TopicDeletion& deletion,
                                   absl::Duration timeout);
  virtual absl::StatusOr<Page<PartitionInfo>> ListPartitions(const std::string& topic,
                                                             uint32_t page_size,
                                                             const std::string& page_token,
                                                             absl::Duration timeout);
};

}  // namespace eventhub::client
