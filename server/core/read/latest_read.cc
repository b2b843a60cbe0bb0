#include "server/core/read/latest_read.h"

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "proto/wire/event_rules.h"
#include "server/core/base/errors.h"
#include "server/core/base/timestamps.h"
#include "server/core/erasure/open_events.h"
#include "server/core/event/event_slice.h"
#include "server/core/topic/latest_table.h"
#include "server/core/topic/start_position.h"
#include "storage/base/status_macros.h"

namespace eventhub {
namespace {

// NOT_FOUND if there is no event with the key; UNAVAILABLE if the topic is being deleted.
absl::StatusOr<Offset> LookUp(const std::string& key, const Topic& topic, const PartitionLog& log,
                              const LogStore& store) {
  std::vector<std::optional<Offset>> latest;
  RETURN_IF_ERROR(
      LatestTable::LookUp(store, topic.id(), log.id(), {HashOfLatestKey(key)}, &latest));
  if (latest.front().has_value()) return *latest.front();
  return topic.closing() ? TopicBeingDeleted(topic.name()) : KeyNotFound(topic.name(), key);
}

absl::StatusOr<v1::GetLatestResponse> ReadAt(Offset offset, PartitionLog& log,
                                             const LogStore& store) {
  std::vector<RecordBatchPtr> batches;
  if (!log.tail().Read(offset, offset + 1, 1, &batches)) {
    RETURN_IF_ERROR(store.Read(log.topic(), log.id(), offset, offset + 1, 1, &batches));
  }
  const RecordBatch& batch = *batches.front();
  if (batch.header.gone()) return absl::NotFoundError("the event was removed");
  const Delivery event = SliceBatch(batch, log.id(), offset, offset + 1, SIZE_MAX);
  const absl::string_view field = event.events.front().view();
  if (field == kRemovedEvent) return absl::NotFoundError("the event was removed");
  v1::EventBatch parsed;  // The bytes form the field of events of a batch.
  if (!parsed.ParseFromArray(field.data(), static_cast<int>(field.size())) ||
      parsed.events_size() != 1) {
    return absl::DataLossError("a stored event is not well-formed");
  }
  v1::GetLatestResponse response;
  *response.mutable_event() = std::move(*parsed.mutable_events(0));
  response.set_partition(log.id().value());
  response.set_offset(offset.value());
  *response.mutable_append_time() = TimestampOf(absl::FromUnixMicros(event.append_micros));
  ASSIGN_OR_RETURN(const uint64_t run, RunBefore(log, store, offset + 1));
  response.set_run(run);
  return response;
}

}  // namespace

absl::StatusOr<v1::GetLatestResponse> ReadLatest(const v1::GetLatestRequest& request, Topic& topic,
                                                 const LogStore& store, LogWriter& writer) {
  if (request.key().empty()) return InvalidField("key", "is required");
  if (request.key().size() > wire::kMaxStringAttributeBytes) {
    return InvalidField("key",
                        absl::StrCat("is longer than ", wire::kMaxStringAttributeBytes, " bytes"));
  }
  const std::shared_ptr<const TopicView> view = topic.view();
  if (!view->settings->retention().has_latest_per_key()) return TopicHasNoLatest(topic.name());
  const auto partitions = static_cast<uint32_t>(view->partitions.size());
  const uint32_t partition = request.has_partition()
                                 ? request.partition()
                                 : wire::PartitionOfKey(request.key(), partitions);
  if (partition >= partitions) return PartitionNotFound(topic.name(), partition, partitions);
  PartitionLog& log = *view->partitions[partition];
  for (;;) {
    ASSIGN_OR_RETURN(const Offset latest, LookUp(request.key(), topic, log, store));
    // An event that is not visible yet may be lost, and its predecessor is no longer known.
    if (latest >= log.end()) RETURN_IF_ERROR(writer.AwaitVisible());
    absl::StatusOr<v1::GetLatestResponse> response = ReadAt(latest, log, store);
    if (response.ok()) {
      if (response->event().data().empty()) return KeyNotFound(topic.name(), request.key());
      RETURN_IF_ERROR(OpenSealed(topic.keys(), response->mutable_event()));
      return response;
    }
    if (topic.closing()) return TopicBeingDeleted(topic.name());
    if (!absl::IsNotFound(response.status())) return response.status();
    // The event was superseded and removed, or it was a delete marker and was removed. Another
    // look-up finds out. Compaction of a partition takes longer than this loop.
    ASSIGN_OR_RETURN(const Offset now, LookUp(request.key(), topic, log, store));
    if (now == latest) {
      return absl::DataLossError(absl::StrCat("topic ", topic.name(), ": the event at offset ",
                                              latest.value(), " of partition ", partition,
                                              ", the latest with its key, is missing"));
    }
  }
}

}  // namespace eventhub
