#include "client/src/base/option_checks.h"

#include "absl/strings/str_cat.h"

namespace eventhub::client {

absl::Status CheckRange(const char* option, uint64_t value, uint64_t min, uint64_t max) {
  if (value >= min && value <= max) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat(option, " must be ", min, " to ", max, ", not ", value));
}

absl::Status CheckMoreThanZero(const char* option, absl::Duration value) {
  if (value > absl::ZeroDuration()) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat(option, " must be more than 0"));
}

}  // namespace eventhub::client
