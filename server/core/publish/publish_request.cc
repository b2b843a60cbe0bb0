#include "server/core/publish/publish_request.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "proto/wire/field_reader.h"
#include "proto/wire/fields.h"
#include "proto/wire/writer.h"
#include "server/core/base/errors.h"
#include "server/core/erasure/open_events.h"
#include "server/core/event/event_scanner.h"
#include "server/core/event/event_slice.h"
#include "server/core/publish/delayed_split.h"
#include "server/core/publish/delayed_table.h"
#include "storage/base/status_macros.h"

namespace eventhub {
namespace {

constexpr size_t kMaxProducerIdBytes = 256;
// Several times as many as there are. Unknown fields take more memory parsed than encoded.
constexpr int kMaxHeadFields = 64;
constexpr size_t kMaxBatchBytes = CommitBuilder::kMaxBatchBytes;

// What an event costs until its commit is done, besides its bytes: in the request, on the commit
// thread, in the write and in the answer.
constexpr size_t kDelayedEventBytes = 384;
constexpr size_t kIdentityBytes = 256;
constexpr size_t kSealedEventBytes = 512;

// What a record adds to a commit besides the first of a request. It stands for the time that it
// takes, so that a commit has at most some thousands, and who adds many pays for them in turns.
constexpr size_t kRecordBytes = 512;

static_assert(kMaxWorkOnReceipt <= kMaxFilterWork,
              "whoever gives up an evaluation defers the plan");

// Commits take some ten milliseconds.
constexpr absl::Duration kCopiesRetry = absl::Milliseconds(100);

absl::Status Malformed() { return MalformedRequest("is not well-formed protobuf"); }

absl::Status TooManyFields() {
  return MalformedRequest(
      absl::StrCat("has more than ", kMaxHeadFields, " fields besides its events"));
}

// Whether the field has the shortest encoding of an event's tag; longer encodings are legal.
bool IsPlainEvent(const wire::FieldReader<absl::string_view>& field) {
  return field.field().front() == wire::kEventsTag;
}

// Fields after the events are legal but slow: copies the message so that the events come last.
absl::StatusOr<PublishRequest> ParseOutOfOrder(absl::string_view message) {
  std::string head;
  std::string events;
  int fields = 0;
  wire::FieldReader field(message);
  while (field.Next()) {
    if (field.Is(wire::kEventsField)) {
      wire::AppendBytes(wire::kEventsField, field.bytes(), &events);
    } else {
      if (++fields > kMaxHeadFields) return TooManyFields();
      head.append(field.field().data(), field.field().size());
    }
  }
  PublishRequest request;
  if (!field.ok() || !request.head.ParseFromString(head)) return Malformed();
  request.events = SharedBytes::Copy(events);
  return request;
}

absl::Status CheckHead(const v1::PublishStreamRequest& head) {
  if (head.durability() < v1::DURABILITY_UNSPECIFIED || head.durability() > v1::DURABILITY_SYNCED) {
    return InvalidField("durability", absl::StrCat("has the unknown value ", head.durability()));
  }
  if (head.producer_id().size() > kMaxProducerIdBytes) {
    return InvalidField("producer_id", "has more than 256 bytes");
  }
  if (head.producer_id().empty() && (head.producer_epoch() != 0 || head.sequence() != 0)) {
    return InvalidField("producer_id", "is required with producer_epoch and sequence");
  }
  if (head.has_expected_offset()) {
    if (!head.has_partition()) return InvalidField("partition", "is required with expected_offset");
    if (head.expected_offset() < 0) return InvalidField("expected_offset", "is negative");
  } else if (head.expected_run() != 0) {
    return InvalidField("expected_offset", "is required with expected_run");
  }
  return absl::OkStatus();
}

// The partition of each event; events without a key go to `keyless`.
std::vector<uint32_t> PartitionsOf(const EventScan& scan, uint32_t partitions, uint32_t keyless) {
  std::vector<uint32_t> partition_of;
  partition_of.reserve(scan.events.size());
  for (const ScannedEvent& event : scan.events) {
    partition_of.push_back(event.keyed ? static_cast<uint32_t>(event.key_hash % partitions)
                                       : keyless);
  }
  return partition_of;
}

// The identities of all events. `order`: that of the events in the runs, as Distribute returns it;
// empty: the order of the request.
void FindIdentitiesOf(uint32_t total, std::vector<uint32_t> order, CheckedPublish* publish) {
  // Delayed events are not counted in it.
  std::vector<uint32_t> indices;
  auto delayed = publish->delayed.begin();
  for (uint32_t i = 0; i < total; ++i) {
    if (delayed != publish->delayed.end() && delayed->index == i) {
      ++delayed;
    } else {
      indices.push_back(i);
    }
  }
  if (order.empty()) {
    order = std::move(indices);
  } else {
    for (uint32_t& index : order) index = indices[index];
  }
  FindIdentities(order, publish);
}

// Takes memory for what will be made of the request.
absl::Status TakeMemory(size_t bytes, const Topic& topic, CheckedPublish* publish) {
  if (publish->accepted) {
    publish->memory.ForceTake(bytes);
    return absl::OkStatus();
  }
  if (!publish->memory.Fits(bytes)) return TooManyCopies(topic.name());
  return publish->memory.Take(bytes) ? absl::OkStatus()
                                     : CopiesInFlight(topic.name(), kCopiesRetry);
}

// Seals the data of events about subjects, and scans the events again.
absl::Status SealEvents(const Topic& topic, bool keys, SharedBytes* events, EventScan* scan,
                        CheckedPublish* publish) {
  if (topic.keys() == nullptr) return NoMasterKey();
  RETURN_IF_ERROR(
      TakeMemory(events->size() + scan->subjects.size() * kSealedEventBytes, topic, publish));
  ASSIGN_OR_RETURN(SealedRegion sealed,
                   SealSubjects(*topic.keys(), events->view(), scan->subjects));
  *events = std::move(sealed.events);
  publish->keys = std::move(sealed.keys);
  *scan = EventScan();
  return ScanEvents(events->view(), SIZE_MAX, keys, scan, EventRules::kStored);
}

// `scan` is that of the events that are not delayed, of `total`.
size_t CountRecords(const CheckedPublish& publish, const v1::Topic& settings, const EventScan& scan,
                    size_t total) {
  size_t records = publish.appends.size() + publish.delayed.size() + publish.keys.size();
  if (settings.retention().has_latest_per_key()) records += scan.keyed;
  if (settings.has_deduplication_window()) records += total;
  return records + RecordsOfCopies(publish.routes.get());
}

}  // namespace

absl::StatusOr<PublishRequest> ParsePublishRequest(const SharedBytes& message) {
  wire::FieldReader field(message.view());
  for (int fields = 0; field.Next() && !IsPlainEvent(field);) {
    if (field.number() == wire::kEventsField) return ParseOutOfOrder(message.view());
    if (++fields > kMaxHeadFields) return TooManyFields();
  }
  const absl::string_view head = field.before();
  while (field.Next()) {  // The contents of events are checked later.
    if (!IsPlainEvent(field)) return ParseOutOfOrder(message.view());
  }
  PublishRequest request;
  if (!field.ok() || !request.head.ParseFromArray(head.data(), static_cast<int>(head.size()))) {
    return Malformed();
  }
  request.events = message.Sub(message.view().substr(head.size()));
  return request;
}

size_t BytesOf(const CheckedPublish& publish) {
  return publish.bytes + publish.memory.held() + BytesOfCopies(publish.routes.get()) +
         std::max<size_t>(publish.records, 1) * kRecordBytes - kRecordBytes;
}

size_t RecordsOfCopies(const RoutePlan* plan) {
  size_t records = 0;
  if (plan == nullptr) return records;
  for (const RouteHop& hop : plan->hops) {
    records += hop.appends.size();
    const Topic* const target = hop.target->topic.get();
    if (target != nullptr && target->view()->settings->retention().has_latest_per_key()) {
      records += hop.count;
    }
  }
  return records;
}

MemoryBudget* FlowOf(Topic& topic, const CheckedPublish& publish) {
  const RoutePlan* const plan = publish.routes.get();
  const bool copies =
      publish.deferred || (plan != nullptr && (plan->memory.held() > 0 || !plan->refusal.ok()));
  const bool takes = publish.memory.held() > 0 || copies;
  return takes && topic.copies() != nullptr ? &topic.copies()->flow() : nullptr;
}

absl::StatusOr<CheckedPublish> CheckPublish(const PublishRequest& request, Topic& topic,
                                            DelayedTable& delayed, size_t* budget) {
  const v1::PublishStreamRequest& head = request.head;
  RETURN_IF_ERROR(CheckHead(head));
  const std::shared_ptr<const TopicView> view = topic.view();
  const auto partitions = static_cast<uint32_t>(view->partitions.size());
  if (head.has_partition() && head.partition() >= partitions) {
    return PartitionNotFound(topic.name(), head.partition(), partitions);
  }
  const bool by_key = !head.has_partition() && partitions > 1;
  EventScan scan;
  const size_t max_bytes = request.accepted ? SIZE_MAX : view->settings->max_event_bytes();
  const EventRules rules = request.accepted ? EventRules::kStored : EventRules::kPublished;
  RETURN_IF_ERROR(ScanEvents(request.events.view(), max_bytes, by_key, &scan, rules));
  if (scan.count == 0) return InvalidField("events", "is empty");
  const uint32_t total = scan.count;

  CheckedPublish checked;
  checked.accepted = request.accepted;
  checked.memory = CopyMemory::Lease(topic.copies());
  SharedBytes events = request.events;
  if (scan.sealed.has_value()) {
    return InvalidEvent(*scan.sealed, "attributes",
                        "has datasealed, with which the hub marks data that it sealed itself");
  }
  if (!scan.subjects.empty() && view->settings->erasable()) {
    RETURN_IF_ERROR(SealEvents(topic, by_key, &events, &scan, &checked));
  }
  if (!scan.delays.empty()) {
    size_t bytes = scan.delays.size() * kDelayedEventBytes;
    for (const ScannedDelay& delay : scan.delays) bytes += delay.bytes;
    RETURN_IF_ERROR(TakeMemory(bytes, topic, &checked));
    ASSIGN_OR_RETURN(SplitEvents split, SplitDelayed(head, events, scan, delayed.Now()));
    events = std::move(split.now);
    checked.delayed = std::move(split.later);
    checked.delayed_table = &delayed;
    scan = EventScan();
    RETURN_IF_ERROR(ScanEvents(events.view(), SIZE_MAX, by_key, &scan, EventRules::kStored));
  }
  checked.count = scan.count;
  checked.bytes = events.size();
  checked.types = scan.types;
  const v1::Durability durability = head.durability() != v1::DURABILITY_UNSPECIFIED
                                        ? head.durability()
                                        : view->settings->default_durability();
  checked.synced = durability == v1::DURABILITY_SYNCED;
  if (!head.has_partition()) checked.result.set_partition_count(partitions);
  uint32_t partition = head.partition();
  if (!head.has_partition() && scan.keyed < scan.count) {
    partition = topic.NextKeylessPartition(events.size(), partitions);
    checked.result.set_keyless_partition(partition);
  }
  std::vector<uint32_t> order;
  if (by_key && scan.keyed > 0) {
    checked.appends = Distribute(
        PartitionsOf(scan, partitions, partition),
        [&](uint32_t i) {
          return events.view().substr(scan.events[i].begin, scan.events[i].bytes);
        },
        events.size(), view->partitions, &order);
  } else if (scan.count > 0) {
    for (EventRun& run : SplitIntoRuns(events, scan.count, kMaxBatchBytes)) {
      checked.appends.push_back({view->partitions[partition], std::move(run.events), run.count});
    }
  }
  checked.may_shrink = view->settings->has_deduplication_window();
  if (view->routes != nullptr) {
    checked.routes =
        PlanRoutes(view->routes, checked.appends, checked.result.partition_count(),
                   request.accepted ? PlanFor::kAccepted : PlanFor::kPublisher, topic.copies(),
                   checked.may_shrink ? std::make_unique<FilterResults>() : nullptr, budget);
    checked.deferred = checked.routes == nullptr;
  }
  checked.records = CountRecords(checked, *view->settings, scan, total);
  if (checked.records > kMaxRequestRecords && !request.accepted) {
    return TooManyRecords(topic.name(), checked.records, kMaxRequestRecords);
  }
  if (view->settings->has_deduplication_window()) {
    RETURN_IF_ERROR(TakeMemory(total * kIdentityBytes, topic, &checked));
    FindIdentitiesOf(total, std::move(order), &checked);
  }
  return checked;
}

}  // namespace eventhub
