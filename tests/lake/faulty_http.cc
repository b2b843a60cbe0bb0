#include "tests/lake/faulty_http.h"

#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/str_split.h"

namespace eventhub::lake {
namespace {

using Kind = FaultyHttp::Action::Kind;

sockaddr_in LoopbackPort(uint16_t port) {
  sockaddr_in address = {};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  address.sin_port = htons(port);
  return address;
}

bool SendAll(int to, absl::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t sent = ::send(to, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (sent <= 0) return false;
    bytes.remove_prefix(static_cast<size_t>(sent));
  }
  return true;
}

void ResetConnection(int fd) {
  const linger now = {1, 0};
  ::setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
}

// The length of the body that the headers announce.
size_t BodyBytes(absl::string_view headers) {
  const std::string lower = absl::AsciiStrToLower(headers);
  const size_t at = lower.find("\r\ncontent-length:");
  if (at == std::string::npos) return 0;
  const size_t begin = lower.find(':', at) + 1;
  size_t bytes = 0;
  if (!absl::SimpleAtoi(lower.substr(begin, lower.find('\r', begin) - begin), &bytes)) std::abort();
  return bytes;
}

}  // namespace

FaultyHttp::FaultyHttp(std::string service)
    : service_(std::move(service)),
      listener_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)),
      script_([](const Request&) { return Action(); }) {
  sockaddr_in address = LoopbackPort(0);
  socklen_t size = sizeof(address);
  if (::bind(listener_, reinterpret_cast<sockaddr*>(&address), size) != 0 ||
      ::listen(listener_, 16) != 0 ||
      ::getsockname(listener_, reinterpret_cast<sockaddr*>(&address), &size) != 0) {
    std::abort();  // No test can run without it.
  }
  port_ = ntohs(address.sin_port);
  acceptor_ = std::thread([this] { Accept(); });
}

FaultyHttp::~FaultyHttp() {
  std::vector<std::thread> threads;
  {
    const MutexLock lock(mutex_);
    stopping_ = true;
    ::shutdown(listener_, SHUT_RDWR);
    for (const int client : clients_) ::shutdown(client, SHUT_RDWR);
  }
  acceptor_.join();
  {
    const MutexLock lock(mutex_);
    threads.swap(threads_);
  }
  for (std::thread& thread : threads) thread.join();
  ::close(listener_);
}

void FaultyHttp::SetScript(Script script) {
  const MutexLock lock(mutex_);
  script_ = std::move(script);
  requests_ = 0;
}

std::string FaultyHttp::endpoint() const { return absl::StrCat("http://127.0.0.1:", port_); }

void FaultyHttp::Accept() {
  for (;;) {
    const int client = ::accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC);
    const MutexLock lock(mutex_);
    if (stopping_ || client < 0) {
      if (client >= 0) ::close(client);
      return;
    }
    clients_.push_back(client);
    threads_.emplace_back([this, client] {
      Serve(client);
      const MutexLock serving(mutex_);
      clients_.erase(std::find(clients_.begin(), clients_.end(), client));
      ::close(client);
    });
  }
}

bool FaultyHttp::ReadRequest(int client, std::string* text) {
  char bytes[65536];
  size_t wanted = std::string::npos;
  while (text->size() < wanted) {
    const ssize_t count = ::read(client, bytes, sizeof(bytes));
    if (count <= 0) return false;
    text->append(bytes, static_cast<size_t>(count));
    const size_t headers = text->find("\r\n\r\n");
    if (wanted == std::string::npos && headers != std::string::npos) {
      wanted = headers + 4 + BodyBytes(text->substr(0, headers + 2));
    }
  }
  return true;
}

// One request for each connection, so that the end of the connection ends the response.
void FaultyHttp::Serve(int client) {
  std::string text;
  if (!ReadRequest(client, &text)) return;
  const size_t headers_end = text.find("\r\n\r\n") + 2;
  const std::vector<std::string> words =
      absl::StrSplit(text.substr(0, text.find('\r')), absl::MaxSplits(' ', 2));
  Action action;
  {
    const MutexLock lock(mutex_);
    action = script_({words[0], words[1], text.substr(0, headers_end), requests_++});
  }
  if (action.kind == Kind::kStall) {
    char byte = 0;
    while (::read(client, &byte, 1) > 0) continue;
    return;
  }
  if (action.kind == Kind::kAnswer) {
    SendAll(client, absl::StrCat("HTTP/1.1 ", action.status, " Scripted\r\nConnection: close\r\n",
                                 "Content-Length: ", action.body.size(), "\r\n", action.headers,
                                 "\r\n", words[0] == "HEAD" ? "" : action.body));
    return;
  }
  text.insert(headers_end, "Connection: close\r\n");
  const int service = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  uint32_t port = 0;
  if (!absl::SimpleAtoi(service_.substr(service_.rfind(':') + 1), &port)) std::abort();
  const sockaddr_in address = LoopbackPort(static_cast<uint16_t>(port));
  if (::connect(service, reinterpret_cast<const sockaddr*>(&address), sizeof(address)) == 0) {
    const bool cut = action.kind == Kind::kCutRequest;
    SendAll(service, absl::string_view(text).substr(0, cut ? text.size() / 2 : text.size()));
    if (cut) ResetConnection(service);
    char bytes[65536];
    for (ssize_t count = 0; !cut && (count = ::read(service, bytes, sizeof(bytes))) > 0;) {
      if (action.kind == Kind::kLoseResponse) continue;
      SendAll(client, absl::string_view(bytes, static_cast<size_t>(count)));
    }
  }
  ::close(service);
  if (action.kind != Kind::kForward) ResetConnection(client);
}

}  // namespace eventhub::lake
