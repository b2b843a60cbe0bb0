// The JSON type of the output: fields keep their order, which is that of the tables.
#pragma once

#include <nlohmann/json.hpp>

namespace eventhub::cli {

using Json = nlohmann::ordered_json;

}  // namespace eventhub::cli
