// What filters of routes decided, to plan a part of the same events without running them again.
#pragma once

#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/strings/string_view.h"

namespace eventhub {

class RouteSet;

// The entries of a set whose filters, of those that had to be run, match an event. The events are
// known by a hash of their bytes. Thread-compatible.
class FilterResults {
 public:
  // The memory of one result.
  static constexpr size_t kBytes = 96;

  // Null: the filters of the set were not run on the event. Valid until the next Add.
  const std::vector<uint32_t>* Find(const RouteSet& set, absl::string_view event) const;
  // The set must live as long as this object is used. The result is valid like that of Find.
  const std::vector<uint32_t>& Add(const RouteSet& set, absl::string_view event,
                                   std::vector<uint32_t> matching);

  size_t bytes() const { return results_.size() * kBytes; }

 private:
  struct Key {
    const RouteSet* set;
    uint64_t low;
    uint64_t high;

    bool operator==(const Key&) const = default;
    template <typename H>
    friend H AbslHashValue(H state, const Key& key) {
      return H::combine(std::move(state), key.set, key.low);
    }
  };

  static Key KeyOf(const RouteSet& set, absl::string_view event);

  absl::flat_hash_map<Key, std::vector<uint32_t>> results_;
};

}  // namespace eventhub
