// The event types that a filter may match, so that batches without them can be skipped.
#pragma once

#include <optional>
#include <string>
#include <vector>

namespace eventhub::filter {

// Sorted, without duplicates; nullopt: any type.
using TypeSet = std::optional<std::vector<std::string>>;

// The intersection: what passes both of two filters.
TypeSet Intersect(const TypeSet& a, const TypeSet& b);

// The union: what passes either of two filters.
TypeSet Unite(const TypeSet& a, const TypeSet& b);

}  // namespace eventhub::filter
