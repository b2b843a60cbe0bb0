#include "server/core/route/filter_results.h"

#include <xxhash.h>

namespace eventhub {

FilterResults::Key FilterResults::KeyOf(const RouteSet& set, absl::string_view event) {
  const XXH128_hash_t hash = XXH3_128bits(event.data(), event.size());
  return {&set, hash.low64, hash.high64};
}

const std::vector<uint32_t>* FilterResults::Find(const RouteSet& set,
                                                 absl::string_view event) const {
  const auto it = results_.find(KeyOf(set, event));
  return it == results_.end() ? nullptr : &it->second;
}

const std::vector<uint32_t>& FilterResults::Add(const RouteSet& set, absl::string_view event,
                                                std::vector<uint32_t> matching) {
  return results_[KeyOf(set, event)] = std::move(matching);
}

}  // namespace eventhub
