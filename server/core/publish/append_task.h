// The commit of one publish request.
#pragma once

#include "absl/functional/any_invocable.h"
#include "absl/status/statusor.h"
#include "server/core/base/errors.h"
#include "server/core/publish/topic_append.h"
#include "server/core/topic/producer_table.h"
#include "storage/log_writer.h"

namespace eventhub {

// Called exactly once, with the places of the events or the reason why they were not appended. Must
// not block.
using PublishDone = absl::AnyInvocable<void(absl::StatusOr<v1::PublishResult>) &&>;

class AppendTask final : public CommitTask {
 public:
  AppendTask(const v1::PublishStreamRequest& head, TopicAppend append, PublishDone done);

  Readiness readiness() override;
  void Renew() override { RenewPlan(append_); }
  void BeginRenewal() override { eventhub::BeginRenewal(absl::MakeSpan(&append_, 1)); }
  void EndRenewal() override { eventhub::EndRenewal(absl::MakeSpan(&append_, 1)); }
  void Refuse() override { refused_ = ShuttingDown(kShutdownRetry); }
  uint64_t renewal_lane() const override { return append_.topic->id().value(); }
  void Prepare(CommitBuilder& commit) override;
  void Done(const absl::Status& status) override;
  size_t bytes() const override { return BytesOf(append_.publish); }
  bool synced() const override { return append_.publish.synced; }

 private:
  // Returns whether to append the request. False if it is a duplicate; then the result is set.
  absl::StatusOr<bool> Admit(const CommitBuilder& commit);

  const ProducerRequest producer_;
  TopicAppend append_;
  PublishDone done_;
  absl::Status refused_;  // Set by Prepare or Refuse.
};

}  // namespace eventhub
