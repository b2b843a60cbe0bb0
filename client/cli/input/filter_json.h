// Filters in JSON, as the CloudEvents Subscriptions API writes them.
//
//     {"all": [{"exact": {"type": "shop.order.placed"}}, {"not": {"sql": "EXISTS test"}}]}
#pragma once

#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "eventhub/v1/filter.pb.h"

namespace eventhub::cli {

// Reads an object with one member, whose name is the dialect: `exact`, `prefix`, `suffix` (objects
// of strings), `all`, `any` (arrays of filters), `not` (a filter) or `sql` (a string). An array of
// filters means `all`. INVALID_ARGUMENT, naming the place, if the text is something else or is
// nested deeper than a filter may be. Does not check whether the hub accepts the filter.
absl::StatusOr<v1::Filter> ParseFilterJson(absl::string_view json);

// Parses the value of --filter: JSON as above, or an expression in CloudEvents SQL.
absl::StatusOr<v1::Filter> ParseFilter(absl::string_view text);

// Formats a filter as JSON on one line, with sorted members.
std::string FilterJson(const v1::Filter& filter);

// Formats a filter for ParseFilter: an expression unchanged, any other filter as JSON.
std::string FilterText(const v1::Filter& filter);

}  // namespace eventhub::cli
