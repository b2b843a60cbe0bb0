// IsUtf8 agrees with protobuf's parser, and Utf8Prefix finds the end of the valid prefix.
#include <string>

#include "google/protobuf/wrappers.pb.h"
#include "proto/wire/utf8.h"
#include "tests/fuzz/fuzz.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size > 127) return 0;  // The length below is one byte.
  const absl::string_view text = eventhub::Input(data, size);
  std::string message("\x0a");
  message.push_back(static_cast<char>(size));
  message.append(text.data(), text.size());
  google::protobuf::StringValue parsed;
  const bool valid = parsed.ParseFromString(message);
  FUZZ_CHECK(valid == eventhub::wire::IsUtf8(text));
  const size_t prefix = eventhub::wire::Utf8Prefix(text);
  FUZZ_CHECK(valid == (prefix == text.size()));
  FUZZ_CHECK(eventhub::wire::IsUtf8(text.substr(0, prefix)));
  return 0;
}
