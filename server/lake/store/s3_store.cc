#include "server/lake/store/s3_store.h"

#include <openssl/sha.h>

#include <algorithm>
#include <cstdlib>
#include <initializer_list>
#include <optional>
#include <sstream>
#include <utility>

#include "absl/random/random.h"
#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "absl/time/clock.h"
#include "pugixml.hpp"

namespace eventhub::lake {
namespace {

constexpr int kAttempts = 4;
constexpr size_t kMaxPage = 1000;
constexpr absl::string_view kProbeName = "_lake/probe";

std::string Sha256Hex(absl::string_view bytes) {
  unsigned char digest[SHA256_DIGEST_LENGTH];
  SHA256(reinterpret_cast<const unsigned char*>(bytes.data()), bytes.size(), digest);
  return absl::BytesToHexString(
      absl::string_view(reinterpret_cast<const char*>(digest), sizeof(digest)));
}

// Full jitter: the callers of a store that failed do not come back all at once.
absl::Duration BackoffBefore(int attempt, absl::Duration first) {
  thread_local absl::BitGen random;
  return first * (int64_t{1} << (2 * (attempt - 1))) * absl::Uniform(random, 0.0, 1.0);
}

std::string Environment(std::initializer_list<const char*> names) {
  for (const char* name : names) {
    const char* const value = std::getenv(name);
    if (value != nullptr && *value != '\0') return value;
  }
  return "";
}

// What an error response says, in the service's words.
struct ServiceError {
  std::string code;
  std::string message;
};

ServiceError ReadError(absl::string_view body) {
  pugi::xml_document document;
  if (!document.load_buffer(body.data(), body.size())) return {};
  const pugi::xml_node error = document.child("Error");
  return {error.child_value("Code"), error.child_value("Message")};
}

bool IsWrite(absl::string_view method) { return method != "GET" && method != "HEAD"; }

}  // namespace

absl::StatusOr<S3Options> ParseS3Url(absl::string_view url) {
  const auto invalid = [url](absl::string_view why) {
    return absl::InvalidArgumentError(absl::StrCat("'", url, "': ", why));
  };
  absl::string_view rest = url;
  if (!absl::ConsumePrefix(&rest, "s3://")) return invalid("an S3 URL begins with s3://");
  const std::pair<absl::string_view, absl::string_view> parts =
      absl::StrSplit(rest, absl::MaxSplits('?', 1));
  const std::pair<absl::string_view, absl::string_view> path =
      absl::StrSplit(parts.first, absl::MaxSplits('/', 1));
  S3Options options;
  options.bucket = std::string(path.first);
  options.prefix = std::string(absl::StripSuffix(path.second, "/"));
  const auto valid = [](char c) {
    return absl::ascii_islower(c) || absl::ascii_isdigit(c) || c == '-' || c == '.';
  };
  if (options.bucket.size() < 3 || options.bucket.size() > 63 ||
      !std::all_of(options.bucket.begin(), options.bucket.end(), valid)) {
    return invalid("a bucket's name has 3 to 63 characters: a-z, 0-9, '-' and '.'");
  }
  if (!options.prefix.empty()) {
    const absl::Status name = CheckObjectName(options.prefix);
    if (!name.ok()) return invalid(name.message());
  }
  options.endpoint = Environment({"AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL"});
  const std::string region = Environment({"AWS_REGION", "AWS_DEFAULT_REGION"});
  if (!region.empty()) options.region = region;
  options.http.ca_file = Environment({"AWS_CA_BUNDLE"});
  std::optional<bool> path_style;
  for (const absl::string_view setting : absl::StrSplit(parts.second, '&', absl::SkipEmpty())) {
    const std::pair<absl::string_view, absl::string_view> pair =
        absl::StrSplit(setting, absl::MaxSplits('=', 1));
    const std::string value(pair.second);
    if (pair.first == "endpoint") {
      options.endpoint = value;
    } else if (pair.first == "region") {
      options.region = value;
    } else if (pair.first == "path_style") {
      bool parsed = false;
      if (!absl::SimpleAtob(value, &parsed)) return invalid("path_style is true or false");
      path_style = parsed;
    } else if (pair.first == "encryption") {
      if (value != "AES256" && value != "aws:kms") {
        return invalid("encryption is AES256 or aws:kms");
      }
      options.encryption = value;
    } else if (pair.first == "kms_key") {
      options.kms_key = value;
    } else if (pair.first == "ca_file") {
      options.http.ca_file = value;
    } else {
      return invalid(absl::StrCat("there is no setting '", pair.first,
                                  "'; there are endpoint, region, path_style, encryption, "
                                  "kms_key and ca_file"));
    }
  }
  if (!options.kms_key.empty() && options.encryption != "aws:kms") {
    return invalid("kms_key needs encryption=aws:kms");
  }
  while (absl::EndsWith(options.endpoint, "/")) options.endpoint.pop_back();
  if (!options.endpoint.empty() && !absl::StartsWith(options.endpoint, "http://") &&
      !absl::StartsWith(options.endpoint, "https://")) {
    return invalid(absl::StrCat("the endpoint '", options.endpoint,
                                "' does not begin with http:// or https://"));
  }
  options.path_style = path_style.value_or(!options.endpoint.empty());
  return options;
}

// Gathers a part. A whole object of less than a part is put in one request.
class S3Store::Sink final : public ObjectSink {
 public:
  Sink(const S3Store& store, std::string name) : store_(store), name_(std::move(name)) {}
  ~Sink() override { Abort(); }

