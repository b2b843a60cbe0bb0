// The commits that change only a topic. They pass through the same queue as publishes, so each has
// a definite place among the events.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "absl/functional/any_invocable.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "eventhub/v1/admin.pb.h"
#include "server/core/topic/topic.h"
#include "server/core/topic/topic_store.h"
#include "storage/base/await.h"
#include "storage/log_writer.h"

namespace eventhub {

using TopicDone = absl::AnyInvocable<void(absl::StatusOr<v1::Topic>) &&>;

// A change of a topic's metadata: small and synced.
class TopicChange : public CommitTask {
 public:
  size_t bytes() const override { return 0; }
  bool synced() const override { return true; }
};

class CreateTopicTask final : public TopicChange {
 public:
  // `settings` are checked and complete.
  CreateTopicTask(TopicStore& topics, v1::Topic settings, TopicDone done);
  Readiness readiness() override;
  bool outdates() const override { return true; }
  void Refuse() override;
  void Prepare(CommitBuilder& commit) override;
  void Done(const absl::Status& status) override;

 private:
  TopicStore& topics_;
  const v1::Topic settings_;
  TopicDone done_;
  absl::StatusOr<std::shared_ptr<Topic>> topic_;
};

// Removes producers that were inactive since a given time. If a power loss undoes it, a later pass
// repeats it.
class ExpireProducersTask final : public TopicChange {
 public:
  ExpireProducersTask(std::shared_ptr<Topic> topic, std::vector<std::string> producers,
                      absl::Time since, StatusDone done);
  void Prepare(CommitBuilder& commit) override;
  void Done(const absl::Status& status) override;
  bool synced() const override { return false; }

 private:
  const std::shared_ptr<Topic> topic_;
  const std::vector<std::string> producers_;
  const absl::Time since_;
  StatusDone done_;
  absl::Status refused_;
};

}  // namespace eventhub
