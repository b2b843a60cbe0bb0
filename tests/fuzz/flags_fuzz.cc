// The daemon's command line, one argument per line: it is accepted, or refused with a one-line
// reason.
#include <string>
#include <vector>

#include "absl/flags/reflection.h"
#include "absl/strings/match.h"
#include "absl/strings/str_split.h"
#include "server/main/config.h"
#include "server/main/flag_parser.h"
#include "tests/fuzz/fuzz.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const absl::string_view input = eventhub::Input(data, size);
  // These would let the input read any file of the machine, or run any program.
  for (const char* flag : {"flagfile", "erasure_master_key"}) {
    if (absl::StrContains(input, flag)) return 0;
  }
  const absl::FlagSaver restore;
  const std::vector<std::string> arguments = absl::StrSplit(input, '\n');
  const auto action = eventhub::ParseFlags(arguments, "EVENTHUB_FUZZ_");
  absl::Status status = action.status();
  if (action.ok()) status = eventhub::ConfigFromFlags().status();
  FUZZ_CHECK(status.ok() || absl::IsInvalidArgument(status));
  FUZZ_CHECK(status.ok() || !status.message().empty());
  FUZZ_CHECK(!absl::StrContains(status.message(), '\n'));
  return 0;
}
