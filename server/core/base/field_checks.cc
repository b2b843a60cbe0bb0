#include "server/core/base/field_checks.h"

#include <algorithm>
#include <cstdint>
#include <string>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "server/core/base/errors.h"

namespace eventhub {
namespace {

constexpr uint32_t kMinResponseBytes = 4096;
constexpr uint32_t kMaxResponseBytes = 4'000'000;
constexpr uint32_t kDefaultPage = 100;
constexpr uint32_t kMaxPage = 1000;

bool WellFormed(const google::protobuf::Duration& duration) {
  constexpr int64_t kMaxSeconds = 315'576'000'000;
  constexpr int32_t kMaxNanos = 999'999'999;
  const int64_t seconds = duration.seconds();
  const int32_t nanos = duration.nanos();
  const bool signs_agree = !(seconds > 0 && nanos < 0) && !(seconds < 0 && nanos > 0);
  return seconds >= -kMaxSeconds && seconds <= kMaxSeconds && nanos >= -kMaxNanos &&
         nanos <= kMaxNanos && signs_agree;
}

}  // namespace

absl::Status CheckName(absl::string_view field, absl::string_view name) {
  if (name.empty()) return InvalidField(field, "is required");
  if (name.size() > kMaxNameBytes) {
    return InvalidField(field, absl::StrCat("has more than ", kMaxNameBytes, " bytes"));
  }
  const auto valid = [](char c) {
    return absl::ascii_isalnum(static_cast<unsigned char>(c)) || c == '.' || c == '_' || c == '-';
  };
  if (!std::all_of(name.begin(), name.end(), valid) || name[0] == '.' || name[0] == '-') {
    return InvalidField(field,
                        "must consist of a-z A-Z 0-9 . _ - and start with a letter, a digit or _");
  }
  return absl::OkStatus();
}

absl::Status CheckResponseBytes(absl::string_view field, uint32_t bytes) {
  if (bytes == 0 || (bytes >= kMinResponseBytes && bytes <= kMaxResponseBytes)) {
    return absl::OkStatus();
  }
  return InvalidField(field,
                      absl::StrCat("must be ", kMinResponseBytes, " to ", kMaxResponseBytes));
}

size_t PageSize(uint32_t asked) { return asked == 0 ? kDefaultPage : std::min(asked, kMaxPage); }

absl::Status CheckDescription(absl::string_view field, absl::string_view description) {
  if (description.size() > kMaxDescriptionBytes) {
    return InvalidField(field, absl::StrCat("has more than ", kMaxDescriptionBytes, " bytes"));
  }
  return absl::OkStatus();
}

absl::Status CheckDuration(absl::string_view field, const google::protobuf::Duration& duration,
                           absl::Duration min, absl::Duration max) {
  if (!WellFormed(duration)) return InvalidField(field, "is not a valid duration");
  const absl::Duration value = ToDuration(duration);
  if (value >= min && value <= max) return absl::OkStatus();
  const std::string upper = max == absl::InfiniteDuration()
                                ? " or more"
                                : absl::StrCat(" to ", absl::FormatDuration(max));
  return InvalidField(field, absl::StrCat("must be ", absl::FormatDuration(min), upper));
}

absl::Duration ToDuration(const google::protobuf::Duration& duration) {
  return absl::Seconds(duration.seconds()) + absl::Nanoseconds(duration.nanos());
}

}  // namespace eventhub
