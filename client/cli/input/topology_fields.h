// How fields of a topology are written: what reading, writing and comparing have in common.
#pragma once

#include <string>

#include "absl/strings/string_view.h"
#include "google/protobuf/descriptor.h"

namespace eventhub::cli {

// `queue` for KIND_QUEUE.
std::string EnumWord(const google::protobuf::EnumValueDescriptor& value);

// Whether it is a number of bytes, which may be written as `10GiB`.
bool IsSize(const google::protobuf::FieldDescriptor& field);

// Whether the hub sets it, and nobody else.
bool IsSetByHub(const google::protobuf::FieldDescriptor& field);

// The setting that a path leads to, e.g. `retention.max_age` of a `topic`; null if this command
// line does not know it.
const google::protobuf::FieldDescriptor* FindSetting(absl::string_view kind,
                                                     absl::string_view path);

// For messages: `a number`, `true or false`.
std::string ExpectedType(const google::protobuf::FieldDescriptor& field);

}  // namespace eventhub::cli
