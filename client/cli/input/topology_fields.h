// How the fields of a topology are written in files; shared by reading, writing and comparing.
#pragma once

#include <string>

#include "absl/strings/string_view.h"
#include "eventhub/v1/hub.pb.h"
#include "google/protobuf/descriptor.h"

namespace eventhub::cli {

// Returns `queue` for KIND_QUEUE.
std::string EnumWord(const google::protobuf::EnumValueDescriptor& value);

// Returns `earliest`, `500`, or `2026-01-31T12:00:00Z`.
std::string StartWord(const v1::StartPosition& start);

// Whether the field is a number of bytes, which may be written as `10GiB`.
bool IsSize(const google::protobuf::FieldDescriptor& field);

// Whether only the hub sets the field.
bool IsSetByHub(const google::protobuf::FieldDescriptor& field);

// Returns the field at a path, e.g. `retention.max_age` of a `topic`; null if it is unknown to this
// version of the CLI.
const google::protobuf::FieldDescriptor* FindSetting(absl::string_view kind,
                                                     absl::string_view path);

// Describes the expected value in messages: `a number`, `true or false`.
std::string ExpectedType(const google::protobuf::FieldDescriptor& field);

}  // namespace eventhub::cli
