// An event as environment variables of a command.
#pragma once

#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "eventhub/v1/event.pb.h"
#include "proto/json/event_json.h"

namespace eventhub::cli {

// The environment of this process, without what begins with EVENTHUB_, and with what does not
// depend on the event: EVENTHUB_ADDRESS, so that `eventhub` finds the same hub, and
// EVENTHUB_SUBSCRIPTION.
std::vector<std::string> BaseEnvironment(const std::string& address,
                                         const std::string& subscription);

// Appends, as `NAME=value`:
//
//   EVENTHUB_ID  _SOURCE  _TYPE  _SUBJECT  _TIME  _KEY  _CONTENT_TYPE  _SCHEMA
//   EVENTHUB_PARTITION  _OFFSET  _APPEND_TIME  _ATTEMPT
//   EVENTHUB_REDELIVERED  _REPLAYED   true or false
//   EVENTHUB_ATTR_<NAME>   an extension attribute, its name in capitals
//
// All but those of extension attributes are always set. A value ends at its first NUL, if it has
// one, for the system knows no other strings.
void AppendEventEnvironment(const v1::Event& event, const json::Position& position,
                            std::vector<std::string>* environment);

}  // namespace eventhub::cli
