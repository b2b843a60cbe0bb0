#include "server/filter/casts.h"

#include <algorithm>
#include <charconv>
#include <cstdio>
#include <iterator>

#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/time/civil_time.h"
#include "absl/time/time.h"

namespace eventhub::filter {
namespace {

bool Copy(absl::string_view text, Scratch& scratch, absl::string_view* copy) {
  char* const bytes = scratch.Allocate(text.size());
  if (bytes == nullptr) return false;
  std::copy(text.begin(), text.end(), bytes);
  *copy = absl::string_view(bytes, text.size());
  return true;
}

// 2026-01-31T12:00:00Z, with as many fractional digits as needed.
bool TimestampText(const Value& value, Scratch& scratch, absl::string_view* text) {
  const absl::CivilSecond civil =
      absl::ToCivilSecond(absl::FromUnixSeconds(value.seconds()), absl::UTCTimeZone());
  char buffer[64];
  int size = std::snprintf(buffer, sizeof(buffer), "%04lld-%02d-%02dT%02d:%02d:%02d",
                           static_cast<long long>(civil.year()), civil.month(), civil.day(),
                           civil.hour(), civil.minute(), civil.second());
  if (value.nanos() > 0 && value.nanos() < 1'000'000'000) {
    size += std::snprintf(buffer + size, sizeof(buffer) - static_cast<size_t>(size), ".%09d",
                          value.nanos());
    while (buffer[size - 1] == '0') --size;
  }
  buffer[size++] = 'Z';
  return Copy(absl::string_view(buffer, static_cast<size_t>(size)), scratch, text);
}

}  // namespace

bool ToInteger(const Value& value, int32_t* integer) {
  if (value.type() != ValueType::kString) {
    *integer = value.integer();  // A boolean is 1 or 0.
    return true;
  }
  const absl::string_view text = value.text();
  // The library would also accept white space around the number.
  if (text.empty() || absl::ascii_isspace(static_cast<unsigned char>(text.front())) ||
      absl::ascii_isspace(static_cast<unsigned char>(text.back()))) {
    return false;
  }
  return absl::SimpleAtoi(text, integer);
}

bool ToBoolean(const Value& value, bool* boolean) {
  if (value.type() != ValueType::kString) {
    *boolean = value.integer() != 0;
    return true;
  }
  *boolean = absl::EqualsIgnoreCase(value.text(), "true");
  return *boolean || absl::EqualsIgnoreCase(value.text(), "false");
}

bool ToText(const Value& value, Scratch& scratch, absl::string_view* text) {
  switch (value.type()) {
    case ValueType::kMissing:
      break;
    case ValueType::kBoolean:
      *text = value.boolean() ? "true" : "false";
      return true;
    case ValueType::kInteger: {
      char digits[16];
      const char* const end = std::to_chars(digits, std::end(digits), value.integer()).ptr;
      return Copy(absl::string_view(digits, static_cast<size_t>(end - digits)), scratch, text);
    }
    case ValueType::kString:
      *text = value.text();
      return true;
    case ValueType::kBinary:
      return Copy(absl::Base64Escape(value.text()), scratch, text);
    case ValueType::kTimestamp:
      return TimestampText(value, scratch, text);
  }
  *text = absl::string_view();
  return true;
}

}  // namespace eventhub::filter
