// Parses and formats sizes, durations, times and counts: `10GiB`, `7d`, `15m`,
// `2026-01-31T12:00:00Z`, `1,234,567`.
#pragma once

#include <cstdint>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"

namespace eventhub::cli {

// A number of bytes: `4096`, `1.5MiB`, `10G`. k, M, G and T, with or without `iB`, are powers of
// 1,024; `kB`, `MB`, `GB` and `TB` are powers of 1,000. INVALID_ARGUMENT for anything else.
absl::StatusOr<uint64_t> ParseBytes(absl::string_view text);

// With three significant digits: `512 B`, `1.46 GiB`.
std::string FormatBytes(uint64_t bytes);

// A whole number from `min` to `max`, commas allowed: `1,000`. INVALID_ARGUMENT for anything else.
absl::StatusOr<uint64_t> ParseCount(absl::string_view text, uint64_t min, uint64_t max);

// A positive duration: `90s`, `1h30m`, `7d`, `2w`, `250ms`. INVALID_ARGUMENT for anything else.
absl::StatusOr<absl::Duration> ParseAge(absl::string_view text);

// Like ParseAge, but also accepts `0`.
absl::StatusOr<absl::Duration> ParseDelay(absl::string_view text);

// The two largest units that are not zero: `7d`, `1h30m`, `250ms`.
std::string FormatAge(absl::Duration age);

// All units that are not zero, so that ParseAge returns the same age: `1d2h3m4s`.
std::string FormatExactAge(absl::Duration age);

// The largest unit that divides the number, so that ParseBytes returns the same number: `10GiB`,
// `1000`.
std::string FormatExactBytes(uint64_t bytes);

// As FormatAge, of an age that was measured: nothing below a second, or below a millisecond.
std::string FormatRoughAge(absl::Duration age);

// A time: RFC 3339 (`2026-01-31T12:00:00Z`), a UTC date (`2026-01-31`), or a duration back from
// `now` (`15m`). INVALID_ARGUMENT for anything else.
absl::StatusOr<absl::Time> ParseMoment(absl::string_view text, absl::Time now);

// The same, but a duration counts forward from `now` (`15m`).
absl::StatusOr<absl::Time> ParseFutureMoment(absl::string_view text, absl::Time now);

// RFC 3339 in UTC, with a fraction of the second if it is not zero.
std::string FormatMoment(absl::Time time);

// The same with a fixed width: to the microsecond, or to the second.
std::string FormatMomentWide(absl::Time time);
std::string FormatSecond(absl::Time time);

// With thousands separators: `1,234,567`.
std::string FormatCount(uint64_t count);

// A count and a noun with a regular plural: `1 event`, `1,234 events`.
std::string CountOf(uint64_t count, absl::string_view what);

}  // namespace eventhub::cli
