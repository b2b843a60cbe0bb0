// CESQL the slow and simple way, and random expressions to compare with.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <random>
#include <string>
#include <variant>
#include <vector>

#include "server/filter/failure.h"

namespace eventhub {

using ModelValue = std::variant<bool, int32_t, std::string>;
using ModelAttributes = std::map<std::string, ModelValue>;

struct ModelResult {
  ModelValue value;
  CesqlErrorKind error = CesqlErrorKind::kNone;
};

// A tree that is walked. Operators and functions by name: "AND", "+", "LIKE", "NOT IN", "neg",
// "LENGTH", …; "literal", "attribute" and "EXISTS" have no children.
struct ModelExpression {
  std::string op;
  ModelValue literal = false;  // Of "literal"; the pattern of "LIKE".
  std::string name;            // Of "attribute" and "EXISTS".
  std::vector<ModelExpression> children;

  ModelResult Evaluate(const ModelAttributes& attributes) const;

  // As text that parses to this tree, with white space, case and needless parentheses at random.
  std::string Text(std::mt19937_64& random) const;
};

// An expression of at most so many levels, over the attributes a0 to a3, of which some are missing.
ModelExpression RandomExpression(std::mt19937_64& random, int depth);
ModelValue RandomValue(std::mt19937_64& random);

}  // namespace eventhub
