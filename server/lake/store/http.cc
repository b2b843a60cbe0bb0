#include "server/lake/store/http.h"

#include <curl/curl.h>

#include <algorithm>
#include <memory>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "absl/time/clock.h"

namespace eventhub::lake {
namespace {

constexpr size_t kMaxIdleHandles = 16;
constexpr long kStalledBytesPerSecond = 1;

void InitializeCurl() {
  [[maybe_unused]] static const CURLcode initialized = curl_global_init(CURL_GLOBAL_DEFAULT);
}

long Milliseconds(absl::Duration duration) {
  return static_cast<long>(std::clamp<int64_t>(absl::ToInt64Milliseconds(duration), 1, 1L << 30));
}

// A request in progress.
struct Exchange {
  absl::string_view body;
  size_t sent = 0;
  size_t max_response_bytes = 0;
  bool too_large = false;
  HttpResponse response;
};

size_t Upload(char* to, size_t size, size_t count, void* context) {
  auto& exchange = *static_cast<Exchange*>(context);
  const size_t bytes = std::min(size * count, exchange.body.size() - exchange.sent);
  std::copy_n(exchange.body.data() + exchange.sent, bytes, to);
  exchange.sent += bytes;
  return bytes;
}

// libcurl goes back to repeat a request on a new connection when an idle one turns out to be
// closed.
int Rewind(void* context, curl_off_t offset, int origin) {
  auto& exchange = *static_cast<Exchange*>(context);
  if (origin != SEEK_SET || offset < 0 || static_cast<size_t>(offset) > exchange.body.size()) {
    return CURL_SEEKFUNC_FAIL;
  }
  exchange.sent = static_cast<size_t>(offset);
  return CURL_SEEKFUNC_OK;
}

size_t Download(char* data, size_t size, size_t count, void* context) {
  auto& exchange = *static_cast<Exchange*>(context);
  const size_t bytes = size * count;
  if (exchange.response.body.size() + bytes > exchange.max_response_bytes) {
    exchange.too_large = true;
    return 0;
  }
  exchange.response.body.append(data, bytes);
  return bytes;
}

// Called at least once a second.
int NoteProgress(void* context, curl_off_t, curl_off_t, curl_off_t, curl_off_t) {
  return *static_cast<const std::atomic<bool>*>(context) ? 1 : 0;  // Not 0: gives up.
}

size_t TakeHeader(char* data, size_t size, size_t count, void* context) {
  auto& exchange = *static_cast<Exchange*>(context);
  const absl::string_view line(data, size * count);
  // A new status line: what came before was an interim response, such as 100 Continue.
  if (absl::StartsWith(line, "HTTP/")) exchange.response.headers.clear();
  const size_t colon = line.find(':');
  if (colon != absl::string_view::npos) {
    exchange.response.headers.push_back(
        {std::string(line.substr(0, colon)),
         std::string(absl::StripAsciiWhitespace(line.substr(colon + 1)))});
  }
  return line.size();
}

absl::Status TransportError(CURLcode code, absl::string_view detail, const Exchange& exchange,
                            CURL* handle) {
  const std::string message =
      absl::StrCat(detail.empty() ? curl_easy_strerror(code) : detail, " (curl ", code, ")");
  switch (code) {
    case CURLE_COULDNT_RESOLVE_HOST:
    case CURLE_COULDNT_RESOLVE_PROXY:
    case CURLE_COULDNT_CONNECT:
    case CURLE_SSL_CONNECT_ERROR:
      return absl::UnavailableError(message);
    case CURLE_PEER_FAILED_VERIFICATION:
    case CURLE_SSL_CACERT_BADFILE:
    case CURLE_URL_MALFORMAT:
    case CURLE_UNSUPPORTED_PROTOCOL:
      return absl::FailedPreconditionError(message);
    case CURLE_WRITE_ERROR:
      if (exchange.too_large) {
        return absl::OutOfRangeError(
            absl::StrCat("the response has more than ", exchange.max_response_bytes, " bytes"));
      }
      break;
    default:
      break;
  }
  // Without a connection nothing was sent.
  curl_off_t connected = 0;
  curl_easy_getinfo(handle, CURLINFO_PRETRANSFER_TIME_T, &connected);
  return connected == 0 ? absl::UnavailableError(message) : absl::UnknownError(message);
}

struct FreeList {
  void operator()(curl_slist* list) const { curl_slist_free_all(list); }
};

}  // namespace

// A handle for one request.
class HttpClient::Lease {
 public:
  explicit Lease(HttpClient& client) : client_(client) {
    {
      const MutexLock lock(client_.mutex_);
      if (!client_.idle_.empty()) {
        handle_ = client_.idle_.back();
        client_.idle_.pop_back();
      }
    }
    if (handle_ == nullptr) handle_ = curl_easy_init();
  }
  ~Lease() {
    if (handle_ == nullptr) return;
    curl_easy_reset(handle_);  // Keeps the connections.
    const MutexLock lock(client_.mutex_);
    if (client_.idle_.size() < kMaxIdleHandles) {
      client_.idle_.push_back(handle_);
    } else {
      curl_easy_cleanup(handle_);
    }
  }
  Lease(const Lease&) = delete;
  Lease& operator=(const Lease&) = delete;

  CURL* handle() const { return handle_; }

