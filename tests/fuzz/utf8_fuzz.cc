// IsUtf8 is of the same opinion as protobuf.
#include <string>

#include "google/protobuf/wrappers.pb.h"
#include "server/core/utf8.h"
#include "tests/fuzz/fuzz.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size > 127) return 0;  // The length below is one byte.
  const absl::string_view text = eventhub::Input(data, size);
  std::string message("\x0a");
  message.push_back(static_cast<char>(size));
  message.append(text.data(), text.size());
  google::protobuf::StringValue parsed;
  FUZZ_CHECK(parsed.ParseFromString(message) == eventhub::IsUtf8(text));
  return 0;
}
