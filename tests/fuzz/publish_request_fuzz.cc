// Publish requests with any bytes: protobuf accepts every request that the hub accepts, and both
// see the same events; the events can be sliced anywhere, and published.
#include <map>
#include <string>

#include "google/protobuf/util/message_differencer.h"
#include "proto/wire/event_rules.h"
#include "server/core/event/event_scanner.h"
#include "server/core/event/event_slice.h"
#include "server/core/publish/publish_request.h"
#include "tests/fuzz/memory_broker.h"

namespace eventhub {
namespace {

using google::protobuf::util::MessageDifferencer;

constexpr uint32_t kPartitions = 5;
constexpr size_t kMaxEventBytes = 1 << 20;

std::string Concatenate(const Delivery& slice) {
  std::string bytes;
  for (const SharedBytes& chunk : slice.events) bytes.append(chunk.data(), chunk.size());
  return bytes;
}

// The slices of a batch, concatenated, equal the batch.
void CheckSlices(const SharedBytes& events, uint32_t count) {
  RecordBatch batch;
  batch.base = Offset(100);
  batch.header.count = count;
  batch.header.bytes = static_cast<uint32_t>(events.size());
  batch.chunks.push_back(events);
  for (const size_t max_bytes : {size_t{1}, size_t{40}, events.size()}) {
    std::string all;
    for (Offset next = batch.base; next < batch.end();) {
      const Delivery slice = SliceBatch(batch, PartitionId(0), next, batch.end(), max_bytes);
      FUZZ_CHECK(slice.count > 0 && slice.base == next);
      const std::string bytes = Concatenate(slice);
      FUZZ_CHECK(bytes.size() == slice.bytes);
      FUZZ_CHECK(slice.count == 1 || bytes.size() <= max_bytes);
      EventScan scan;
      FUZZ_CHECK(ScanEvents(bytes, kMaxEventBytes, false, &scan).ok());
      FUZZ_CHECK(scan.count == slice.count);
      all += bytes;
      next = next + slice.count;
    }
    FUZZ_CHECK(all == events.view());
  }
}

void CheckPublished(const v1::PublishResult& result, const v1::PublishStreamRequest& parsed) {
  std::map<uint32_t, uint32_t> expected;
  int delayed = 0;
  for (int i = 0; i < parsed.events_size(); ++i) {
    const v1::Event& event = parsed.events(i);
    if (delayed < result.delayed_size() &&
        result.delayed(delayed).event_index() == static_cast<uint32_t>(i)) {
      FUZZ_CHECK(event.has_deliver_at() || event.has_deliver_after());
      ++delayed;
      continue;
    }
    uint32_t partition = parsed.partition();
    if (!parsed.has_partition()) {
      partition = event.partition_key().empty()
                      ? result.keyless_partition()
                      : wire::PartitionOfKey(event.partition_key(), kPartitions);
    }
    ++expected[partition];
  }
  FUZZ_CHECK(delayed == result.delayed_size());
  FUZZ_CHECK(static_cast<size_t>(result.placements_size()) == expected.size());
  for (const v1::Placement& placement : result.placements()) {
    FUZZ_CHECK(expected[placement.partition()] == placement.count());
  }
}

void Check(absl::string_view input) {
  static Broker* const broker = [] {
    Broker* const made = NewMemoryBroker().release();
    CreateTopic(*made, "t", kPartitions);
    return made;
  }();
  absl::StatusOr<PublishRequest> request = ParsePublishRequest(SharedBytes::Copy(input));
  if (!request.ok()) return;
  EventScan scan;
  const bool accepted = ScanEvents(request->events.view(), kMaxEventBytes, true, &scan).ok();
  v1::PublishStreamRequest parsed;
  const bool well_formed = parsed.ParseFromArray(input.data(), static_cast<int>(input.size()));
  if (accepted) {
    FUZZ_CHECK(well_formed);
    FUZZ_CHECK(scan.count == static_cast<uint32_t>(parsed.events_size()));
    FUZZ_CHECK(scan.events.size() == scan.count);
    v1::EventBatch batch;
    FUZZ_CHECK(
        batch.ParseFromArray(request->events.data(), static_cast<int>(request->events.size())));
    FUZZ_CHECK(batch.events_size() == parsed.events_size());
    for (int i = 0; i < batch.events_size(); ++i) {
      const v1::Event& event = parsed.events(i);
      FUZZ_CHECK(MessageDifferencer::Equals(batch.events(i), event));
      FUZZ_CHECK(scan.events[static_cast<size_t>(i)].keyed == !event.partition_key().empty());
    }
    v1::PublishStreamRequest head = parsed;
    head.clear_events();
    FUZZ_CHECK(MessageDifferencer::Equals(head, request->head));
    if (scan.count > 0) CheckSlices(request->events, scan.count);
  }
  // Assumes that the topic and the producer exist, so that the rest is reached.
  request->head.set_topic("t");
  parsed.set_topic("t");
  request->head.clear_producer_id();
  request->head.clear_producer_epoch();
  request->head.clear_sequence();
  const absl::StatusOr<v1::PublishResult> result = Publish(*broker, *request);
  FUZZ_CHECK(!result.ok() || accepted);
  if (result.ok()) CheckPublished(*result, parsed);
}

}  // namespace
}  // namespace eventhub

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  eventhub::Check(eventhub::Input(data, size));
  return 0;
}
