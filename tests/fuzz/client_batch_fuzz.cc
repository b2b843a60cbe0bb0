// The SDK's parser of EventBatch agrees with protobuf's wherever protobuf accepts the input.
#include <string>

#include "eventhub/event_batch.h"
#include "eventhub/v1/hub.pb.h"
#include "google/protobuf/util/message_differencer.h"
#include "tests/fuzz/fuzz.h"

using eventhub::client::Bytes;
using eventhub::client::EventBatch;
using google::protobuf::util::MessageDifferencer;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const Bytes frame = Bytes::Of(std::string(eventhub::Input(data, size)));
  const absl::StatusOr<EventBatch> batch = EventBatch::Parse(frame, frame.view);
  if (!batch.ok()) {
    FUZZ_CHECK(absl::IsDataLoss(batch.status()));
    return 0;
  }
  eventhub::v1::EventBatch parsed;
  const bool well_formed = parsed.ParseFromArray(data, static_cast<int>(size));
  int count = 0;
  for (const auto& received : *batch) {
    eventhub::v1::Event event;
    const absl::Status status = received.ParseTo(event);
    if (well_formed) {
      FUZZ_CHECK(status.ok() && count < parsed.events_size());
      FUZZ_CHECK(MessageDifferencer::Equals(event, parsed.events(count)));
    }
    ++count;
  }
  FUZZ_CHECK(static_cast<size_t>(count) == batch->size());
  if (!well_formed) return 0;
  FUZZ_CHECK(count == parsed.events_size());
  FUZZ_CHECK(batch->partition() == parsed.partition());
  return 0;
}
