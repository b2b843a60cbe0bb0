#include "server/lake/store/object_store.h"

#include <algorithm>

#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"

namespace eventhub::lake {

StoreFault FaultOf(const absl::Status& status) {
  switch (status.code()) {
    case absl::StatusCode::kOk:
      return StoreFault::kNone;
    case absl::StatusCode::kUnavailable:
    case absl::StatusCode::kResourceExhausted:
    case absl::StatusCode::kDeadlineExceeded:
      return StoreFault::kRetryable;
    case absl::StatusCode::kUnknown:
      return StoreFault::kAmbiguous;
    default:
      return StoreFault::kPermanent;
  }
}

absl::Status CheckObjectName(absl::string_view name) {
  constexpr size_t kMaxName = 1024;
  constexpr size_t kMaxSegment = 255;
  const auto bad = [name](absl::string_view why) {
    return absl::InvalidArgumentError(
        absl::StrCat("object name '", absl::CHexEscape(name.substr(0, kMaxName)), "' ", why));
  };
  if (name.size() > kMaxName) return bad("is longer than 1024 bytes");
  const auto control = [](char c) { return static_cast<unsigned char>(c) < ' ' || c == '\x7f'; };
  if (std::any_of(name.begin(), name.end(), control)) return bad("has control characters");
  for (const absl::string_view segment : absl::StrSplit(name, '/')) {
    if (segment.empty()) return bad("has an empty segment");
    if (segment.size() > kMaxSegment) return bad("has a segment of more than 255 bytes");
    if (segment == "." || segment == ".." || absl::StartsWith(segment, ".tmp")) {
      return bad("has a segment that is not allowed");
    }
  }
  return absl::OkStatus();
}

}  // namespace eventhub::lake
