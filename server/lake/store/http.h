// HttpClient: HTTP requests to a store, over libcurl, signed with AWS Signature Version 4.
#pragma once

#include <atomic>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "storage/base/mutex.h"

namespace eventhub::lake {

struct HttpHeader {
  std::string name;
  std::string value;
};

// The keys of a request that is signed.
struct HttpSignature {
  std::string access_key;
  std::string secret_key;
  std::string region;
  // How far the clock of the service is ahead of this machine's.
  absl::Duration skew = absl::ZeroDuration();
};

struct HttpRequest {
  std::string method = "GET";
  std::string url = {};  // With an encoded path, and a query in alphabetical order.
  std::vector<HttpHeader> headers = {};
  absl::string_view body = {};
  const HttpSignature* signature = nullptr;  // Null: the request is not signed.
  size_t max_response_bytes = 64 << 20;
  absl::Duration timeout = absl::InfiniteDuration();
};

struct HttpResponse {
  int status = 0;
  std::vector<HttpHeader> headers;
  std::string body;

  // The value of a header, whose name is compared without case; empty if it is missing.
  absl::string_view Header(absl::string_view name) const;
  // By the Date header; the infinite past if there is none.
  absl::Time Date() const;
};

struct HttpOptions {
  std::string ca_file;  // Empty: the system's authorities.
  absl::Duration connect_timeout = absl::Seconds(5);
  // A transfer that makes no progress for so long is given up.
  absl::Duration stall_timeout = absl::Seconds(30);
};

// Keeps connections open between requests. Thread-safe.
class HttpClient {
 public:
  explicit HttpClient(HttpOptions options);
  ~HttpClient();
  HttpClient(const HttpClient&) = delete;
  HttpClient& operator=(const HttpClient&) = delete;

  // Returns the response, whatever its status. UNAVAILABLE: the service got nothing of the request.
  // UNKNOWN: it may have got all of it. FAILED_PRECONDITION: its certificate is not trusted, or the
  // URL is not valid. OUT_OF_RANGE: the response is too large.
  absl::StatusOr<HttpResponse> Send(const HttpRequest& request);

  // Ends requests in progress within a second, and later ones at once: they may have been received.
  void Interrupt() { interrupted_ = true; }
  bool interrupted() const { return interrupted_; }

 private:
  class Lease;

  const HttpOptions options_;
  std::atomic<bool> interrupted_ = false;
  Mutex mutex_;
  std::vector<void*> idle_ ABSL_GUARDED_BY(mutex_);  // CURL handles.
};

// Encodes what is not unreserved in RFC 3986. `keep_slash` is for paths.
std::string UriEncode(absl::string_view text, bool keep_slash);

}  // namespace eventhub::lake
