// TypeTable: the types of the events of an object, with how many there are of each.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/strings/string_view.h"
#include "server/lake/object/object.pb.h"

namespace eventhub::lake {

// Thread-compatible. Bounded: of many types, it knows some by name.
class TypeTable {
 public:
  static constexpr size_t kMaxTypes = 256;

  // Counts an event, and returns the number of its type, in the order of ObjectIndex.types; nothing
  // if there are too many types.
  std::optional<uint32_t> Count(absl::string_view type);

  void AddTo(ObjectIndex* index) const;

  // Adds the most frequent types, and counts the other events of the record.
  void AddTo(ObjectRecord* record) const;

 private:
  absl::flat_hash_map<std::string, uint32_t> numbers_;
  std::vector<std::string> names_;
  std::vector<uint64_t> events_;
  size_t name_bytes_ = 0;
};

}  // namespace eventhub::lake
