// EventView on any bytes: it stays within them, and agrees with protobuf's parser about an event.
#include <string>
#include <vector>

#include "server/filter/event_view.h"
#include "tests/filter/show.h"
#include "tests/fuzz/fuzz.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const absl::string_view input = eventhub::Input(data, size);
  eventhub::filter::AttributeSet wanted;
  for (const char* const name :
       {"id", "source", "type", "subject", "time", "partitionkey", "datacontenttype", "dataschema",
        "specversion", "a", "b", "hop", "data", ""}) {
    wanted.Add(name);
  }
  std::vector<eventhub::filter::Value> values(wanted.size());
  const bool read = eventhub::EventView(input).Read(wanted, values.data());
  eventhub::v1::Event event;
  if (!read || !event.ParseFromArray(data, static_cast<int>(size))) return 0;
  for (uint32_t slot = 0; slot < wanted.size(); ++slot) {
    FUZZ_CHECK(eventhub::Show(values[slot]) == eventhub::ShowAttribute(event, wanted.name(slot)));
  }
  return 0;
}
