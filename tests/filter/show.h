// Attributes in a form that can be compared and printed.
#pragma once

#include <string>

#include "eventhub/v1/event.pb.h"
#include "server/filter/value.h"

namespace eventhub {

// As EventView sees it.
std::string Show(const filter::Value& value);

// The attribute of a parsed event, by the same name as EventView would have it.
std::string ShowAttribute(const v1::Event& event, const std::string& name);

}  // namespace eventhub
