#include "server/filter/type_set.h"

#include <algorithm>
#include <iterator>

namespace eventhub::filter {

TypeSet Intersect(const TypeSet& a, const TypeSet& b) {
  if (!a.has_value()) return b;
  if (!b.has_value()) return a;
  std::vector<std::string> both;
  std::set_intersection(a->begin(), a->end(), b->begin(), b->end(), std::back_inserter(both));
  return both;
}

TypeSet Unite(const TypeSet& a, const TypeSet& b) {
  if (!a.has_value() || !b.has_value()) return std::nullopt;
  std::vector<std::string> either;
  std::set_union(a->begin(), a->end(), b->begin(), b->end(), std::back_inserter(either));
  return either;
}

}  // namespace eventhub::filter
