// The attributes that a filter reads, each in its own slot.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"

namespace eventhub {
class EventView;
}  // namespace eventhub

namespace eventhub::filter {

// Names by CloudEvents: `id`, `source`, `type`, `subject`, `time`, `specversion`,
// `datacontenttype`, `dataschema`, `partitionkey`; all other names are extension attributes.
// Thread-compatible.
class AttributeSet {
 public:
  AttributeSet() { slot_of_field_.fill(kNone); }

  // Returns the attribute's slot, adding one if necessary. Slots count from 0.
  uint32_t Add(absl::string_view name);

  const std::vector<std::string>& names() const { return names_; }
  size_t size() const { return names_.size(); }
  const std::string& name(uint32_t slot) const { return names_[slot]; }

 private:
  friend class eventhub::EventView;
  static constexpr int32_t kNone = -1;
  static constexpr size_t kFields = 9;  // Event's fields 1 to 8 are attributes.

  std::vector<std::string> names_;
  std::array<int32_t, kFields> slot_of_field_;
  int32_t spec_version_ = kNone;
  std::vector<uint32_t> extensions_;  // The slots of extension attributes.
};

}  // namespace eventhub::filter
