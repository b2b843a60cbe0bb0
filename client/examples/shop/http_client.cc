#include "client/examples/shop/http_client.h"

#include <algorithm>
#include <utility>

#include "absl/status/status.h"

namespace shop {
namespace {

constexpr int kPollMillis = 1000;

size_t Append(char* data, size_t size, size_t count, void* body) {
  static_cast<std::string*>(body)->append(data, size * count);
  return size * count;
}

}  // namespace

struct HttpClient::Request {
  ~Request() { curl_easy_cleanup(easy); }

  absl::StatusOr<HttpResponse> ResponseOf(CURLcode code) {
    if (code == CURLE_OPERATION_TIMEDOUT) {
      return absl::DeadlineExceededError(curl_easy_strerror(code));
    }
    if (code != CURLE_OK) return absl::UnavailableError(curl_easy_strerror(code));
    long status = 0;
    curl_easy_getinfo(easy, CURLINFO_RESPONSE_CODE, &status);
    return HttpResponse{static_cast<int>(status), std::move(response)};
  }

  std::string url;
  std::string json;
  Callback done;
  std::string response;
  CURL* easy = nullptr;
};

HttpClient::HttpClient(absl::Duration timeout)
    : timeout_(timeout),
      multi_(curl_multi_init()),
      headers_(curl_slist_append(nullptr, "Content-Type: application/json")),
      thread_([this] { Run(); }) {}

HttpClient::~HttpClient() {
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    stopping_ = true;
  }
  curl_multi_wakeup(multi_);
  thread_.join();
  for (const auto& request : running_) curl_multi_remove_handle(multi_, request->easy);
  running_.clear();
  curl_multi_cleanup(multi_);
  curl_slist_free_all(headers_);
}

void HttpClient::Post(const std::string& url, std::string json, Callback done) {
  auto request = std::make_unique<Request>();
  request->url = url;
  request->json = std::move(json);
  request->done = std::move(done);
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    posted_.push_back(std::move(request));
  }
  curl_multi_wakeup(multi_);
}

void HttpClient::Run() {
  for (;;) {
    {
      const std::lock_guard<std::mutex> lock(mutex_);
      if (stopping_) return;
    }
    StartPosted();
    int active = 0;
    curl_multi_perform(multi_, &active);
    FinishDone();
    // Until a socket is ready, a request times out, or Post wakes it up.
    curl_multi_poll(multi_, nullptr, 0, kPollMillis, nullptr);
  }
}

void HttpClient::StartPosted() {
  std::vector<std::unique_ptr<Request>> posted;
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    posted.swap(posted_);
  }
  for (auto& request : posted) {
    request->easy = curl_easy_init();
    curl_easy_setopt(request->easy, CURLOPT_URL, request->url.c_str());
    curl_easy_setopt(request->easy, CURLOPT_HTTPHEADER, headers_);
    curl_easy_setopt(request->easy, CURLOPT_POSTFIELDSIZE, static_cast<long>(request->json.size()));
    curl_easy_setopt(request->easy, CURLOPT_POSTFIELDS, request->json.data());
    curl_easy_setopt(request->easy, CURLOPT_WRITEFUNCTION, Append);
    curl_easy_setopt(request->easy, CURLOPT_WRITEDATA, &request->response);
    curl_easy_setopt(request->easy, CURLOPT_TIMEOUT_MS,
                     static_cast<long>(absl::ToInt64Milliseconds(timeout_)));
    curl_easy_setopt(request->easy, CURLOPT_NOSIGNAL, 1L);
    curl_multi_add_handle(multi_, request->easy);
    running_.push_back(std::move(request));
  }
}

void HttpClient::FinishDone() {
  int left = 0;
  while (const CURLMsg* message = curl_multi_info_read(multi_, &left)) {
    if (message->msg != CURLMSG_DONE) continue;
    const auto it = std::find_if(running_.begin(), running_.end(), [&](const auto& request) {
      return request->easy == message->easy_handle;
    });
    const std::unique_ptr<Request> request = std::move(*it);
    running_.erase(it);
    const CURLcode code = message->data.result;  // The handle owns the message.
    curl_multi_remove_handle(multi_, request->easy);
    request->done(request->ResponseOf(code));
  }
}

}  // namespace shop
