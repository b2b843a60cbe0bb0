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
// filters is taken for `all`. INVALID_ARGUMENT, naming the place, if it is something else or nested
// deeper than a filter may be; whether the hub takes what it says is not checked here.
absl::StatusOr<v1::Filter> ParseFilterJson(absl::string_view json);

// What --filter takes: JSON as above, or an expression in CloudEvents SQL.
absl::StatusOr<v1::Filter> ParseFilter(absl::string_view text);

// The same in one line; members sorted.
std::string FilterJson(const v1::Filter& filter);

// As ParseFilter takes it: an expression as it is, else JSON.
std::string FilterText(const v1::Filter& filter);

}  // namespace eventhub::cli
