// How much there is to parse in an encoded message.
#pragma once

#include <cstddef>

#include "absl/strings/string_view.h"
#include "google/protobuf/descriptor.h"

namespace eventhub::wire {

// The number of fields of an encoded message of this type, including those of its parts; `most` + 1
// if there are more, or they are nested too deeply to be parsed. A field of two bytes may take a
// hundred when it is parsed, so check a request of which only its size is known.
size_t CountFields(const google::protobuf::Descriptor& type, absl::string_view message,
                   size_t most);

}  // namespace eventhub::wire
