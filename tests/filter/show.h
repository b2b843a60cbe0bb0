// Formats attributes for comparison and output.
#pragma once

#include <string>

#include "eventhub/v1/event.pb.h"
#include "server/filter/value.h"

namespace eventhub {

// Formats a value that EventView read.
std::string Show(const filter::Value& value);

// Formats an attribute of a parsed event as Show would format the value that EventView reads.
std::string ShowAttribute(const v1::Event& event, const std::string& name);

}  // namespace eventhub
