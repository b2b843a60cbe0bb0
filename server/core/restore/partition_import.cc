#include "server/core/restore/partition_import.h"

#include <algorithm>
#include <limits>
#include <utility>

#include "absl/strings/str_cat.h"
#include "proto/wire/writer.h"
#include "server/core/event/event_scanner.h"
#include "server/core/event/event_slice.h"
#include "server/core/topic/topic_settings.h"
#include "storage/base/shared_bytes.h"
#include "storage/base/status_macros.h"
#include "storage/key_codec.h"

namespace eventhub {
namespace {

constexpr uint32_t kEventsField = 15;

}  // namespace

PartitionImport::PartitionImport(const LogStore& store, TopicId topic, PartitionId partition,
                                 const v1::Topic& settings, const LogBounds& bounds, absl::Time now,
                                 Commit commit)
    : topic_(topic),
      partition_(partition),
      commit_(std::move(commit)),
      now_micros_(absl::ToUnixMicros(now)),
      next_(bounds.end),
      base_(bounds.end),
      bytes_before_(bounds.end_bytes),
      last_micros_(bounds.last_append_micros) {
  if (settings.retention().has_latest_per_key()) {
    latest_ = std::make_shared<LatestTable>(store, topic);
  }
  const absl::Duration window = DeduplicationWindowOf(settings);
  if (window > absl::ZeroDuration()) {
    identities_ = std::make_shared<IdentityTable>(store, topic);
    window_micros_ = absl::ToInt64Microseconds(window);
  }
}

absl::Status PartitionImport::Append(Offset offset, int64_t append_micros,
                                     absl::string_view event) {
  if (offset < next_) {
    return absl::DataLossError(
        absl::StrCat("offset ", offset.value(), " comes after offset ", next_.value() - 1));
  }
  if (offset > next_) RETURN_IF_ERROR(PassTo(offset));
  // Append times never decrease within a partition.
  const int64_t micros = std::max(append_micros, last_micros_);
  const bool joins =
      micros == last_micros_ && region_.size() + event.size() <= CommitBuilder::kMaxBatchBytes;
  if (!region_.empty() && !joins) RETURN_IF_ERROR(Flush());
  last_micros_ = micros;
  wire::AppendBytes(kEventsField, event, &region_);
  next_ = next_ + 1;
  return absl::OkStatus();
}

absl::Status PartitionImport::PassTo(Offset offset) {
  RETURN_IF_ERROR(Flush());
  while (next_ < offset) {
    const int64_t most = std::numeric_limits<uint32_t>::max();
    BatchHeader gone;
    gone.count = static_cast<uint32_t>(std::min(offset - next_, most));
    gone.removed = gone.count;
    gone.append_micros = last_micros_;
    gone.bytes_before = bytes_before_;
    ASSIGN_OR_RETURN(CommitBuilder* const commit, commit_(0));
    commit->Put(Column::kIndex, BatchKey(topic_, partition_, next_).view(), gone.Encode());
    next_ = next_ + gone.count;
  }
  base_ = next_;
  return absl::OkStatus();
}

absl::Status PartitionImport::Flush() {
  if (region_.empty()) return absl::OkStatus();
  EventScan scan;
  const absl::Status valid =
      ScanEvents(region_, kMaxMaxEventBytes, /*keys=*/false, &scan, EventRules::kStored);
  if (!valid.ok()) {
    return absl::DataLossError(absl::StrCat("of the events from offset ", base_.value(),
                                            " on, one is not valid: ", valid.message()));
  }
  BatchHeader header;
  header.count = scan.count;
  header.bytes = static_cast<uint32_t>(region_.size());
  header.append_micros = last_micros_;
  header.bytes_before = bytes_before_;
  header.types = scan.types;
  const BatchKey key(topic_, partition_, base_);
  ASSIGN_OR_RETURN(CommitBuilder* const commit, commit_(region_.size()));
  commit->Put(Column::kEvents, key.view(), region_);
  commit->Put(Column::kIndex, key.view(), header.Encode());
  bytes_before_ += region_.size();
  if (latest_ != nullptr || identities_ != nullptr) {
    const SharedBytes events = SharedBytes::Copy(region_);
    if (latest_ != nullptr) latest_->NoteAppended(partition_, base_, events, *commit);
    const int64_t expiry = last_micros_ + window_micros_;
    if (identities_ != nullptr && expiry > now_micros_) {
      EventWalker walker(events);
      SlicedEvent event;
      for (Offset at = base_; walker.Next(&event); at = at + 1) {
        identities_->Put(IdentityOf(event.message),
                         {.micros = last_micros_,
                          .expiry_micros = expiry,
                          .place = IdentityPlace{partition_, at}},
                         *commit);
      }
    }
  }
  region_.clear();
  base_ = next_;
  return absl::OkStatus();
}

}  // namespace eventhub
