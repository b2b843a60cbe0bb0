#include "server/core/publish_request.h"

#include <array>
#include <cstring>
#include <numeric>
#include <utility>

#include "absl/strings/str_cat.h"
#include "server/core/delayed/delayed_split.h"
#include "server/core/delayed/delayed_table.h"
#include "server/core/errors.h"
#include "server/core/event_scanner.h"
#include "server/core/event_slice.h"
#include "server/core/utf8.h"
#include "server/core/wire.h"
#include "storage/base/status_macros.h"

namespace eventhub {
namespace {

constexpr size_t kMaxProducerIdBytes = 256;
constexpr size_t kMaxBatchBytes = CommitBuilder::kMaxBatchBytes;

absl::Status Malformed() { return MalformedRequest("is not well-formed protobuf"); }

// Whether `rest` is events to the last byte; what they contain is looked at later.
bool AllEvents(absl::string_view rest) {
  WireReader reader(rest);
  while (!reader.AtEnd()) {
    if (*reader.position() != kEventsTag) return false;
    uint32_t field;
    WireType type;
    if (!reader.ReadTag(&field, &type) || !reader.Skip(type)) return false;
  }
  return true;
}

// Legal, and slow: copies so that the events come last.
absl::StatusOr<PublishRequest> ParseOutOfOrder(absl::string_view message) {
  std::string head;
  std::string events;
  WireReader reader(message);
  while (!reader.AtEnd()) {
    const char* const start = reader.position();
    uint32_t field;
    WireType type;
    if (!reader.ReadTag(&field, &type)) return Malformed();
    if (field == kEventsField && type == WireType::kBytes) {
      const char* const value = reader.position();
      if (!reader.Skip(type)) return Malformed();
      events.push_back(kEventsTag);  // The tag may have come in a longer form.
      events.append(value, reader.position());
    } else {
      if (!reader.Skip(type)) return Malformed();
      head.append(start, reader.position());
    }
  }
  PublishRequest request;
  if (!request.head.ParseFromString(head)) return Malformed();
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
  }
  return absl::OkStatus();
}

// The indices of the events, by partition, those of a partition in their order: a radix sort, whose
// cost and memory go with the number of events and not with that of partitions.
std::vector<uint32_t> OrderByPartition(const std::vector<uint32_t>& partition_of,
                                       uint32_t partitions) {
  constexpr int kDigitBits = 8;
  constexpr uint32_t kDigits = 1u << kDigitBits;
  std::vector<uint32_t> order(partition_of.size());
  std::iota(order.begin(), order.end(), 0);
  std::vector<uint32_t> sorted(order.size());
  for (int shift = 0; (partitions - 1) >> shift > 0; shift += kDigitBits) {
    const auto digit_of = [&](uint32_t i) { return (partition_of[i] >> shift) % kDigits; };
    std::array<uint32_t, kDigits + 1> begin = {};
    for (const uint32_t i : order) ++begin[digit_of(i) + 1];
    std::partial_sum(begin.begin(), begin.end(), begin.begin());
    for (const uint32_t i : order) sorted[begin[digit_of(i)]++] = i;
    order.swap(sorted);
  }
  return order;
}

// Copies the events of each partition together, in order.
void Distribute(const SharedBytes& events, const TopicView& view, const EventScan& scan,
                uint32_t keyless, std::vector<PartitionAppend>* appends) {
  const auto partitions = static_cast<uint32_t>(view.partitions.size());
  std::vector<uint32_t> partition_of;
  partition_of.reserve(scan.events.size());
  for (const ScannedEvent& event : scan.events) {
    partition_of.push_back(event.keyed ? static_cast<uint32_t>(event.key_hash % partitions)
                                       : keyless);
  }
  const std::vector<uint32_t> order = OrderByPartition(partition_of, partitions);
  char* to;
  const SharedBytes region = SharedBytes::Allocate(events.size(), &to);
  for (size_t i = 0; i < order.size();) {
    const uint32_t partition = partition_of[order[i]];
    char* const begin = to;
    uint32_t count = 0;
    for (; i < order.size() && partition_of[order[i]] == partition; ++i, ++count) {
      const ScannedEvent& event = scan.events[order[i]];
      const size_t bytes = static_cast<size_t>(to - begin) + event.bytes;
      if (count > 0 && bytes > kMaxBatchBytes) break;
      std::memcpy(to, events.data() + event.begin, event.bytes);
      to += event.bytes;
    }
    const absl::string_view run(begin, static_cast<size_t>(to - begin));
    appends->push_back({view.partitions[partition], region.Sub(run), count});
  }
}

}  // namespace