  absl::Status Append(absl::string_view bytes) override {
    if (!status_.ok()) return status_;
    while (!bytes.empty()) {
      const size_t taken = std::min(store_.options_.part_bytes - part_.size(), bytes.size());
      part_.append(bytes.data(), taken);
      bytes.remove_prefix(taken);
      // A part is sent when there is more, so that the last one is not empty.
      if (part_.size() == store_.options_.part_bytes && !bytes.empty()) status_ = SendPart();
      if (!status_.ok()) return status_;
    }
    return absl::OkStatus();
  }

  absl::Status Commit() override {
    if (!status_.ok()) return status_;
    status_ = upload_.empty() ? CommitWhole() : CommitParts();
    if (status_.ok()) upload_.clear();
    const absl::Status result = status_;
    if (status_.ok()) status_ = absl::FailedPreconditionError("the object is committed");
    return result;
  }

  void Abort() override {
    part_.clear();
    if (upload_.empty()) return;
    // What fails here is removed by the bucket's rule for incomplete uploads.
    const absl::StatusOr<HttpResponse> aborted =
        store_.Send({.method = "DELETE", .name = name_, .query = {{"uploadId", upload_}}});
    upload_.clear();
    if (status_.ok()) status_ = absl::FailedPreconditionError("the object is aborted");
  }

 private:
  absl::Status CommitWhole() {
    Call call{.method = "PUT", .name = name_, .body = part_};
    store_.AddEncryption(&call.headers);
    return store_.Send(call).status();
  }

  absl::Status SendPart() {
    if (upload_.empty()) {
      Call call{.method = "POST", .name = name_, .query = {{"uploads", ""}}};
      store_.AddEncryption(&call.headers);
      const absl::StatusOr<HttpResponse> begun = store_.Send(call);
      if (!begun.ok()) return begun.status();
      pugi::xml_document document;
      document.load_buffer(begun->body.data(), begun->body.size());
      upload_ = document.child("InitiateMultipartUploadResult").child_value("UploadId");
      if (upload_.empty()) return absl::InternalError("the store gave no id for an upload");
    }
    const absl::StatusOr<HttpResponse> sent = store_.Send(
        {.method = "PUT",
         .name = name_,
         .query = {{"partNumber", absl::StrCat(tags_.size() + 1)}, {"uploadId", upload_}},
         .body = part_});
    if (!sent.ok()) return sent.status();
    tags_.emplace_back(sent->Header("ETag"));
    if (tags_.back().empty()) return absl::InternalError("the store gave no ETag for a part");
    part_.clear();
    return absl::OkStatus();
  }

