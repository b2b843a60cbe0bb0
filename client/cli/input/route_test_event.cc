#include "client/cli/input/route_test_event.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "client/cli/input/event_flags.h"
#include "client/cli/input/read_file.h"
#include "storage/base/status_macros.h"

namespace eventhub::cli {

void AddTestEventFlags(CLI::App& command, TestEventFlags& flags) {
  command.add_option("--event", flags.file, "A CloudEvent in JSON; `-`: standard input")
      ->type_name("FILE");
  const auto text = [&command](const char* name, std::string* value, const char* description) {
    command.add_option(name, *value, description)->type_name("TEXT");
  };
  text("--type", &flags.event.type, "The type of the event (default: example)");
  text("--source", &flags.event.source, "Its source, a URI reference (default: /example)");
  text("--subject", &flags.event.subject, "Its subject");
  text("-k,--key", &flags.event.key, "Its partition key");
  AddAttributeOption(command, &flags.attributes);
}

absl::StatusOr<v1::Event> MakeTestEvent(TestEventFlags flags) {
  ASSIGN_OR_RETURN(flags.event.attributes, ParseAttributes(flags.attributes));
  flags.event.json_input = true;
  if (flags.event.type.empty()) flags.event.type = "example";
  if (flags.event.source.empty()) flags.event.source = "/example";
  std::string json = "{}";
  if (!flags.file.empty()) {
    ASSIGN_OR_RETURN(json, ReadFile(flags.file));
  }
  absl::StatusOr<v1::Event> event = EventSource(std::move(flags.event)).FromLine(json);
  if (event.ok() || flags.file.empty()) return event;
  return absl::Status(event.status().code(),
                      absl::StrCat(FileName(flags.file), ": ", event.status().message()));
}

}  // namespace eventhub::cli