absl::StatusOr<PublishRequest> ParsePublishRequest(const SharedBytes& message) {
  WireReader reader(message.view());
  while (!reader.AtEnd() && *reader.position() != kEventsTag) {
    uint32_t field;
    WireType type;
    if (!reader.ReadTag(&field, &type) || !reader.Skip(type)) return Malformed();
    // An event behind a tag in a longer form is an event, too.
    if (field == kEventsField) return ParseOutOfOrder(message.view());
  }
  const size_t head_size = static_cast<size_t>(reader.position() - message.data());
  const absl::string_view rest = message.view().substr(head_size);
  if (!AllEvents(rest)) return ParseOutOfOrder(message.view());
  PublishRequest request;
  if (!request.head.ParseFromArray(message.data(), static_cast<int>(head_size))) return Malformed();
  request.events = message.Sub(rest);
  return request;
}

absl::StatusOr<CheckedPublish> CheckPublish(const PublishRequest& request, Topic& topic,
                                            DelayedTable& delayed) {
  const v1::PublishStreamRequest& head = request.head;
  RETURN_IF_ERROR(CheckHead(head));
  const std::shared_ptr<const TopicView> view = topic.view();
  const auto partitions = static_cast<uint32_t>(view->partitions.size());
  if (head.has_partition() && head.partition() >= partitions) {
    return PartitionNotFound(topic.name(), head.partition(), partitions);
  }
  const bool by_key = !head.has_partition() && partitions > 1;
  EventScan scan;
  RETURN_IF_ERROR(
      ScanEvents(request.events.view(), view->settings.max_event_bytes(), by_key, &scan));
  if (scan.count == 0) return InvalidField("events", "is empty");

  CheckedPublish checked;
  SharedBytes events = request.events;
  if (!scan.delays.empty()) {
    ASSIGN_OR_RETURN(SplitEvents split, SplitDelayed(request, scan, delayed.Now()));
    events = std::move(split.now);
    checked.delayed = std::move(split.later);
    checked.delayed_bytes = split.later_bytes;
    checked.delayed_table = &delayed;
    scan = EventScan();
    RETURN_IF_ERROR(ScanEvents(events.view(), SIZE_MAX, by_key, &scan));
  }
  checked.count = scan.count;
  checked.bytes = events.size();
  checked.types = std::move(scan.types);
  const v1::Durability durability = head.durability() != v1::DURABILITY_UNSPECIFIED
                                        ? head.durability()
                                        : view->settings.default_durability();
  checked.synced = durability == v1::DURABILITY_SYNCED;
  if (!head.has_partition()) checked.result.set_partition_count(partitions);
  uint32_t partition = head.partition();
  if (!head.has_partition() && scan.keyed < scan.count) {
    partition = topic.NextKeylessPartition(events.size(), partitions);
    checked.result.set_keyless_partition(partition);
  }
  if (by_key && scan.keyed > 0) {
    Distribute(events, *view, scan, partition, &checked.appends);
  } else if (scan.count > 0) {
    for (EventRun& run : CutIntoRuns(events, scan.count, kMaxBatchBytes)) {
      checked.appends.push_back({view->partitions[partition], std::move(run.events), run.count});
    }
  }
  return checked;
}

}  // namespace eventhub
