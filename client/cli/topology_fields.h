// How fields of a topology are written: what reading, writing and comparing have in common.
#pragma once

#include <string>

#include "google/protobuf/descriptor.h"

namespace eventhub::cli {

// `queue` for KIND_QUEUE.
std::string EnumWord(const google::protobuf::EnumValueDescriptor& value);

// Whether it is a number of bytes, which may be written as `10GiB`.
bool IsSize(const google::protobuf::FieldDescriptor& field);

// Whether the hub sets it, and nobody else.
bool IsSetByHub(const google::protobuf::FieldDescriptor& field);

// For messages: `a number`, `true or false`.
std::string ExpectedType(const google::protobuf::FieldDescriptor& field);

}  // namespace eventhub::cli
