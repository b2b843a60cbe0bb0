#include "server/core/subscription/dead_letter/place_reader.h"

#include <memory>
#include <vector>

#include "absl/strings/str_cat.h"
#include "server/core/base/errors.h"
#include "storage/base/status_macros.h"

namespace eventhub {
namespace {

// Appends the batch that holds the event, from memory or disk; none if `more` refuses it.
absl::Status ReadBatchAt(const LogStore& store, PartitionLog& log, Offset offset, MoreBatches more,
                         std::vector<RecordBatchPtr>* batches) {
  if (offset < log.start()) {
    return absl::NotFoundError(absl::StrCat("offset ", offset.value(), " is trimmed"));
  }
  if (log.tail().Read(offset, offset + 1, 1, batches)) return absl::OkStatus();
  const absl::Status status =
      store.ReadRanges(log.topic(), log.id(), {{offset, offset + 1}}, more, batches);
  if (!absl::IsNotFound(status) || offset < log.trimmed_to()) return status;
  return absl::DataLossError(status.message());
}

}  // namespace

bool PlaceReader::Holds(const DeadLetterPlace& place) const {
  return batch_ != nullptr && topic_ == place.topic && partition_ == place.partition &&
         batch_->base <= place.offset && place.offset < batch_->end();
}

absl::Status PlaceReader::Load(const DeadLetterPlace& place) {
  Reset();
  const std::shared_ptr<Topic> topic = topics_.Find(place.topic);
  if (topic == nullptr) return absl::NotFoundError("the event's topic was deleted");
  const std::shared_ptr<const TopicView> view = topic->view();
  if (place.partition.value() >= view->partitions.size()) {
    return absl::DataLossError("an event is in no partition of its topic");
  }
  const auto more = [this](const BatchHeader& batch, bool reads) {
    return more_ == nullptr || more_(batch, reads);
  };
  std::vector<RecordBatchPtr> batches;
  const absl::Status read =
      ReadBatchAt(store_, *view->partitions[place.partition.value()], place.offset, more, &batches);
  if (!read.ok() && topic->closing()) return TopicBeingDeleted(topic->name());
  RETURN_IF_ERROR(read);
  if (batches.empty()) return absl::CancelledError("the event was not read");
  topic_ = place.topic;
  partition_ = place.partition;
  batch_ = std::move(batches.front());
  return absl::OkStatus();
}

absl::StatusOr<LoggedEvent> PlaceReader::Read(const DeadLetterPlace& place) {
  if (!Holds(place)) RETURN_IF_ERROR(Load(place));
  if (!batch_->header.gone()) {
    const Delivery event =
        slicer_.Slice(batch_, partition_, place.offset, place.offset + 1, SIZE_MAX);
    if (event.events.front().view() != kRemovedEvent) {
      return LoggedEvent{event.events.front(), event.append_micros};
    }
  }
  return absl::NotFoundError(
      absl::StrCat("the event at offset ", place.offset.value(), " was removed by compaction"));
}

void PlaceReader::Reset() {
  batch_.reset();
  slicer_ = BatchSlicer();
}

}  // namespace eventhub
