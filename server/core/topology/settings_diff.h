// Comparing settings, of whatever kind they are, field by field: by reflection, so that a setting
// that is added to the contract takes part at once.
//
// A message of the contract without a oneof, such as `Retention`, is a group of settings, each of
// which has a path of its own; and such a group with nothing in it is the same as none. Any other
// field is one setting.
#pragma once

#include <vector>

#include "eventhub/v1/topology.pb.h"
#include "google/protobuf/descriptor.h"
#include "google/protobuf/message.h"

namespace eventhub {

// Removes what is not a setting: what the hub sets itself, groups with nothing in them, unknown
// fields. The functions below are for messages without these.
void KeepSettings(google::protobuf::Message& object);

// Whether a field is a group of settings.
bool IsSettingsGroup(const google::protobuf::FieldDescriptor& field);

// What a change from one to the other changes, but for the name; in the order of the fields. Both
// are of one type.
std::vector<v1::FieldChange> DiffSettings(const google::protobuf::Message& from,
                                          const google::protobuf::Message& to);

bool SameSettings(const google::protobuf::Message& a, const google::protobuf::Message& b);

}  // namespace eventhub
