// JSON that is an event, and bytes that are one, make the round trip without loss.
#include <google/protobuf/util/message_differencer.h>

#include <string>

#include "eventhub/v1/event.pb.h"
#include "proto/json/event_json.h"
#include "proto/json/json_slice.h"
#include "proto/json/timestamp.h"
#include "tests/fuzz/fuzz.h"

namespace eventhub {
namespace {

bool CanBeWritten(const google::protobuf::Timestamp& time) {
  return time.nanos() >= 0 && time.nanos() < 1'000'000'000 && time.seconds() > -100'000'000'000 &&
         time.seconds() < 1'000'000'000'000 && json::IsTimestamp(json::FromTimestamp(time));
}

// Leaves what the hub takes, and what is written.
void Prepare(v1::Event& event) {
  event.DiscardUnknownFields();
  event.clear_deliver_at();
  event.clear_deliver_after();
  if (!CanBeWritten(event.time())) event.clear_time();
  for (auto& [name, value] : *event.mutable_attributes()) {
    if (value.has_timestamp() && !CanBeWritten(value.timestamp())) value.clear_value();
    if (value.value_case() == v1::AttributeValue::VALUE_NOT_SET) value.set_string("");
  }
}

void CheckRoundTrip(v1::Event event) {
  Prepare(event);
  std::string line;
  json::AppendEvent(event, {.exact = true}, &line);
  FUZZ_CHECK(line.find('\n') == std::string::npos);
  FUZZ_CHECK(json::IsJsonValue(line));
  const absl::StatusOr<v1::Event> again = json::ParseEvent(line);
  FUZZ_CHECK(again.ok());
  FUZZ_CHECK(google::protobuf::util::MessageDifferencer::Equals(event, *again));
  std::string same;
  FUZZ_CHECK(json::AppendEncodedEvent(event.SerializeAsString(), {.exact = true}, &same));
  FUZZ_CHECK(same == line);
}

}  // namespace
}  // namespace eventhub

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const absl::string_view input = eventhub::Input(data, size);
  if (const auto event = eventhub::json::ParseEvent(input); event.ok()) {
    eventhub::CheckRoundTrip(*event);
  }
  eventhub::v1::Event event;
  const bool parsed = event.ParseFromArray(data, static_cast<int>(size));
  std::string line;
  const bool written = eventhub::json::AppendEncodedEvent(input, {}, &line);
  if (!parsed) return 0;
  eventhub::CheckRoundTrip(event);
  // The hub refuses a few encodings that protobuf's parser accepts, such as tags of over 32 bits.
  if (!written) return 0;
  std::string expected;
  eventhub::json::AppendEvent(event, {}, &expected);
  FUZZ_CHECK(line == expected);
  return 0;
}
