// The casts of CESQL (section 3.7 of its specification).
#pragma once

#include <cstdint>

#include "absl/strings/string_view.h"
#include "server/filter/scratch.h"
#include "server/filter/value.h"

namespace eventhub::filter {

// Each accepts a boolean, an integer or a string, and returns false if it cannot be cast.
bool ToInteger(const Value& value, int32_t* integer);
bool ToBoolean(const Value& value, bool* boolean);

// Accepts any value but a missing one: binary becomes Base64, a timestamp RFC 3339 in UTC. Returns
// false only if `scratch` has no room left.
bool ToText(const Value& value, Scratch& scratch, absl::string_view* text);

}  // namespace eventhub::filter
