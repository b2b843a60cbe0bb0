#include "proto/json/timestamp.h"

#include <algorithm>
#include <cstdint>

#include "absl/strings/str_cat.h"
#include "absl/time/civil_time.h"

namespace eventhub::json {
namespace {

constexpr int64_t kSecondsOfDay = 24 * 60 * 60;

// The library takes more digits of a fraction than it keeps.
bool HasDigitsBelowNanoseconds(absl::string_view rfc3339) {
  const size_t point = std::min(rfc3339.find('.'), rfc3339.size() - 1);
  const size_t end = std::min(rfc3339.find_first_not_of("0123456789", point + 1), rfc3339.size());
  return end - point - 1 > 9;
}

// Writes `number` with `digits` digits; returns the end.
char* WriteDigits(int64_t number, int digits, char* to) {
  for (int i = digits - 1; i >= 0; --i) {
    to[i] = static_cast<char>('0' + number % 10);
    number /= 10;
  }
  return to + digits;
}

// Reads `digits` digits and what comes after them.
bool TakeDigits(absl::string_view* text, size_t digits, char after, int64_t* number) {
  if (text->size() <= digits || (*text)[digits] != after) return false;
  *number = 0;
  for (size_t i = 0; i < digits; ++i) {
    const char c = (*text)[i];
    if (c < '0' || c > '9') return false;
    *number = *number * 10 + (c - '0');
  }
  text->remove_prefix(digits + 1);
  return true;
}

}  // namespace

bool IsTimestamp(absl::Time time) {
  static const absl::Time begin = absl::FromCivil(absl::CivilSecond(1), absl::UTCTimeZone());
  static const absl::Time end = absl::FromCivil(absl::CivilSecond(10'000), absl::UTCTimeZone());
  return time >= begin && time < end;
}

void AppendTimestamp(absl::Time time, std::string* to) {
  if (!IsTimestamp(time)) {
    return absl::StrAppend(to,
                           absl::FormatTime("%E4Y-%m-%dT%H:%M:%E*SZ", time, absl::UTCTimeZone()));
  }
  // Not by absl::FormatTime, which takes ten times as long: there is one for each event.
  const int64_t seconds = absl::ToUnixSeconds(time);  // Rounded down.
  int64_t nanos = absl::ToInt64Nanoseconds(time - absl::FromUnixSeconds(seconds));
  int64_t second = seconds % kSecondsOfDay;
  if (second < 0) second += kSecondsOfDay;
  const absl::CivilDay day = absl::CivilDay() + (seconds - second) / kSecondsOfDay;
  char text[sizeof("0001-01-01T00:00:00.000000001Z")];
  char* at = WriteDigits(day.year(), 4, text);
  *at++ = '-';
  at = WriteDigits(day.month(), 2, at);
  *at++ = '-';
  at = WriteDigits(day.day(), 2, at);
  *at++ = 'T';
  at = WriteDigits(second / 3600, 2, at);
  *at++ = ':';
  at = WriteDigits(second / 60 % 60, 2, at);
  *at++ = ':';
  at = WriteDigits(second % 60, 2, at);
  if (nanos != 0) {
    int digits = 9;
    for (; nanos % 10 == 0; nanos /= 10) --digits;
    *at++ = '.';
    at = WriteDigits(nanos, digits, at);
  }
  *at++ = 'Z';
  to->append(text, static_cast<size_t>(at - text));
}

absl::StatusOr<absl::Time> ParseTimestamp(absl::string_view text) {
  absl::Time time;
  std::string error;
  if (!absl::ParseTime("%E4Y-%m-%d%ET%H:%M:%E*S%Ez", text, &time, &error)) {
    return absl::InvalidArgumentError("not an RFC 3339 timestamp");
  }
  if (!IsTimestamp(time)) return absl::InvalidArgumentError("not within the years 1 to 9999");
  if (HasDigitsBelowNanoseconds(text)) {
    return absl::InvalidArgumentError("more precise than a nanosecond");
  }
  return time;
}

bool ParseWrittenTimestamp(absl::string_view text, int64_t* seconds, int32_t* nanos) {
  int64_t year, month, day, hour, minute;
  if (!TakeDigits(&text, 4, '-', &year) || !TakeDigits(&text, 2, '-', &month) ||
      !TakeDigits(&text, 2, 'T', &day) || !TakeDigits(&text, 2, ':', &hour) ||
      !TakeDigits(&text, 2, ':', &minute)) {
    return false;
  }
  int64_t second = 0;
  int64_t fraction = 0;
  if (!TakeDigits(&text, 2, 'Z', &second)) {
    if (!TakeDigits(&text, 2, '.', &second)) return false;
    const size_t digits = text.find('Z');
    if (digits > 9 || digits == 0 || !TakeDigits(&text, digits, 'Z', &fraction)) return false;
    for (size_t i = digits; i < 9; ++i) fraction *= 10;
  }
  const absl::CivilDay date(year, month, day);
  if (!text.empty() || year == 0 || date.month() != month || date.day() != day || hour > 23 ||
      minute > 59 || second > 59) {
    return false;
  }
  const int64_t days = date - absl::CivilDay();
  *seconds = ((days * 24 + hour) * 60 + minute) * 60 + second;
  *nanos = static_cast<int32_t>(fraction);
  return true;
}

google::protobuf::Timestamp ToTimestamp(absl::Time time) {
  google::protobuf::Timestamp timestamp;
  const int64_t seconds = absl::ToUnixSeconds(time);
  timestamp.set_seconds(seconds);
  timestamp.set_nanos(
      static_cast<int32_t>(absl::ToInt64Nanoseconds(time - absl::FromUnixSeconds(seconds))));
  return timestamp;
}

absl::Time FromTimestamp(const google::protobuf::Timestamp& timestamp) {
  return absl::FromUnixSeconds(timestamp.seconds()) + absl::Nanoseconds(timestamp.nanos());
}

}  // namespace eventhub::json
