// Values of a JSON text as they are written, found without changing a byte of them.
//
// The JSON library turns numbers into doubles, so it cannot give back `1.10`, nor a number of
// thirty digits. Data that somebody published has to come back as it was, so it is cut out of the
// text.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace eventhub::cli {

struct JsonMember {
  std::string name;
  // As it is written, without the white space around it.
  absl::string_view value;
};

// Whether `text` is one JSON value (RFC 8259) with no white space around it. Any depth, and numbers
// of any size.
bool IsJsonValue(absl::string_view text);

// The members of an object in the order in which they are written; a name may come more than once.
// The values are parts of `text`. INVALID_ARGUMENT if `text` is not JSON, or not an object.
absl::StatusOr<std::vector<JsonMember>> SliceJsonObject(absl::string_view text);

// The text that a string stands for, of a value as it is written. Nothing if the value is no
// string, or if no text has these characters: `"\ud800"`.
std::optional<std::string> JsonText(absl::string_view value);

// For one who reads a line that SliceJsonObject() refused: how a text that is JSON over several
// lines, or an array, becomes lines. Empty if the line does not look like either.
absl::string_view JsonLineHint(absl::string_view line);

}  // namespace eventhub::cli
