// A simple, slow model of CESQL, and random expressions to compare it with the implementation.
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

// A syntax tree. Operators and functions are named: "AND", "+", "LIKE", "NOT IN", "neg", "LENGTH",
// …. "literal", "attribute" and "EXISTS" have no children.
struct ModelExpression {
  std::string op;
  ModelValue literal = false;  // The value of "literal", or the pattern of "LIKE".
  std::string name;            // The attribute of "attribute" and "EXISTS".
  std::vector<ModelExpression> children;

  ModelResult Evaluate(const ModelAttributes& attributes) const;

  // Writes text that parses to this tree, with random white space, case and redundant parentheses.
  std::string Text(std::mt19937_64& random) const;
};

// Returns an expression of at most `depth` levels on the attributes a0 to a3, some of which are
// missing.
ModelExpression RandomExpression(std::mt19937_64& random, int depth);
ModelValue RandomValue(std::mt19937_64& random);

}  // namespace eventhub
