// Asynchronous HTTP with libcurl: any number of requests on one thread.
#pragma once

#include <curl/curl.h>

#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "absl/functional/any_invocable.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"

namespace shop {

struct HttpResponse {
  int code = 0;
  std::string body{};
};

// Thread-safe. The destructor drops the requests that have no response yet, and their callbacks.
class HttpClient {
 public:
  // UNAVAILABLE or DEADLINE_EXCEEDED if there was no response. Called on the client's thread.
  using Callback = absl::AnyInvocable<void(const absl::StatusOr<HttpResponse>& response)>;

  // No request takes longer than `timeout`.
  explicit HttpClient(absl::Duration timeout);
  ~HttpClient();

  HttpClient(const HttpClient&) = delete;
  HttpClient& operator=(const HttpClient&) = delete;

  // Posts JSON.
  void Post(const std::string& url, std::string json, Callback done);

 private:
  struct Request;

  void Run();
  void StartPosted();
  void FinishDone();

  const absl::Duration timeout_;
  CURLM* const multi_;
  curl_slist* const headers_;
  std::mutex mutex_;
  // Guarded by mutex_.
  std::vector<std::unique_ptr<Request>> posted_;
  bool stopping_ = false;
  // Of the thread.
  std::vector<std::unique_ptr<Request>> running_;
  std::thread thread_;
};

}  // namespace shop
