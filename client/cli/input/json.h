// JSON as the command line writes it: the fields in the order of the tables.
#pragma once

#include <nlohmann/json.hpp>

namespace eventhub::cli {

using Json = nlohmann::ordered_json;

}  // namespace eventhub::cli
