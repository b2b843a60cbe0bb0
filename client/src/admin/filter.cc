#include "eventhub/filter.h"

namespace eventhub::client {
namespace {

void Set(const Filter::Attributes& attributes, v1::Filter::Attributes& proto) {
  for (const auto& [name, value] : attributes) (*proto.mutable_values())[name] = value;
}

void Set(const std::vector<Filter>& filters, v1::Filter::Filters& proto) {
  for (const Filter& filter : filters) *proto.add_filters() = filter.proto();
}

}  // namespace

Filter Filter::Exact(const Attributes& attributes) {
  v1::Filter proto;
  Set(attributes, *proto.mutable_exact());
  return Filter(std::move(proto));
}

Filter Filter::Prefix(const Attributes& attributes) {
  v1::Filter proto;
  Set(attributes, *proto.mutable_prefix());
  return Filter(std::move(proto));
}

Filter Filter::Suffix(const Attributes& attributes) {
  v1::Filter proto;
  Set(attributes, *proto.mutable_suffix());
  return Filter(std::move(proto));
}

Filter Filter::All(const std::vector<Filter>& filters) {
  v1::Filter proto;
  Set(filters, *proto.mutable_all());
  return Filter(std::move(proto));
}

Filter Filter::Any(const std::vector<Filter>& filters) {
  v1::Filter proto;
  Set(filters, *proto.mutable_any());
  return Filter(std::move(proto));
}

Filter Filter::Not(const Filter& filter) {
  v1::Filter proto;
  *proto.mutable_negation() = filter.proto();
  return Filter(std::move(proto));
}

Filter Filter::Sql(std::string expression) {
  v1::Filter proto;
  proto.set_sql(std::move(expression));
  return Filter(std::move(proto));
}

}  // namespace eventhub::client
