// The built-in functions of CESQL.
#pragma once

#include <cstdint>

#include "absl/strings/string_view.h"
#include "server/filter/failure.h"
#include "server/filter/scratch.h"
#include "server/filter/value.h"

namespace eventhub::filter {

// Where a function is in the table of them.
using FunctionId = uint32_t;
inline constexpr FunctionId kNoFunction = UINT32_MAX;

// The function of that name, in any case, that takes so many arguments.
FunctionId FindFunction(absl::string_view name, size_t arguments);

// Whether there is one, for whatever number of arguments.
bool IsFunctionName(absl::string_view name);

// The type that a function returns.
ValueType ReturnTypeOf(FunctionId function);

// Calls a function with as many arguments as it was found for. False if it fails.
bool CallFunction(FunctionId function, const Value* arguments, size_t count, Scratch& scratch,
                  Value* result, Failure* failure);

}  // namespace eventhub::filter
