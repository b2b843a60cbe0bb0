// Compares settings of any kind field by field, by reflection, so that a setting added to the
// contract takes part at once.
//
// A message of the contract without a oneof, such as `Retention`, is a group of settings, each with
// a path of its own. In complete settings an empty group equals an absent one; in what is asked for
// it may mean a group with all its defaults. Any other field is one setting.
#pragma once

#include <vector>

#include "eventhub/v1/topology.pb.h"
#include "google/protobuf/descriptor.h"
#include "google/protobuf/message.h"

namespace eventhub {

// Removes all that is not a setting: fields that the hub sets itself, empty groups, unknown fields.
// Messages to compare are complete or as small as possible, see LeastSettings, and without these.
void KeepSettings(google::protobuf::Message& object);

// Whether a field is a group of settings.
bool IsSettingsGroup(const google::protobuf::FieldDescriptor& field);

// Returns the fields that differ between `from` and `to`, except the name, in field order. Both
// have the same type.
std::vector<v1::FieldChange> DiffSettings(const google::protobuf::Message& from,
                                          const google::protobuf::Message& to);

bool SameSettings(const google::protobuf::Message& a, const google::protobuf::Message& b);

}  // namespace eventhub
