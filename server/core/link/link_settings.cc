#include "server/core/link/link_settings.h"

#include <cstdint>
#include <string>

#include "absl/algorithm/container.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "google/protobuf/util/field_mask_util.h"
#include "google/protobuf/util/time_util.h"
#include "server/core/base/errors.h"
#include "server/core/base/field_checks.h"
#include "server/core/base/timestamps.h"
#include "server/core/link/hub_path.h"
#include "server/filter/filter.h"
#include "storage/base/status_macros.h"

namespace eventhub {
namespace {

constexpr size_t kMaxAddressBytes = 512;
constexpr absl::string_view kUnixScheme = "unix:";
constexpr absl::string_view kChangeableOfLinks[] = {"remote_address", "filter", "disabled",
                                                    "description", "tls"};

absl::Status CheckAddress(const std::string& address) {
  constexpr absl::string_view kField = "link.remote_address";
  if (address.empty()) return InvalidField(kField, "is required");
  if (address.size() > kMaxAddressBytes) return InvalidField(kField, "has more than 512 bytes");
  if (absl::c_any_of(address, [](char c) { return c <= ' ' || c >= 0x7f; })) {
    return InvalidField(kField, "has a character that is invalid in an address");
  }
  if (absl::StartsWith(address, kUnixScheme)) {
    return address.size() > kUnixScheme.size() ? absl::OkStatus()
                                               : InvalidField(kField, "has no path after unix:");
  }
  const size_t colon = address.rfind(':');
  uint32_t port = 0;
  // An address with a slash is a URL.
  if (colon == std::string::npos || colon == 0 || absl::StrContains(address, '/') ||
      !absl::SimpleAtoi(address.substr(colon + 1), &port) || port == 0 || port > UINT16_MAX) {
    return InvalidField(kField, absl::StrCat("is ", address, ", not HOST:PORT or unix:PATH"));
  }
  return absl::OkStatus();
}

absl::Status CheckRequiredName(absl::string_view field, absl::string_view name) {
  return name.empty() ? InvalidField(field, "is required") : CheckName(field, name);
}

absl::Status CheckStart(const v1::StartPosition& start) {
  if (start.has_offset() && start.offset() < 0) {
    return InvalidField("link.start.offset", "is negative");
  }
  using google::protobuf::util::TimeUtil;
  const google::protobuf::Timestamp& time = start.timestamp();
  if (time.seconds() < TimeUtil::kTimestampMinSeconds ||
      time.seconds() > TimeUtil::kTimestampMaxSeconds || time.nanos() < 0 ||
      time.nanos() > 999'999'999) {
    return InvalidField("link.start.timestamp", "is out of the range of a timestamp");
  }
  return absl::OkStatus();
}

absl::Status CheckFilter(const v1::Filter& filter) {
  const absl::StatusOr<CompiledFilter> own = CompileFilter(filter, "link.filter");
  if (!own.ok()) return InvalidFilter(own.status());
  // The remote hub receives the filter with one more condition; it must be within the limits with
  // it.
  const HubPath path(std::string(32, '0'), std::string(32, '0'));
  const absl::StatusOr<CompiledFilter> sent = CompileFilter(path.RemoteFilter(&filter));
  if (sent.ok()) return absl::OkStatus();
  return InvalidField(
      "link.filter",
      absl::StrCat("leaves no room for the condition that a link adds: ", sent.status().message()));
}

}  // namespace

absl::Status CheckLinkSettings(const v1::Link& settings) {
  RETURN_IF_ERROR(CheckRequiredName("link.name", settings.name()));
  RETURN_IF_ERROR(CheckAddress(settings.remote_address()));
  if (settings.tls() && absl::StartsWith(settings.remote_address(), kUnixScheme)) {
    return InvalidField("link.tls", "is for addresses of the network; a unix socket needs none");
  }
  RETURN_IF_ERROR(CheckRequiredName("link.remote_topic", settings.remote_topic()));
  RETURN_IF_ERROR(CheckRequiredName("link.local_topic", settings.local_topic()));
  RETURN_IF_ERROR(CheckStart(settings.start()));
  if (settings.has_filter()) RETURN_IF_ERROR(CheckFilter(settings.filter()));
  return CheckDescription("link.description", settings.description());
}

absl::StatusOr<v1::Link> NewLinkSettings(const v1::Link& asked, absl::Time now) {
  v1::Link settings = asked;
  DropUnknownFields(settings);
  if (settings.start().position_case() == v1::StartPosition::POSITION_NOT_SET) {
    settings.mutable_start()->set_earliest(true);
  }
  *settings.mutable_create_time() = TimestampOf(now);
  RETURN_IF_ERROR(CheckLinkSettings(settings));
  return settings;
}

absl::StatusOr<v1::Link> ChangedLinkSettings(const v1::Link& current, const v1::Link& asked,
                                             const google::protobuf::FieldMask& mask) {
  if (mask.paths().empty()) return InvalidField("update_mask", "is required");
  for (const std::string& path : mask.paths()) {
    if (!absl::c_linear_search(kChangeableOfLinks, path)) {
      return InvalidField("update_mask", absl::StrCat("names ", path, ", which cannot be changed"));
    }
  }
  v1::Link settings = current;
  google::protobuf::util::FieldMaskUtil::MergeOptions options;
  options.set_replace_message_fields(true);
  google::protobuf::util::FieldMaskUtil::MergeMessageTo(asked, mask, options, &settings);
  DropUnknownFields(settings);
  RETURN_IF_ERROR(CheckLinkSettings(settings));
  return settings;
}

}  // namespace eventhub
