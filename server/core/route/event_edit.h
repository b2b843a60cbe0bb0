// The changes that a route makes in the events that it copies: the key and attributes.
#pragma once

#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "eventhub/v1/route.pb.h"

namespace eventhub {

// Immutable, thread-safe.
class EventEdit {
 public:
  explicit EventEdit(const v1::Route& route);

  // Whether copies are identical to their originals.
  bool nothing() const { return !sets_key_ && names_.empty(); }
  bool sets_key() const { return sets_key_; }

  // By how many bytes a copy is larger than its event, at most, unless its key is an attribute.
  size_t growth() const { return growth_; }

  // Appends the copy of a valid event as a field `events`, with tag and length. Replaced fields are
  // left out, so that no field occurs twice. Returns false, with nothing appended, if the copy
  // would exceed the number of attributes that a stored event may have.
  bool Apply(absl::string_view event, std::string* out) const;

 private:
  std::string KeyOf(absl::string_view event) const;
  bool Replaces(absl::string_view attribute_entry) const;

  const v1::PartitionKeyOverride key_;
  const bool sets_key_;
  std::vector<std::string> names_;  // The names of the attributes that are set; sorted.
  std::string attributes_;          // Encoded.
  size_t growth_ = 0;
};

}  // namespace eventhub