 private:
  HttpClient& client_;
  CURL* handle_ = nullptr;
};

absl::string_view HttpResponse::Header(absl::string_view name) const {
  for (const HttpHeader& header : headers) {
    if (absl::EqualsIgnoreCase(header.name, name)) return header.value;
  }
  return {};
}

absl::Time HttpResponse::Date() const {
  absl::Time time;
  const std::string date(Header("Date"));
  const bool valid = absl::ParseTime("%a, %d %b %Y %H:%M:%S GMT", date, &time, nullptr);
  return valid ? time : absl::InfinitePast();
}

HttpClient::HttpClient(HttpOptions options) : options_(std::move(options)) { InitializeCurl(); }

HttpClient::~HttpClient() {
  const MutexLock lock(mutex_);
  for (void* handle : idle_) curl_easy_cleanup(handle);
}

absl::StatusOr<HttpResponse> HttpClient::Send(const HttpRequest& request) {
  const Lease lease(*this);
  CURL* const curl = lease.handle();
  if (curl == nullptr) return absl::ResourceExhaustedError("libcurl has no memory");
  Exchange exchange;
  exchange.body = request.body;
  exchange.max_response_bytes = request.max_response_bytes;
  char detail[CURL_ERROR_SIZE] = "";

  std::unique_ptr<curl_slist, FreeList> headers;
  const auto add_header = [&headers](const std::string& line) {
    // Appending leaves the first element in its place.
    curl_slist* const longer = curl_slist_append(headers.get(), line.c_str());
    if (headers == nullptr) headers.reset(longer);
  };
  for (const HttpHeader& header : request.headers) {
    add_header(absl::StrCat(header.name, ": ", header.value));
  }

  curl_easy_setopt(curl, CURLOPT_URL, request.url.c_str());
  curl_easy_setopt(curl, CURLOPT_PATH_AS_IS, 1L);
  curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http,https");
  curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
  // Do not wait for "100 Continue", which some services never send. Without its header `Expect`,
  // libcurl's signature would be wrong.
  curl_easy_setopt(curl, CURLOPT_EXPECT_100_TIMEOUT_MS, 1L);
  curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT_MS, Milliseconds(options_.connect_timeout));
  curl_easy_setopt(curl, CURLOPT_LOW_SPEED_LIMIT, kStalledBytesPerSecond);
  curl_easy_setopt(curl, CURLOPT_LOW_SPEED_TIME,
                   std::max(1L, Milliseconds(options_.stall_timeout) / 1000));
  if (request.timeout != absl::InfiniteDuration()) {
    curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, Milliseconds(request.timeout));
  }
  if (!options_.ca_file.empty()) {
    curl_easy_setopt(curl, CURLOPT_CAINFO, options_.ca_file.c_str());
  }
  curl_easy_setopt(curl, CURLOPT_NOPROGRESS, 0L);
  curl_easy_setopt(curl, CURLOPT_XFERINFOFUNCTION, NoteProgress);
  curl_easy_setopt(curl, CURLOPT_XFERINFODATA, &interrupted_);
  curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, detail);
  curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, Download);
  curl_easy_setopt(curl, CURLOPT_WRITEDATA, &exchange);
  curl_easy_setopt(curl, CURLOPT_HEADERFUNCTION, TakeHeader);
  curl_easy_setopt(curl, CURLOPT_HEADERDATA, &exchange);
  if (request.method == "HEAD") {
    curl_easy_setopt(curl, CURLOPT_NOBODY, 1L);
  } else if (request.method == "PUT" || request.method == "POST") {
    curl_easy_setopt(curl, CURLOPT_UPLOAD, 1L);
    curl_easy_setopt(curl, CURLOPT_CUSTOMREQUEST, request.method.c_str());
    curl_easy_setopt(curl, CURLOPT_INFILESIZE_LARGE, static_cast<curl_off_t>(request.body.size()));
    curl_easy_setopt(curl, CURLOPT_READFUNCTION, Upload);
    curl_easy_setopt(curl, CURLOPT_READDATA, &exchange);
    curl_easy_setopt(curl, CURLOPT_SEEKFUNCTION, Rewind);
    curl_easy_setopt(curl, CURLOPT_SEEKDATA, &exchange);
  } else {
    curl_easy_setopt(curl, CURLOPT_CUSTOMREQUEST, request.method.c_str());
  }
  if (request.signature != nullptr) {
    const HttpSignature& signature = *request.signature;
    // libcurl signs the time that it finds here.
    add_header(absl::StrCat(
        "X-Amz-Date: ",
        absl::FormatTime("%Y%m%dT%H%M%SZ", absl::Now() + signature.skew, absl::UTCTimeZone())));
    curl_easy_setopt(curl, CURLOPT_AWS_SIGV4,
                     absl::StrCat("aws:amz:", signature.region, ":s3").c_str());
    curl_easy_setopt(curl, CURLOPT_USERNAME, signature.access_key.c_str());
    curl_easy_setopt(curl, CURLOPT_PASSWORD, signature.secret_key.c_str());
  }
  curl_easy_setopt(curl, CURLOPT_HTTPHEADER, headers.get());

  const CURLcode code = curl_easy_perform(curl);
  if (code != CURLE_OK) return TransportError(code, detail, exchange, curl);
  long status = 0;
  curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &status);
  exchange.response.status = static_cast<int>(status);
  return std::move(exchange.response);
}

std::string UriEncode(absl::string_view text, bool keep_slash) {
  constexpr absl::string_view kHex = "0123456789ABCDEF";
  std::string encoded;
  encoded.reserve(text.size());
  for (const char c : text) {
    if (absl::ascii_isalnum(static_cast<unsigned char>(c)) || c == '-' || c == '_' || c == '.' ||
        c == '~' || (c == '/' && keep_slash)) {
      encoded.push_back(c);
      continue;
    }
    const auto byte = static_cast<unsigned char>(c);
    encoded.push_back('%');
    encoded.push_back(kHex[byte >> 4]);
    encoded.push_back(kHex[byte & 15]);
  }
  return encoded;
}

}  // namespace eventhub::lake
