#include "client/cli/input/filter_json.h"

#include <nlohmann/json.hpp>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "server/filter/filter.h"
#include "storage/base/status_macros.h"

namespace eventhub::cli {
namespace {

absl::Status Problem(absl::string_view place, absl::string_view problem) {
  return absl::InvalidArgumentError(absl::StrCat(place, ": ", problem));
}

absl::Status ReadAttributes(const nlohmann::json& json, const std::string& place,
                            v1::Filter::Attributes* attributes) {
  if (!json.is_object()) return Problem(place, "is not an object");
  for (const auto& [name, value] : json.items()) {
    if (!value.is_string()) return Problem(absl::StrCat(place, ".", name), "is not a string");
    (*attributes->mutable_values())[name] = value.get<std::string>();
  }
  return absl::OkStatus();
}

absl::Status ReadFilter(const nlohmann::json& json, const std::string& place, int depth,
                        v1::Filter* filter);

absl::Status ReadFilters(const nlohmann::json& json, const std::string& place, int depth,
                         v1::Filter::Filters* filters) {
  if (!json.is_array()) return Problem(place, "is not an array");
  for (size_t i = 0; i < json.size(); ++i) {
    RETURN_IF_ERROR(
        ReadFilter(json[i], absl::StrCat(place, "[", i, "]"), depth + 1, filters->add_filters()));
  }
  return absl::OkStatus();
}

absl::Status ReadFilter(const nlohmann::json& json, const std::string& place, int depth,
                        v1::Filter* filter) {
  if (depth > kMaxFilterDepth) {
    return Problem(place, absl::StrCat("is nested deeper than ", kMaxFilterDepth));
  }
  if (json.is_array()) return ReadFilters(json, place, depth, filter->mutable_all());
  if (!json.is_object() || json.size() != 1) {
    return Problem(place, "is not an object with one dialect as its only member");
  }
  const std::string& dialect = json.begin().key();
  const nlohmann::json& value = json.begin().value();
  const std::string inner = absl::StrCat(place, ".", dialect);
  if (dialect == "exact") return ReadAttributes(value, inner, filter->mutable_exact());
  if (dialect == "prefix") return ReadAttributes(value, inner, filter->mutable_prefix());
  if (dialect == "suffix") return ReadAttributes(value, inner, filter->mutable_suffix());
  if (dialect == "all") return ReadFilters(value, inner, depth, filter->mutable_all());
  if (dialect == "any") return ReadFilters(value, inner, depth, filter->mutable_any());
  if (dialect == "not") return ReadFilter(value, inner, depth + 1, filter->mutable_negation());
  if (dialect != "sql") {
    return Problem(inner, "is no dialect; there are exact, prefix, suffix, all, any, not and sql");
  }
  if (!value.is_string()) return Problem(inner, "is not a string");
  filter->set_sql(value.get<std::string>());
  return absl::OkStatus();
}

nlohmann::json AttributesJson(const v1::Filter::Attributes& attributes) {
  nlohmann::json json = nlohmann::json::object();
  for (const auto& [name, value] : attributes.values()) json[name] = value;
  return json;
}

nlohmann::json ToJson(const v1::Filter& filter);

nlohmann::json FiltersJson(const v1::Filter::Filters& filters) {
  nlohmann::json json = nlohmann::json::array();
  for (const v1::Filter& filter : filters.filters()) json.push_back(ToJson(filter));
  return json;
}

nlohmann::json ToJson(const v1::Filter& filter) {
  switch (filter.dialect_case()) {
    case v1::Filter::kExact:
      return {{"exact", AttributesJson(filter.exact())}};
    case v1::Filter::kPrefix:
      return {{"prefix", AttributesJson(filter.prefix())}};
    case v1::Filter::kSuffix:
      return {{"suffix", AttributesJson(filter.suffix())}};
    case v1::Filter::kAll:
      return {{"all", FiltersJson(filter.all())}};
    case v1::Filter::kAny:
      return {{"any", FiltersJson(filter.any())}};
    case v1::Filter::kNegation:
      return {{"not", ToJson(filter.negation())}};
    case v1::Filter::kSql:
      return {{"sql", filter.sql()}};
    case v1::Filter::DIALECT_NOT_SET:
      break;
  }
  return nlohmann::json::object();
}

}  // namespace

absl::StatusOr<v1::Filter> ParseFilterJson(absl::string_view json) {
  const nlohmann::json parsed = nlohmann::json::parse(json, nullptr, /*allow_exceptions=*/false);
  if (parsed.is_discarded()) return Problem("filter", "is not valid JSON");
  v1::Filter filter;
  RETURN_IF_ERROR(ReadFilter(parsed, "filter", 1, &filter));
  return filter;
}

absl::StatusOr<v1::Filter> ParseFilter(absl::string_view text) {
  // No expression starts with `{` or `[`.
  const absl::string_view trimmed = absl::StripLeadingAsciiWhitespace(text);
  if (absl::StartsWith(trimmed, "{") || absl::StartsWith(trimmed, "[")) {
    return ParseFilterJson(trimmed);
  }
  v1::Filter filter;
  filter.set_sql(std::string(text));
  return filter;
}

std::string FilterJson(const v1::Filter& filter) {
  return ToJson(filter).dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

std::string FilterText(const v1::Filter& filter) {
  return filter.has_sql() ? filter.sql() : FilterJson(filter);
}

}  // namespace eventhub::cli
