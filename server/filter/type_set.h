// The event types that a filter can match at all, so that batches without them need no look.
#pragma once

#include <optional>
#include <string>
#include <vector>

namespace eventhub::filter {

// Sorted, each once; nothing: any type.
using TypeSet = std::optional<std::vector<std::string>>;

// The types in both; what passes two filters.
TypeSet Intersect(const TypeSet& a, const TypeSet& b);

// The types in one of them; what passes either of two filters.
TypeSet Unite(const TypeSet& a, const TypeSet& b);

}  // namespace eventhub::filter
