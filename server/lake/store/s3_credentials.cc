#include "server/lake/store/s3_credentials.h"

#include <cstdlib>
#include <fstream>
#include <optional>
#include <sstream>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "absl/time/clock.h"
#include "nlohmann/json.hpp"

namespace eventhub::lake {
namespace {

// Credentials are renewed this long before they expire.
constexpr absl::Duration kRenewBefore = absl::Minutes(5);
// These services are near; on other machines nothing answers at their addresses.
constexpr absl::Duration kServiceTimeout = absl::Seconds(2);
constexpr absl::string_view kMetadataService = "http://169.254.169.254";

std::string Environment(const char* name) {
  const char* const value = std::getenv(name);
  return value == nullptr ? std::string() : value;
}

std::optional<std::string> ReadWhole(const std::string& path) {
  const std::ifstream file(path, std::ios::binary);
  if (!file) return std::nullopt;
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

std::optional<S3Credentials> FromEnvironment() {
  S3Credentials found{.access_key = Environment("AWS_ACCESS_KEY_ID"),
                      .secret_key = Environment("AWS_SECRET_ACCESS_KEY"),
                      .session_token = Environment("AWS_SESSION_TOKEN")};
  if (found.access_key.empty() || found.secret_key.empty()) return std::nullopt;
  return found;
}

// Returns null if there is no file, or no such profile in it.
absl::StatusOr<std::optional<S3Credentials>> FromFile() {
  std::string path = Environment("AWS_SHARED_CREDENTIALS_FILE");
  const bool named = !path.empty();
  if (!named) path = absl::StrCat(Environment("HOME"), "/.aws/credentials");
  std::string profile = Environment("AWS_PROFILE");
  if (profile.empty()) profile = "default";
  const std::optional<std::string> text = ReadWhole(path);
  if (!text.has_value()) {
    if (!named) return std::nullopt;
    return absl::InvalidArgumentError(
        absl::StrCat("cannot read ", path, ", which AWS_SHARED_CREDENTIALS_FILE names"));
  }
  S3Credentials found;
  bool in_profile = false;
  for (absl::string_view line : absl::StrSplit(*text, '\n')) {
    line = absl::StripAsciiWhitespace(line);
    if (line.empty() || line[0] == '#' || line[0] == ';') continue;
    if (line[0] == '[') {
      in_profile = line == absl::StrCat("[", profile, "]");
      continue;
    }
    if (!in_profile) continue;
    const std::pair<absl::string_view, absl::string_view> setting =
        absl::StrSplit(line, absl::MaxSplits('=', 1));
    const absl::string_view name = absl::StripAsciiWhitespace(setting.first);
    const std::string value(absl::StripAsciiWhitespace(setting.second));
    if (name == "aws_access_key_id") found.access_key = value;
    if (name == "aws_secret_access_key") found.secret_key = value;
    if (name == "aws_session_token") found.session_token = value;
  }
  if (!found.access_key.empty() && !found.secret_key.empty()) return found;
  if (!named) return std::nullopt;
  return absl::InvalidArgumentError(absl::StrCat(path, " has no keys for the profile ", profile));
}

}  // namespace

absl::StatusOr<S3Credentials> S3CredentialSource::Get() {
  const MutexLock lock(mutex_);
  if (kept_ != nullptr && kept_->expires - kRenewBefore > absl::Now()) return *kept_;
  absl::StatusOr<S3Credentials> found = Find();
  if (found.ok()) {
    kept_ = std::make_unique<S3Credentials>(*found);
  } else if (kept_ != nullptr && kept_->expires > absl::Now()) {
    return *kept_;  // Those that are about to expire are good for now.
  }
  return found;
}

void S3CredentialSource::Renew() {
  const MutexLock lock(mutex_);
  kept_.reset();
}

absl::StatusOr<S3Credentials> S3CredentialSource::Find() {
  if (std::optional<S3Credentials> found = FromEnvironment()) return *std::move(found);
  absl::StatusOr<std::optional<S3Credentials>> in_file = FromFile();
  if (!in_file.ok()) return in_file.status();
  if (in_file->has_value()) return **std::move(in_file);
  if (!Environment("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI").empty() ||
      !Environment("AWS_CONTAINER_CREDENTIALS_FULL_URI").empty()) {
    return FromContainer();
  }
  constexpr absl::string_view kNone =
      "there are no credentials for the object store: not in AWS_ACCESS_KEY_ID and "
      "AWS_SECRET_ACCESS_KEY, not in ~/.aws/credentials, not from a container's endpoint";
  if (absl::EqualsIgnoreCase(Environment("AWS_EC2_METADATA_DISABLED"), "true")) {
    return absl::UnauthenticatedError(kNone);
  }
  absl::StatusOr<S3Credentials> found = FromInstance();
  if (found.ok()) return found;
  return absl::UnauthenticatedError(
      absl::StrCat(kNone, ", and not from the instance's metadata: ", found.status().message()));
}

absl::StatusOr<S3Credentials> S3CredentialSource::FromService(const HttpRequest& request) {
  const absl::StatusOr<HttpResponse> response = http_.Send(request);
  if (!response.ok()) {
    return absl::UnavailableError(
        absl::StrCat("credentials from ", request.url, ": ", response.status().message()));
  }
  if (response->status != 200) {
    return absl::UnavailableError(
        absl::StrCat("credentials from ", request.url, ": HTTP status ", response->status));
  }
  const auto json = nlohmann::json::parse(response->body, nullptr, false);
  S3Credentials found;
  if (json.is_object()) {
    found = {.access_key = json.value("AccessKeyId", ""),
             .secret_key = json.value("SecretAccessKey", ""),
             .session_token = json.value("Token", "")};
  }
  if (found.access_key.empty() || found.secret_key.empty()) {
    return absl::InvalidArgumentError(
        absl::StrCat("credentials from ", request.url, ": the answer has no keys"));
  }
  const std::string expiration = json.value("Expiration", "");
  absl::Time expires;
  if (absl::ParseTime(absl::RFC3339_full, expiration, &expires, nullptr)) found.expires = expires;
  return found;
}

absl::StatusOr<S3Credentials> S3CredentialSource::FromContainer() {
  HttpRequest request;
  request.timeout = kServiceTimeout;
  const std::string relative = Environment("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI");
  request.url = relative.empty() ? Environment("AWS_CONTAINER_CREDENTIALS_FULL_URI")
                                 : absl::StrCat("http://169.254.170.2", relative);
  std::string token = Environment("AWS_CONTAINER_AUTHORIZATION_TOKEN");
  const std::string token_file = Environment("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE");
  if (!token_file.empty()) {
    std::optional<std::string> text = ReadWhole(token_file);
    if (!text.has_value()) return absl::UnavailableError(absl::StrCat("cannot read ", token_file));
    token = std::string(absl::StripAsciiWhitespace(*text));
  }
  if (!token.empty()) request.headers.push_back({"Authorization", token});
  return FromService(request);
}

absl::StatusOr<S3Credentials> S3CredentialSource::FromInstance() {
  std::string service = Environment("AWS_EC2_METADATA_SERVICE_ENDPOINT");
  if (service.empty()) service = std::string(kMetadataService);
  service = std::string(absl::StripSuffix(service, "/"));
  const absl::StatusOr<HttpResponse> token =
      http_.Send({.method = "PUT",
                  .url = absl::StrCat(service, "/latest/api/token"),
                  .headers = {{"X-aws-ec2-metadata-token-ttl-seconds", "300"}},
                  .timeout = kServiceTimeout});
  if (!token.ok()) return absl::UnavailableError(token.status().message());
  if (token->status != 200) {
    return absl::UnavailableError(absl::StrCat("no token: HTTP status ", token->status));
  }
  const std::vector<HttpHeader> headers = {{"X-aws-ec2-metadata-token", token->body}};
  const std::string roles = absl::StrCat(service, "/latest/meta-data/iam/security-credentials/");
  const absl::StatusOr<HttpResponse> role =
      http_.Send({.url = roles, .headers = headers, .timeout = kServiceTimeout});
  if (!role.ok()) return absl::UnavailableError(role.status().message());
  const absl::string_view name = absl::StripAsciiWhitespace(role->body);
  if (role->status != 200 || name.empty()) {
    return absl::UnavailableError("the instance has no role");
  }
  return FromService({.url = absl::StrCat(roles, UriEncode(name, false)),
                      .headers = headers,
                      .timeout = kServiceTimeout});
}

}  // namespace eventhub::lake
