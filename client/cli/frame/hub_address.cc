#include "client/cli/frame/hub_address.h"

#include <cstdint>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/strip.h"

namespace eventhub::cli {
namespace {

// Prefixes of the messages of gRPC 1.51.
constexpr absl::string_view kUnresolved = "DNS resolution failed for ";
constexpr absl::string_view kUnconnected = "failed to connect to all addresses";

bool HasScheme(absl::string_view address) {
  for (const absl::string_view scheme : {"unix:", "unix-abstract:", "dns:", "ipv4:", "ipv6:"}) {
    if (absl::StartsWith(address, scheme)) return true;
  }
  return false;
}

// Returns the text after the last `: `.
absl::string_view LastPart(absl::string_view message) {
  const size_t at = message.rfind(": ");
  return at == absl::string_view::npos ? message : message.substr(at + 2);
}

}  // namespace

absl::Status CheckAddress(absl::string_view address) {
  if (HasScheme(address)) return absl::OkStatus();
  const auto wrong = [address](absl::string_view problem) {
    return absl::InvalidArgumentError(
        absl::StrCat("'", address, "' ", problem, "; it takes host:port, or unix:/path"));
  };
  if (address.empty()) return wrong("is empty");
  if (absl::StrContains(address, "/")) return wrong("is a URL or a path");
  const size_t colon = address.rfind(':');
  const absl::string_view host = address.substr(0, colon);
  if (colon == absl::string_view::npos || absl::EndsWith(address, "]")) return wrong("has no port");
  if (host.empty()) return wrong("has no host");
  if (absl::StrContains(host, ":") && !(host.front() == '[' && host.back() == ']')) {
    return wrong("needs brackets around its IPv6 address");
  }
  uint32_t port = 0;
  if (!absl::SimpleAtoi(address.substr(colon + 1), &port) || port == 0 || port > UINT16_MAX) {
    return wrong("has a port that is not a number from 1 to 65535");
  }
  return absl::OkStatus();
}

bool IsConnectionError(absl::string_view message) {
  return absl::StartsWith(message, kUnresolved) || absl::StartsWith(message, kUnconnected);
}

std::string ExplainConnectionError(absl::string_view message) {
  if (absl::StartsWith(message, kUnresolved)) {
    return absl::StrCat("cannot resolve the host name: ", LastPart(message));
  }
  if (!absl::ConsumePrefix(&message, kUnconnected)) return std::string(message);
  absl::ConsumePrefix(&message, "; last error: ");
  // Drop the name of the status code: the text after it says more.
  const size_t name = message.find(": ");
  if (name != absl::string_view::npos) message.remove_prefix(name + 2);
  const std::string cause = absl::StrReplaceAll(
      message, {{"Failed to connect to remote host: ", ""}, {"%5B", "["}, {"%5D", "]"}});
  return absl::StrCat("cannot connect: ", cause.empty() ? "no address answers" : cause);
}

}  // namespace eventhub::cli
