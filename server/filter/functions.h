// The built-in functions of CESQL.
#pragma once

#include <cstdint>

#include "absl/strings/string_view.h"
#include "server/filter/failure.h"
#include "server/filter/scratch.h"
#include "server/filter/value.h"

namespace eventhub::filter {

// An index into the table of functions.
using FunctionId = uint32_t;
inline constexpr FunctionId kNoFunction = UINT32_MAX;

// Finds the function with that name (case-insensitive) and number of arguments.
FunctionId FindFunction(absl::string_view name, size_t arguments);

// Whether one exists, with any number of arguments.
bool IsFunctionName(absl::string_view name);

// The type that a function returns.
ValueType ReturnTypeOf(FunctionId function);

// Calls a function with the number of arguments it was found for. Returns false if it fails.
bool CallFunction(FunctionId function, const Value* arguments, size_t count, Scratch& scratch,
                  Value* result, Failure* failure);

}  // namespace eventhub::filter
