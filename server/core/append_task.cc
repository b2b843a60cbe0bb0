#include "server/core/append_task.h"

#include <utility>

#include "server/core/delayed/delayed_table.h"
#include "server/core/errors.h"
#include "server/core/topic_settings.h"
#include "storage/base/status_macros.h"

namespace eventhub {

absl::Status CheckExpected(const Topic& topic, const CheckedPublish& publish,
                           std::optional<Offset> expected) {
  if (!expected.has_value()) return absl::OkStatus();
  const PartitionLog& log = *publish.appends.front().log;
  if (log.next_offset() == *expected) return absl::OkStatus();
  return OffsetMismatch(topic.name(), log.id(), *expected, log.next_offset());
}

absl::Status LookUpDuplicates(Topic& topic, CheckedPublish& publish, const CommitBuilder& commit) {
  if (publish.identities == nullptr) return absl::OkStatus();
  const absl::Duration window = DeduplicationWindowOf(topic.pending());
  if (window == absl::ZeroDuration()) {  // Since the request was checked.
    publish.identities.reset();
    return absl::OkStatus();
  }
  return topic.identities().LookUp(window, commit.now(), publish.identities.get());
}

void AppendAll(const std::shared_ptr<Topic>& topic, CheckedPublish& publish,
               CommitBuilder& commit) {
  v1::PublishResult& result = publish.result;
  if (publish.identities != nullptr) topic->identities().Drop(&publish);
  for (PartitionAppend& append : publish.appends) {
    const uint32_t partition = append.log->id().value();
    const Offset base =
        commit.Append(*append.log, std::move(append.events), append.count, publish.types);
    if (result.placements_size() > 0) {
      v1::Placement& last = *result.mutable_placements()->rbegin();
      if (last.partition() == partition) {  // Nothing else can have come in between.
        last.set_count(last.count() + append.count);
        continue;
      }
    }
    v1::Placement& placement = *result.add_placements();
    placement.set_partition(partition);
    placement.set_base_offset(base.value());
    placement.set_count(append.count);
  }
  if (!publish.delayed.empty()) {
    publish.delayed_table->Accept(topic, publish.delayed, commit, &result);
  }
  if (publish.identities != nullptr) {
    topic->identities().Record(DeduplicationWindowOf(topic->pending()), commit, &publish);
  }
}

AppendTask::AppendTask(std::shared_ptr<Topic> topic, const v1::PublishStreamRequest& head,
                       CheckedPublish publish, PublishDone done)
    : topic_(std::move(topic)),
      producer_{head.producer_id(), head.producer_epoch(), head.sequence()},
      expected_offset_(head.has_expected_offset() ? std::optional(Offset(head.expected_offset()))
                                                  : std::nullopt),
      publish_(std::move(publish)),
      done_(std::move(done)) {}

void AppendTask::Prepare(CommitBuilder& commit) {
  const absl::StatusOr<bool> admitted = Admit(commit);
  if (!admitted.ok()) {
    refused_ = admitted.status();
  } else if (*admitted) {
    AppendAll(topic_, publish_, commit);
    if (!producer_.id.empty()) topic_->producers().Record(producer_, publish_.result, commit);
  }
}

absl::StatusOr<bool> AppendTask::Admit(const CommitBuilder& commit) {
  if (topic_->closing()) return TopicNotFound(topic_->name());
  if (!producer_.id.empty()) {
    ASSIGN_OR_RETURN(const bool is_new,
                     topic_->producers().Admit(producer_, commit, &publish_.result));
    if (!is_new) return false;
  }
  RETURN_IF_ERROR(CheckExpected(*topic_, publish_, expected_offset_));
  RETURN_IF_ERROR(LookUpDuplicates(*topic_, publish_, commit));
  return true;
}

void AppendTask::Done(const absl::Status& status) {
  TopicCounters& counters = topic_->counters();
  if (!status.ok() || !refused_.ok()) {
    counters.refused_requests.fetch_add(1, std::memory_order_relaxed);
    std::move(done_)(refused_.ok() ? StoreFailed(status) : refused_);
    return;
  }
  if (!publish_.result.duplicate()) {
    counters.published_events.fetch_add(publish_.count, std::memory_order_relaxed);
    counters.published_bytes.fetch_add(publish_.bytes, std::memory_order_relaxed);
    counters.duplicate_events.fetch_add(static_cast<uint64_t>(publish_.result.duplicates_size()),
                                        std::memory_order_relaxed);
  }
  std::move(done_)(std::move(publish_.result));
}

}  // namespace eventhub
