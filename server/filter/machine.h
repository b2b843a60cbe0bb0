// Runs compiled filters and expressions.
#pragma once

#include <cstdint>

#include "server/filter/failure.h"
#include "server/filter/program.h"
#include "server/filter/scratch.h"
#include "server/filter/value.h"

namespace eventhub::filter {

// The result of a run. After a failure `value` is what CESQL prescribes: the result of the failed
// operator if it is the outermost one, else the zero value of the expression's type. Strings belong
// to the event, the program or the scratch.
struct Outcome {
  Value value;
  Failure failure;
};

// Runs `program` on attributes that EventView::Read() found for it. Stops at the first failure (the
// "fail fast mode" of the specification). Thread-safe.
Outcome Run(const Program& program, const Value* attributes, Scratch& scratch);

// Runs a part that reads no attribute and pushes one value. Used to fold constants.
Outcome RunPart(const Program& program, size_t begin, Scratch& scratch);

}  // namespace eventhub::filter
