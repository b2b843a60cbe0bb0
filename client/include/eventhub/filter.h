// Filters: which events a reader, a subscription, a route or a link gets. The rules are those of
// eventhub/v1/filter.proto.
#pragma once

#include <map>
#include <string>
#include <utility>
#include <vector>

#include "eventhub/v1/filter.pb.h"

namespace eventhub::client {

// A condition on the attributes of an event, in one of the dialects of the CloudEvents
// Subscriptions API. A value; the hub validates it when it is used.
//
// Example: orders and payments, except tests
//
//     const Filter filter = Filter::All({
//         Filter::Any({Filter::Prefix({{"type", "shop.order."}}),
//                      Filter::Exact({{"type", "shop.payment.made"}})}),
//         Filter::Not(Filter::Sql("EXISTS test")),
//     });
class Filter {
 public:
  // Attribute values by name; all of them must match.
  using Attributes = std::map<std::string, std::string>;

  static Filter Exact(const Attributes& attributes);
  static Filter Prefix(const Attributes& attributes);
  static Filter Suffix(const Attributes& attributes);
  static Filter All(const std::vector<Filter>& filters);
  static Filter Any(const std::vector<Filter>& filters);
  static Filter Not(const Filter& filter);
  // An expression in CloudEvents SQL, e.g. "type LIKE 'shop.%' AND hops < 5".
  static Filter Sql(std::string expression);

  explicit Filter(v1::Filter proto) : proto_(std::move(proto)) {}
  const v1::Filter& proto() const { return proto_; }

 private:
  v1::Filter proto_;
};

}  // namespace eventhub::client
