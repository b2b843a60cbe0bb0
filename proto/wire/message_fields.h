// How much there is to parse in an encoded message.
#pragma once

#include <cstddef>
#include <optional>

#include "absl/strings/string_view.h"
#include "google/protobuf/descriptor.h"

namespace eventhub::wire {

// What an encoded message has.
struct MessageFields {
  // The number of fields, including those of its parts and the numbers in packed fields.
  size_t count = 0;
  // Those that the type does not have.
  size_t unknown = 0;
  // The memory that they take in the parsed message: an estimate, rather too much than too little.
  size_t parsed_bytes = 0;
};

// Counts the fields of an encoded message of this type. A field of two bytes may take a hundred
// when it is parsed, so count before you parse a request of which only the size is known.
//
// Stops when there are more than `most`; then `count` is larger than `most`, and the rest is
// meaningless. nullopt: protobuf cannot parse the message, or it has groups, which are not part of
// proto3.
std::optional<MessageFields> CountFields(const google::protobuf::Descriptor& type,
                                         absl::string_view message, size_t most);

}  // namespace eventhub::wire
