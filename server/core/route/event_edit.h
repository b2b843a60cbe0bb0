// What a route changes in the events that it copies: their key, and attributes.
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

  // Whether copies are the same bytes.
  bool nothing() const { return !sets_key_ && names_.empty(); }
  bool sets_key() const { return sets_key_; }

  // Appends the copy of a valid event as a field `events`, with tag and length. What is replaced is
  // left out, so that no field is there twice. False, appending nothing, if the copy would have
  // more attributes than a stored event may have.
  bool Apply(absl::string_view event, std::string* out) const;

 private:
  std::string KeyOf(absl::string_view event) const;
  bool Replaces(absl::string_view attribute_entry) const;

  const v1::PartitionKeyOverride key_;
  const bool sets_key_;
  std::vector<std::string> names_;  // Of the attributes that are set; sorted.
  std::string attributes_;          // Encoded.
};

}  // namespace eventhub
