// Passes an event to a command in environment variables.
#pragma once

#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "eventhub/v1/event.pb.h"
#include "proto/json/event_json.h"

namespace eventhub::cli {

// Returns the environment of this process for a command, with EVENTHUB_ADDRESS, so that `eventhub`
// reaches the same hub, and EVENTHUB_SUBSCRIPTION. Keeps EVENTHUB_ variables that are settings, and
// drops all others, which describe another event.
std::vector<std::string> BaseEnvironment(const std::string& address,
                                         const std::string& subscription);

// Appends, as `NAME=value`:
//
//   EVENTHUB_ID  _SOURCE  _TYPE  _SUBJECT  _TIME  _KEY  _CONTENT_TYPE  _SCHEMA
//   EVENTHUB_PARTITION  _OFFSET  _APPEND_TIME  _ATTEMPT
//   EVENTHUB_REDELIVERED  _REPLAYED   true or false
//   EVENTHUB_ATTR_<NAME>   an extension attribute, its name in capitals
//
// All except those of extension attributes are always set. A value ends at its first NUL, because
// environment variables cannot contain one.
void AppendEventEnvironment(const v1::Event& event, const json::Position& position,
                            std::vector<std::string>* environment);

}  // namespace eventhub::cli
