#include "server/lake/object/object_plan.h"

#include <xxhash.h>

#include <string>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "server/lake/store/little_endian.h"
#include "server/lake/store/object_store.h"

namespace eventhub::lake {
namespace {

constexpr absl::string_view kSuffix = ".ndjson.zst";
constexpr size_t kSequenceDigits = 20;
constexpr size_t kHashDigits = 16;

// The years 1970 to 9999: those whose names sort as their hours do.
constexpr int64_t kMaxHour = int64_t{70'389'527};

absl::Status BadPlan(absl::string_view why) {
  return absl::InvalidArgumentError(absl::StrCat("the plan of an object ", why));
}

// A decimal or hexadecimal number with exactly `digits` lower-case digits.
template <typename Parse>
bool ParseDigits(absl::string_view text, size_t digits, absl::string_view alphabet,
                 const Parse& parse) {
  return text.size() == digits && text.find_first_not_of(alphabet) == absl::string_view::npos &&
         parse(text);
}

bool ParseHour(absl::string_view date, absl::string_view hour, int64_t* number) {
  absl::Time time;
  std::string error;
  if (date.size() != 10 || hour.size() != 2) return false;
  if (!absl::ParseTime("%Y-%m-%d %H", absl::StrCat(date, " ", hour), &time, &error)) return false;
  *number = HourOf(time);
  return *number >= 0 && *number <= kMaxHour;
}

}  // namespace

int64_t HourOf(absl::Time append_time) {
  constexpr int64_t kSecondsOfHour = 3600;
  const int64_t seconds = absl::ToUnixSeconds(append_time);  // Rounded down, as the hour is.
  const int64_t hour = seconds / kSecondsOfHour;
  return hour * kSecondsOfHour > seconds ? hour - 1 : hour;
}

absl::Time HourStart(int64_t hour) { return absl::UnixEpoch() + absl::Hours(hour); }

absl::Status CheckPlan(const ObjectPlan& plan) {
  if (plan.topic.identity.hub.empty()) return BadPlan("names no hub");
  if (plan.sequence == 0) return BadPlan("has the sequence 0");
  if (plan.hour < 0 || plan.hour > kMaxHour) return BadPlan("is not of the years 1970 to 9999");
  if (plan.ranges.empty()) return BadPlan("has no ranges");
  for (size_t i = 0; i < plan.ranges.size(); ++i) {
    const PlannedRange& range = plan.ranges[i];
    if (range.begin < 0 || range.begin >= range.end) {
      return BadPlan(absl::StrCat("has an empty range of partition ", range.partition));
    }
    if (i > 0 && plan.ranges[i - 1].partition >= range.partition) {
      return BadPlan("is not ordered by partition");
    }
  }
  return CheckObjectName(ObjectName(plan));
}

uint64_t HashOfPlan(const ObjectPlan& plan) {
  std::string bytes = plan.topic.identity.hub;
  bytes.push_back('\0');
  AppendLittleEndian(plan.topic.identity.id, &bytes);
  for (const PlannedRange& range : plan.ranges) {
    AppendLittleEndian(range.partition, &bytes);
    AppendLittleEndian(range.begin, &bytes);
    AppendLittleEndian(range.end, &bytes);
  }
  return XXH64(bytes.data(), bytes.size(), 0);
}

std::string HourDirectory(absl::string_view directory, int64_t hour) {
  return absl::StrCat(
      directory, "/",
      absl::FormatTime("date=%Y-%m-%d/hour=%H/", HourStart(hour), absl::UTCTimeZone()));
}

std::string ObjectName(absl::string_view directory, int64_t hour, uint64_t sequence,
                       uint64_t hash) {
  return absl::StrFormat("%s%020d-%016x%s", HourDirectory(directory, hour), sequence, hash,
                         kSuffix);
}

std::string ObjectName(const ObjectPlan& plan) {
  return ObjectName(plan.topic.directory, plan.hour, plan.sequence, HashOfPlan(plan));
}

std::string ObjectName(const LakeTopic& topic, const ObjectRecord& object) {
  return ObjectName(topic.directory, object.hour(), object.sequence(), object.hash());
}

std::optional<ObjectNameParts> ParseObjectName(absl::string_view name) {
  if (!absl::ConsumeSuffix(&name, kSuffix)) return std::nullopt;
  std::vector<absl::string_view> segments = absl::StrSplit(name, '/');
  if (segments.size() < 4) return std::nullopt;
  const absl::string_view file = segments.back();
  absl::string_view hour = segments[segments.size() - 2];
  absl::string_view date = segments[segments.size() - 3];
  ObjectNameParts parts;
  if (!absl::ConsumePrefix(&date, "date=") || !absl::ConsumePrefix(&hour, "hour=") ||
      !ParseHour(date, hour, &parts.hour)) {
    return std::nullopt;
  }
  const std::vector<absl::string_view> numbers = absl::StrSplit(file, '-');
  if (numbers.size() != 2) return std::nullopt;
  const bool valid =
      ParseDigits(
          numbers[0], kSequenceDigits, "0123456789",
          [&parts](absl::string_view text) { return absl::SimpleAtoi(text, &parts.sequence); }) &&
      ParseDigits(numbers[1], kHashDigits, "0123456789abcdef", [&parts](absl::string_view text) {
        return absl::SimpleHexAtoi(text, &parts.hash);
      });
  if (!valid) return std::nullopt;
  segments.resize(segments.size() - 3);
  parts.directory = absl::StrJoin(segments, "/");
  return parts;
}

}  // namespace eventhub::lake
