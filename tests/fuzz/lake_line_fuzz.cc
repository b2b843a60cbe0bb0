// Any bytes become one line of a lake, and come back as the same event.
#include <google/protobuf/util/message_differencer.h>

#include <optional>
#include <string>

#include "absl/strings/string_view.h"
#include "eventhub/v1/event.pb.h"
#include "server/lake/object/event_line.h"
#include "server/lake/object/line_encoder.h"
#include "tests/fuzz/fuzz.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace eventhub;  // NOLINT(google-build-using-namespace)
  const absl::string_view input = Input(data, size);
  // As a line that somebody else wrote.
  lake::PositionOf(input);
  lake::EncodedOf(input).IgnoreError();
  std::string quickly;
  lake::AppendEncoded(input, &quickly).IgnoreError();

  const lake::EventPosition position{
      .partition = 3, .offset = 17, .append_micros = 1'700'000'000'000'001};
  std::string line;
  lake::AppendEventLine(position, input, &line);
  FUZZ_CHECK(line.find('\n') == line.size() - 1);
  FUZZ_CHECK(lake::PositionOf(line) == position);
  const absl::StatusOr<std::string> encoded = lake::EncodedOf(line);
  FUZZ_CHECK(encoded.ok());
  v1::Event expected;
  v1::Event event;
  const bool is_event = expected.ParseFromArray(data, static_cast<int>(size));
  FUZZ_CHECK(event.ParseFromString(*encoded) == is_event);
  if (is_event) {
    FUZZ_CHECK(google::protobuf::util::MessageDifferencer::Equals(event, expected));
  } else {
    FUZZ_CHECK(*encoded == input);
  }
  quickly.clear();
  FUZZ_CHECK(lake::AppendEncoded(line.substr(0, line.size() - 1), &quickly).ok());
  if (is_event) {
    FUZZ_CHECK(event.ParseFromString(quickly));
    FUZZ_CHECK(google::protobuf::util::MessageDifferencer::Equals(event, expected));
  } else {
    FUZZ_CHECK(quickly == input);
  }
  return 0;
}
