// The commit of one publish request.
#pragma once

#include <memory>
#include <optional>

#include "absl/functional/any_invocable.h"
#include "absl/status/statusor.h"
#include "server/core/producer_table.h"
#include "server/core/publish_request.h"
#include "server/core/topic.h"
#include "storage/log_writer.h"

namespace eventhub {

// Called once: where the events are, or why they are not appended. Must not block.
using PublishDone = absl::AnyInvocable<void(absl::StatusOr<v1::PublishResult>) &&>;

// Finds out which events of a checked request the topic has had (`deduplication_window`); AppendAll
// leaves them out. An error: the store is damaged.
absl::Status LookUpDuplicates(Topic& topic, CheckedPublish& publish, const CommitBuilder& commit);

// Appends the events of a checked request, puts the delayed ones aside, and fills in where they
// are.
void AppendAll(const std::shared_ptr<Topic>& topic, CheckedPublish& publish, CommitBuilder& commit);

// Whether the partition that a checked request goes to has the offset that was expected, if any
// was.
absl::Status CheckExpected(const Topic& topic, const CheckedPublish& publish,
                           std::optional<Offset> expected);

class AppendTask final : public CommitTask {
 public:
  AppendTask(std::shared_ptr<Topic> topic, const v1::PublishStreamRequest& head,
             CheckedPublish publish, PublishDone done);

  void Prepare(CommitBuilder& commit) override;
  void Done(const absl::Status& status) override;
  size_t bytes() const override { return publish_.bytes + publish_.delayed_bytes; }
  bool synced() const override { return publish_.synced; }

 private:
  // Whether the request is to be appended: not if it is a duplicate, whose result is then set.
  absl::StatusOr<bool> Admit(const CommitBuilder& commit);

  const std::shared_ptr<Topic> topic_;
  const ProducerRequest producer_;
  const std::optional<Offset> expected_offset_;
  CheckedPublish publish_;
  PublishDone done_;
  absl::Status refused_;  // By Prepare.
};

}  // namespace eventhub
