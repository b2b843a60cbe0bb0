// Values of a JSON text as they are written, found without changing a byte of them.
//
// The scanner is our own, for a JSON library turns numbers into doubles and cannot give back
// `1.10`, nor a number of thirty digits. Data that was published has to come back as it was, so it
// is cut out of the text. All functions are thread-safe.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace eventhub::json {

struct JsonMember {
  std::string name;
  // As it is written, without the white space around it.
  absl::string_view value;
};

// Whether `text` is one JSON value (RFC 8259) without white space around it. Accepts any depth, and
// numbers of any size.
bool IsJsonValue(absl::string_view text);

// The members of an object in the order in which they are written; a name may occur more than once.
// The values are parts of `text`. INVALID_ARGUMENT if `text` is not JSON, or not an object.
absl::StatusOr<std::vector<JsonMember>> SliceJsonObject(absl::string_view text);

// The text of a string, given as it is written. Nothing if the value is not a string, or if its
// escapes are not Unicode: `"\ud800"`.
std::optional<std::string> JsonText(absl::string_view value);

// Why SliceJsonObject() refuses a line, as far as it can be told.
enum class JsonLineFault {
  kOther,
  kArray,             // It begins an array.
  kUnfinishedObject,  // It ends before its object does.
};
JsonLineFault FindJsonLineFault(absl::string_view line);

}  // namespace eventhub::json
