#include "server/core/publish/delayed_split.h"

#include <algorithm>
#include <optional>

#include "absl/strings/string_view.h"
#include "eventhub/v1/event.pb.h"
#include "proto/wire/field_reader.h"
#include "proto/wire/fields.h"
#include "proto/wire/writer.h"
#include "server/core/base/errors.h"
#include "server/core/event/event_slice.h"
#include "server/core/publish/delayed_record.h"

namespace eventhub {
namespace {

// Appends the event without its delivery time, as a field of a region.
void AppendStripped(absl::string_view event, std::string* region) {
  std::string message;
  message.reserve(event.size());
  wire::FieldReader field(event);
  while (field.Next()) {
    if (field.Is(v1::Event::kDeliverAtFieldNumber) ||
        field.Is(v1::Event::kDeliverAfterFieldNumber)) {
      continue;
    }
    message.append(field.field().data(), field.field().size());
  }
  wire::AppendBytes(wire::kEventsField, message, region);
}

// Rounds up, so that no event is early.
int64_t MicrosAtOrAfter(absl::Time time) {
  const int64_t micros = absl::ToUnixMicros(time);  // Rounds down.
  return absl::FromUnixMicros(micros) < time ? micros + 1 : micros;
}

}  // namespace

absl::StatusOr<SplitEvents> SplitDelayed(const v1::PublishStreamRequest& head,
                                         const SharedBytes& events, const EventScan& scan,
                                         absl::Time now) {
  SplitEvents split;
  DelayedRecord record;
  record.accept_micros = std::max(int64_t{0}, absl::ToUnixMicros(now));
  if (head.has_partition()) record.partition = PartitionId(head.partition());
  std::string region;
  region.reserve(events.size());
  std::string stripped;
  const char* copied = events.data();  // All before this is processed.
  for (const ScannedDelay& delay : scan.delays) {
    const char* const start = events.data() + delay.begin;
    region.append(copied, start);
    copied = start + delay.bytes;
    const char* const field = delay.relative ? "deliver_after" : "deliver_at";
    if (head.has_expected_offset()) {
      return InvalidEvent(delay.index, field, "cannot be used with expected_offset");
    }
    const absl::Time due = (delay.relative ? now : absl::UnixEpoch()) + delay.time;
    if (due > now + kMaxDelay) {
      return InvalidEvent(delay.index, field, "is more than 366 days ahead");
    }
    SlicedEvent event;
    EventWalker(events.Sub(absl::string_view(start, delay.bytes))).Next(&event);
    stripped.clear();
    AppendStripped(event.message, &stripped);
    if (due <= now) {
      region += stripped;
      continue;
    }
    record.event = stripped;
    split.later.push_back(
        {delay.index, MicrosAtOrAfter(due), record.Encode(), IdentityOf(event.message)});
  }
  region.append(copied, events.data() + events.size());
  split.now = SharedBytes::Copy(region);
  return split;
}

}  // namespace eventhub
