#include "server/core/subscription/cursor/cursor_records.h"

#include <memory>
#include <string>
#include <vector>

#include "server/core/base/stored_time.h"

namespace eventhub {

stored::Range EncodeRange(const PendingRange& range, const Redriven* redriven,
                          int64_t wall_offset) {
  stored::Range record;
  record.set_version(kCursorVersion);
  record.set_count(range.count);
  // A delivery in flight has not failed; if the hub stops first, it never fails.
  const bool out = range.state == RangeState::kLeased;
  record.set_attempts(range.attempts - (out ? 1U : 0U));
  record.set_delivered(range.delivered);
  record.set_silent(range.silent);
  record.set_extra(range.extra);
  if (range.state == RangeState::kDelayed || range.waits_unknown()) {
    record.set_retry_time_micros(range.due + wall_offset);
  }
  record.set_reason(std::string(range.reason.view()));
  if (redriven != nullptr) {
    *record.mutable_redriven_from() = EncodePlace(redriven->place);
    if (redriven->pipelines != nullptr) {
      for (const std::string& pipeline : *redriven->pipelines) record.add_pipelines(pipeline);
    }
  }
  return record;
}

std::optional<PendingRange> DecodeRange(const stored::Range& record, int64_t wall_offset,
                                        int64_t now) {
  if (record.count() == 0 || record.retry_time_micros() < 0 ||
      !IsStoredTime(record.retry_time_micros()) ||
      (record.has_redriven_from() && record.count() != 1)) {
    return std::nullopt;
  }
  PendingRange range;
  range.count = record.count();
  // Older hubs counted deliveries, not failures, and did not set `delivered`; the last delivery may
  // not have failed.
  const bool counts_deliveries = record.attempts() > 0 && !record.delivered();
  range.attempts =
      PendingRange::CountableAttempts(record.attempts() - (counts_deliveries ? 1U : 0U));
  range.delivered = record.delivered() || counts_deliveries;
  range.silent = record.silent();
  range.extra = record.extra();
  range.redriven = record.has_redriven_from();
  const int64_t retry_at = record.retry_time_micros() - wall_offset;
  if (record.retry_time_micros() != 0 && retry_at > now) range.due = retry_at;
  return range;
}

Redriven DecodeRedriven(const stored::Range& record) {
  Redriven redriven{DecodePlace(record.redriven_from())};
  if (!record.pipelines().empty()) {
    redriven.pipelines = std::make_shared<const std::vector<std::string>>(
        record.pipelines().begin(), record.pipelines().end());
  }
  return redriven;
}

stored::DeadLetterPlace EncodePlace(const DeadLetterPlace& place) {
  stored::DeadLetterPlace record;
  record.set_topic_id(place.topic.value());
  record.set_partition(place.partition.value());
  record.set_offset(place.offset.value());
  return record;
}

DeadLetterPlace DecodePlace(const stored::DeadLetterPlace& record) {
  return {TopicId(record.topic_id()), PartitionId(record.partition()), Offset(record.offset())};
}

}  // namespace eventhub
