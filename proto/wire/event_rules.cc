#include "proto/wire/event_rules.h"

#include <xxhash.h>

#include <algorithm>
#include <iterator>

namespace eventhub::wire {

bool IsAttributeName(absl::string_view name) {
  return !name.empty() && std::all_of(name.begin(), name.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
  });
}

bool IsReservedName(absl::string_view name) {
  static constexpr absl::string_view kReserved[] = {
      "data",   "data_base64", "datacontenttype", "dataschema", "id",  "partitionkey",
      "source", "specversion", "subject",         "time",       "type"};
  return std::find(std::begin(kReserved), std::end(kReserved), name) != std::end(kReserved);
}

uint64_t HashOfKey(absl::string_view key) { return XXH64(key.data(), key.size(), 0); }

uint32_t PartitionOfKey(absl::string_view key, uint32_t partitions) {
  return static_cast<uint32_t>(HashOfKey(key) % partitions);
}

}  // namespace eventhub::wire
