#include "client/cli/input/units.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <optional>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_replace.h"
#include "proto/json/timestamp.h"

namespace eventhub::cli {
namespace {

// Removes a decimal number from the front of `text`; returns false if there is none.
bool ConsumeNumber(absl::string_view& text, double* number) {
  const size_t length = std::min(text.find_first_not_of("0123456789."), text.size());
  if (!absl::SimpleAtod(text.substr(0, length), number)) return false;
  text.remove_prefix(length);
  return true;
}

absl::StatusOr<double> BytesPerUnit(absl::string_view unit) {
  const std::string lower = absl::AsciiStrToLower(unit);
  if (lower.empty() || lower == "b") return 1;
  const size_t power = absl::string_view("kmgt").find(lower[0]);
  const absl::string_view suffix = absl::string_view(lower).substr(1);
  if (power == absl::string_view::npos) return absl::InvalidArgumentError("");
  if (suffix.empty() || suffix == "ib") return std::pow(1024.0, power + 1);
  if (suffix == "b") return std::pow(1000.0, power + 1);
  return absl::InvalidArgumentError("");
}

struct TimeUnit {
  absl::string_view name;
  absl::Duration length;
};

// Longest first, so that ages are formatted with their largest units.
const std::array<TimeUnit, 7>& TimeUnits() {
  static const std::array<TimeUnit, 7> units = {{{"w", absl::Hours(24 * 7)},
                                                 {"d", absl::Hours(24)},
                                                 {"h", absl::Hours(1)},
                                                 {"m", absl::Minutes(1)},
                                                 {"s", absl::Seconds(1)},
                                                 {"ms", absl::Milliseconds(1)},
                                                 {"us", absl::Microseconds(1)}}};
  return units;
}

std::optional<absl::Time> ParseTime(absl::string_view text) {
  if (const auto time = json::ParseTimestamp(text); time.ok()) return *time;
  absl::Time time;
  std::string error;
  if (absl::ParseTime("%E4Y-%m-%d", text, &time, &error) && json::IsTimestamp(time)) return time;
  return std::nullopt;
}

absl::Status NotATime(absl::string_view text, absl::string_view direction) {
  return absl::InvalidArgumentError(
      absl::StrCat("'", text,
                   "' is not a time; write it like 2026-01-31T12:00:00Z, 2026-01-31 or "
                   "15m (",
                   direction, ")"));
}

}  // namespace

absl::StatusOr<uint64_t> ParseBytes(absl::string_view text) {
  absl::string_view rest = text;
  double number = 0;
  if (ConsumeNumber(rest, &number)) {
    const auto unit = BytesPerUnit(absl::StripAsciiWhitespace(rest));
    // Doubles represent integers exactly up to 2^53, about 9e15: more than any disk holds.
    if (unit.ok() && number * *unit < 9e15) return static_cast<uint64_t>(number * *unit);
  }
  return absl::InvalidArgumentError(
      absl::StrCat("'", text, "' is not a size; write it like 512, 64KiB or 10GiB"));
}

std::string FormatBytes(uint64_t bytes) {
  if (bytes < 1024) return absl::StrCat(bytes, " B");
  double value = static_cast<double>(bytes);
  absl::string_view unit;
  for (const absl::string_view next : {"KiB", "MiB", "GiB", "TiB", "PiB"}) {
    value /= 1024;
    unit = next;
    if (value < 1000) break;
  }
  const int decimals = value < 10 ? 2 : value < 100 ? 1 : 0;
  return absl::StrFormat("%.*f %s", decimals, value, unit);
}

absl::StatusOr<uint64_t> ParseCount(absl::string_view text, uint64_t min, uint64_t max) {
  uint64_t count = 0;
  const std::string digits = absl::StrReplaceAll(text, {{",", ""}});
  const bool number = !digits.empty() && digits.find_first_not_of("0123456789") == digits.npos;
  if (number && absl::SimpleAtoi(digits, &count) && count >= min && count <= max) return count;
  const std::string range = max == std::numeric_limits<uint64_t>::max()
                                ? absl::StrCat(" of at least ", min)
                                : absl::StrCat(" from ", min, " to ", FormatCount(max));
  return absl::InvalidArgumentError(absl::StrCat("'", text, "' is not a number", range));
}

absl::StatusOr<absl::Duration> ParseDelay(absl::string_view text) {
  if (text == "0" || text == "0s") return absl::ZeroDuration();
  return ParseAge(text);
}

absl::StatusOr<absl::Duration> ParseAge(absl::string_view text) {
  absl::Duration age;
  absl::string_view rest = text;
  bool valid = !rest.empty();
  while (valid && !rest.empty()) {
    double number = 0;
    valid = ConsumeNumber(rest, &number);
    const size_t length = std::min(rest.find_first_of("0123456789."), rest.size());
    const auto unit = std::find_if(TimeUnits().begin(), TimeUnits().end(), [&](const TimeUnit& u) {
      return u.name == rest.substr(0, length);
    });
    valid = valid && unit != TimeUnits().end();
    if (valid) age += number * unit->length;
    rest.remove_prefix(length);
  }
  // More than 290 years in nanoseconds overflow 64 bits.
  if (valid && age > absl::ZeroDuration() && age < absl::Hours(24 * 365 * 290)) return age;
  return absl::InvalidArgumentError(
      absl::StrCat("'", text, "' is not a duration; write it like 90s, 1h30m or 7d"));
}

std::string FormatAge(absl::Duration age) {
  if (age < absl::Microseconds(1)) return "0s";
  std::string out;
  int parts = 0;
  for (const TimeUnit& unit : TimeUnits()) {
    if (unit.name == "w") continue;  // Days read better than weeks.
    const int64_t count = absl::IDivDuration(age, unit.length, &age);
    if (count > 0) absl::StrAppend(&out, count, unit.name);
    if (!out.empty() && ++parts == 2) break;
  }
  return out;
}

std::string FormatExactAge(absl::Duration age) {
  std::string out;
  for (const TimeUnit& unit : TimeUnits()) {
    if (unit.name == "w") continue;
    const int64_t count = absl::IDivDuration(age, unit.length, &age);
    if (count > 0) absl::StrAppend(&out, count, unit.name);
  }
  const int64_t rest = absl::ToInt64Nanoseconds(age);
  if (rest > 0) absl::StrAppend(&out, absl::StrFormat("0.%03dus", rest));
  return out.empty() ? "0s" : out;
}

std::string FormatExactBytes(uint64_t bytes) {
  absl::string_view unit;
  for (const absl::string_view next : {"KiB", "MiB", "GiB", "TiB"}) {
    if (bytes == 0 || bytes % 1024 != 0) break;
    bytes /= 1024;
    unit = next;
  }
  return absl::StrCat(bytes, unit);
}

std::string FormatRoughAge(absl::Duration age) {
  const bool seconds = age >= absl::Seconds(1);
  return FormatAge(absl::Trunc(age, seconds ? absl::Seconds(1) : absl::Milliseconds(1)));
}

absl::StatusOr<absl::Time> ParseMoment(absl::string_view text, absl::Time now) {
  if (const auto time = ParseTime(text); time.has_value()) return *time;
  if (const auto age = ParseAge(text); age.ok()) return now - *age;
  return NotATime(text, "ago");
}

absl::StatusOr<absl::Time> ParseFutureMoment(absl::string_view text, absl::Time now) {
  if (const auto time = ParseTime(text); time.has_value()) return *time;
  if (const auto delay = ParseAge(text); delay.ok()) return now + *delay;
  return NotATime(text, "from now");
}

std::string FormatMoment(absl::Time time) {
  std::string text;
  json::AppendTimestamp(time, &text);
  return text;
}

std::string FormatMomentWide(absl::Time time) {
  return absl::FormatTime("%E4Y-%m-%dT%H:%M:%E6SZ", time, absl::UTCTimeZone());
}

std::string FormatSecond(absl::Time time) {
  return absl::FormatTime("%E4Y-%m-%dT%H:%M:%SZ", time, absl::UTCTimeZone());
}

std::string FormatCount(uint64_t count) {
  std::string digits = absl::StrCat(count);
  for (int at = static_cast<int>(digits.size()) - 3; at > 0; at -= 3)
    digits.insert(static_cast<size_t>(at), 1, ',');
  return digits;
}

std::string CountOf(uint64_t count, absl::string_view what) {
  return absl::StrCat(FormatCount(count), " ", what, count == 1 ? "" : "s");
}

}  // namespace eventhub::cli