  absl::Status CommitParts() {
    const absl::Status last = SendPart();
    if (!last.ok()) return last;
    pugi::xml_document document;
    pugi::xml_node upload = document.append_child("CompleteMultipartUpload");
    for (size_t i = 0; i < tags_.size(); ++i) {
      pugi::xml_node part = upload.append_child("Part");
      part.append_child("PartNumber").text().set(static_cast<unsigned long long>(i) + 1);
      part.append_child("ETag").text().set(tags_[i].c_str());
    }
    std::ostringstream body;
    document.save(body, "", pugi::format_raw);
    const std::string text = body.str();
    // Repeated after it was carried out, it would find no such upload.
    const Call call{.method = "POST",
                    .name = name_,
                    .query = {{"uploadId", upload_}},
                    .body = text,
                    .repeatable = false};
    const absl::StatusOr<HttpResponse> completed = store_.Send(call);
    if (!completed.ok()) return completed.status();
    // The service may begin its answer before it knows, and then the error is in the body.
    const ServiceError error = ReadError(completed->body);
    if (error.code.empty()) return absl::OkStatus();
    return absl::UnknownError(absl::StrCat(store_.Describe(), ": completing ", name_, ": ",
                                           error.code, " ", error.message));
  }

  const S3Store& store_;
  const std::string name_;
  std::string part_;
  std::string upload_;             // The id of the upload in parts; empty before the first part.
  std::vector<std::string> tags_;  // Of the parts that were sent.
  absl::Status status_;
};

S3Store::S3Store(S3Options options)
    : options_(std::move(options)), http_(options_.http), credentials_(http_) {
  const std::string endpoint = options_.endpoint.empty()
                                   ? absl::StrCat("https://s3.", options_.region, ".amazonaws.com")
                                   : options_.endpoint;
  const size_t host_begin = endpoint.find("://") + 3;
  const absl::string_view scheme = absl::string_view(endpoint).substr(0, host_begin);
  const absl::string_view authority = absl::string_view(endpoint).substr(host_begin);
  host_ =
      options_.path_style ? std::string(authority) : absl::StrCat(options_.bucket, ".", authority);
  base_url_ = absl::StrCat(scheme, host_);
  if (options_.path_style) absl::StrAppend(&base_url_, "/", options_.bucket);
  key_prefix_ = options_.prefix.empty() ? "" : absl::StrCat(options_.prefix, "/");
}

std::string S3Store::Describe() const {
  return absl::StrCat("s3://", options_.bucket, options_.prefix.empty() ? "" : "/",
                      options_.prefix);
}

std::string S3Store::UrlOf(const Call& call) const {
  std::string url = base_url_;
  if (!call.name.empty()) {
    absl::StrAppend(&url, "/", UriEncode(absl::StrCat(key_prefix_, call.name), true));
  } else if (!options_.path_style) {
    url.push_back('/');
  }
  char separator = '?';
  for (const auto& [name, value] : call.query) {
    absl::StrAppend(&url, absl::string_view(&separator, 1), UriEncode(name, false), "=",
                    UriEncode(value, false));
    separator = '&';
  }
  return url;
}

void S3Store::AddEncryption(std::vector<HttpHeader>* headers) const {
  if (options_.encryption.empty()) return;
  headers->push_back({"x-amz-server-side-encryption", options_.encryption});
  if (options_.kms_key.empty()) return;
  headers->push_back({"x-amz-server-side-encryption-aws-kms-key-id", options_.kms_key});
}

absl::Status S3Store::ErrorOf(const Call& call, const HttpResponse& response) const {
  const ServiceError error = ReadError(response.body);
  const std::string message = absl::StrCat(
      Describe(), ": ", call.method, " ", call.name.empty() ? "of the bucket" : call.name,
      ": HTTP status ", response.status, error.code.empty() ? "" : " ", error.code,
      error.message.empty() ? "" : ": ", error.message);
  const absl::string_view code = error.code;
  if (code == "NoSuchBucket") return absl::FailedPreconditionError(message);
  if (code == "RequestTimeTooSkewed") return absl::UnavailableError(message);
  if (code == "QuotaExceeded" || response.status == 507) {
    return absl::ResourceExhaustedError(message);
  }
  if (code == "SignatureDoesNotMatch" || code == "InvalidAccessKeyId" || code == "ExpiredToken" ||
      code == "InvalidToken" || response.status == 401) {
    return absl::UnauthenticatedError(message);
  }
  switch (response.status) {
    case 301:
    case 307:
    case 308: {
      const absl::string_view region = response.Header("x-amz-bucket-region");
      return absl::FailedPreconditionError(
          absl::StrCat(message, region.empty() ? "" : "; the region of the bucket is ", region));
    }
    case 400:
    case 416:
      return absl::InvalidArgumentError(message);
    case 403:
      return absl::PermissionDeniedError(message);
    case 404:
      return absl::NotFoundError(message);
    case 412:
      return absl::AlreadyExistsError(message);
    case 408:
    case 409:  // Another conditional request is under way.
    case 429:
    case 503:
      return absl::UnavailableError(message);
    default:
      break;
  }
  if (response.status >= 500) return absl::UnknownError(message);
  return absl::FailedPreconditionError(message);
}

absl::StatusOr<HttpResponse> S3Store::SendOnce(const Call& call) const {
  const absl::StatusOr<S3Credentials> credentials = credentials_.Get();
  if (!credentials.ok()) return credentials.status();
  HttpSignature signature{.access_key = credentials->access_key,
                          .secret_key = credentials->secret_key,
                          .region = options_.region};
  {
    const MutexLock lock(mutex_);
    signature.skew = skew_;
  }
  HttpRequest request{.method = call.method,
                      .url = UrlOf(call),
                      .headers = call.headers,
                      .body = call.body,
                      .signature = &signature};
  request.headers.push_back({"Host", host_});
  request.headers.push_back({"x-amz-content-sha256", Sha256Hex(call.body)});
  if (!credentials->session_token.empty()) {
    request.headers.push_back({"X-Amz-Security-Token", credentials->session_token});
  }
  absl::StatusOr<HttpResponse> response = http_.Send(request);
  if (!response.ok()) {
    return absl::Status(response.status().code(),
                        absl::StrCat(Describe(), ": ", response.status().message()));
  }
  if (response->status / 100 == 2) return response;
  const absl::Status error = ErrorOf(call, *response);
  if (ReadError(response->body).code == "RequestTimeTooSkewed") {
    const absl::Time theirs = response->Date();
    if (theirs != absl::InfinitePast()) {
      const MutexLock lock(mutex_);
      skew_ = theirs - absl::Now();
    }
  }
  if (absl::IsUnauthenticated(error)) credentials_.Renew();
  return error;
}

absl::StatusOr<HttpResponse> S3Store::Send(const Call& call) const {
  bool renewed = false;
  for (int attempt = 1;; ++attempt) {
    absl::StatusOr<HttpResponse> response = SendOnce(call);
    if (response.ok()) return response;
    absl::Status error = response.status();
    const StoreFault fault = FaultOf(error);
    // Keys may have been renewed; once.
    const bool refused = absl::IsUnauthenticated(error) && !std::exchange(renewed, true);
    const bool again = fault == StoreFault::kRetryable || refused ||
                       (fault == StoreFault::kAmbiguous && call.repeatable);
    if (again && attempt < kAttempts && !http_.interrupted()) {
      absl::SleepFor(BackoffBefore(attempt, options_.backoff));
      continue;
    }
    // Nothing is ambiguous about a read.
    if (fault == StoreFault::kAmbiguous && !IsWrite(call.method)) {
      return absl::UnavailableError(error.message());
    }
    return error;
  }
}

absl::Status S3Store::Probe() const {
  return Send({.method = "GET", .query = {{"list-type", "2"}, {"max-keys", "1"}}}).status();
}

absl::Status S3Store::ProveConditions() {
  {
    const MutexLock lock(mutex_);
    if (conditions_proven_) return absl::OkStatus();
  }
  // The first put finds the object of an earlier proof, or makes it; the second must find it.
  for (int i = 0; i < 2; ++i) {
    const absl::Status put = Put(kProbeName, "", true);
    if (absl::IsAlreadyExists(put)) {
      const MutexLock lock(mutex_);
      conditions_proven_ = true;
      return absl::OkStatus();
    }
    // Whether the probe was stored matters to nobody.
    if (absl::IsUnknown(put)) return absl::UnavailableError(put.message());
    if (!put.ok()) return put;
  }
  return absl::UnimplementedError(
      absl::StrCat(Describe(),
                   ": the service does not honour If-None-Match, so two hubs could "
                   "write one lake"));
}

absl::Status S3Store::CreateBucket() { return Send({.method = "PUT"}).status(); }

absl::StatusOr<std::unique_ptr<ObjectSink>> S3Store::Create(absl::string_view name) {
  const absl::Status valid = CheckObjectName(name);
  if (!valid.ok()) return valid;
  return std::make_unique<Sink>(*this, std::string(name));
}

absl::Status S3Store::Put(absl::string_view name, absl::string_view bytes, bool if_absent) {
  const absl::Status valid = CheckObjectName(name);
  if (!valid.ok()) return valid;
  // Repeated after it was carried out, a conditional put would find its own object.
  Call call{.method = "PUT", .name = std::string(name), .body = bytes, .repeatable = !if_absent};
  AddEncryption(&call.headers);
  if (if_absent) call.headers.push_back({"If-None-Match", "*"});
  return Send(call).status();
}

absl::Status S3Store::PutIfAbsent(absl::string_view name, absl::string_view bytes) {
  const absl::Status proven = ProveConditions();
  return proven.ok() ? Put(name, bytes, true) : proven;
}

absl::Status S3Store::Put(absl::string_view name, absl::string_view bytes) {
  return Put(name, bytes, false);
}

absl::StatusOr<std::string> S3Store::Get(absl::string_view name, uint64_t offset,
                                         uint64_t length) const {
  const absl::Status valid = CheckObjectName(name);
  if (!valid.ok()) return valid;
  Call call{.method = "GET", .name = std::string(name)};
  const uint64_t last = length > kToEnd - offset ? kToEnd : offset + length - 1;
  if (length > 0 && (offset > 0 || length != kToEnd)) {
    call.headers.push_back(
        {"Range", absl::StrCat("bytes=", offset, "-", length == kToEnd ? "" : absl::StrCat(last))});
  }
  absl::Status error;
  if (length > 0) {
    absl::StatusOr<HttpResponse> response = Send(call);
    if (response.ok()) return std::move(response->body);
    error = response.status();
    if (!absl::IsInvalidArgument(error)) return error;
  }
  // S3 has no empty ranges: what begins at the end of an object is none to it.
  const absl::StatusOr<uint64_t> size = Size(name);
  if (!size.ok()) return size.status();
  if (offset == *size || (length == 0 && offset < *size)) return std::string();
  if (offset < *size) return error;
  return absl::InvalidArgumentError(
      absl::StrCat(Describe(), ": ", name, " ends at ", *size, ", before ", offset));
}

absl::StatusOr<uint64_t> S3Store::Size(absl::string_view name) const {
  const absl::Status valid = CheckObjectName(name);
  if (!valid.ok()) return valid;
  const absl::StatusOr<HttpResponse> response = Send({.method = "HEAD", .name = std::string(name)});
  if (absl::IsNotFound(response.status())) {
    // Only a GET says whether it is the object or the bucket that is missing.
    const absl::Status why =
        Send({.method = "GET", .name = std::string(name), .headers = {{"Range", "bytes=0-0"}}})
            .status();
    return why.ok() ? absl::UnavailableError(absl::StrCat(name, " has just been written")) : why;
  }
  if (!response.ok()) return response.status();
  uint64_t bytes = 0;
  if (!absl::SimpleAtoi(response->Header("Content-Length"), &bytes)) {
    return absl::InternalError(absl::StrCat(Describe(), ": ", name, " has no Content-Length"));
  }
  return bytes;
}

absl::StatusOr<ObjectPage> S3Store::List(absl::string_view prefix, absl::string_view after,
                                         size_t limit) const {
  ObjectPage page;
  std::string begin = after.empty() ? "" : absl::StrCat(key_prefix_, after);
  do {
    Call call{.method = "GET",
              .query = {{"list-type", "2"},
                        {"max-keys", absl::StrCat(std::min(limit - page.objects.size(), kMaxPage))},
                        {"prefix", absl::StrCat(key_prefix_, prefix)}}};
    if (!begin.empty()) call.query["start-after"] = begin;
    const absl::StatusOr<HttpResponse> response = Send(call);
    if (!response.ok()) return response.status();
    pugi::xml_document document;
    if (!document.load_buffer(response->body.data(), response->body.size())) {
      return absl::InternalError(absl::StrCat(Describe(), ": the list of objects is not XML"));
    }
    const pugi::xml_node result = document.child("ListBucketResult");
    const size_t before = page.objects.size();
    for (const pugi::xml_node& object : result.children("Contents")) {
      begin = object.child_value("Key");
      ObjectInfo& info = page.objects.emplace_back();
      info.name = begin.substr(key_prefix_.size());
      info.bytes = object.child("Size").text().as_ullong();
      std::string error;
      if (!absl::ParseTime(absl::RFC3339_full, object.child_value("LastModified"), &info.modified,
                           &error)) {
        info.modified = absl::InfiniteFuture();  // Nobody may take it for old.
      }
    }
    page.more = result.child("IsTruncated").text().as_bool() && page.objects.size() > before;
  } while (page.more && page.objects.size() < limit);
  return page;
}

absl::Status S3Store::Delete(absl::string_view name) {
  const absl::Status valid = CheckObjectName(name);
  if (!valid.ok()) return valid;
  const absl::Status removed = Send({.method = "DELETE", .name = std::string(name)}).status();
  return absl::IsNotFound(removed) ? absl::OkStatus() : removed;
}

absl::Status S3Store::KeepVersions() {
  return Send({.method = "PUT",
               .query = {{"versioning", ""}},
               .body = "<VersioningConfiguration xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">"
                       "<Status>Enabled</Status></VersioningConfiguration>"})
      .status();
}

absl::StatusOr<std::vector<S3Store::Version>> S3Store::VersionsOf(absl::string_view name) const {
  const absl::Status valid = CheckObjectName(name);
  if (!valid.ok()) return valid;
  const std::string key = absl::StrCat(key_prefix_, name);
  std::vector<Version> versions;
  std::map<std::string, std::string> from;  // Where the next page begins.
  for (;;) {
    Call call{.method = "GET", .query = {{"versions", ""}, {"prefix", key}}};
    call.query.insert(from.begin(), from.end());
    const absl::StatusOr<HttpResponse> response = Send(call);
    if (!response.ok()) return response.status();
    pugi::xml_document document;
    if (!document.load_buffer(response->body.data(), response->body.size())) {
      return absl::InternalError(absl::StrCat(Describe(), ": the list of versions is not XML"));
    }
    const pugi::xml_node result = document.child("ListVersionsResult");
    for (const pugi::xml_node& version : result.children()) {
      const absl::string_view kind = version.name();
      if (kind != "Version" && kind != "DeleteMarker") continue;
      if (version.child_value("Key") != key) continue;  // A longer one.
      versions.push_back({version.child_value("VersionId"),
                          absl::EqualsIgnoreCase(version.child_value("IsLatest"), "true")});
    }
    if (!result.child("IsTruncated").text().as_bool()) return versions;
    from = {{"key-marker", result.child_value("NextKeyMarker")},
            {"version-id-marker", result.child_value("NextVersionIdMarker")}};
  }
}

absl::Status S3Store::RemoveOldVersions(absl::string_view name) {
  const absl::StatusOr<std::vector<Version>> versions = VersionsOf(name);
  if (!versions.ok()) return versions.status();
  for (const Version& version : *versions) {
    if (version.latest) continue;
    const absl::Status removed =
        Send({.method = "DELETE", .name = std::string(name), .query = {{"versionId", version.id}}})
            .status();
    if (!removed.ok() && !absl::IsNotFound(removed)) return removed;
  }
  return absl::OkStatus();
}

}  // namespace eventhub::lake
