#include "client/cli/input/line_reader.h"

#include <fcntl.h>
#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <utility>

#include "absl/memory/memory.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "storage/base/status_macros.h"

namespace eventhub::cli {
namespace {

constexpr size_t kChunk = size_t{256} << 10;

}  // namespace

absl::StatusOr<std::unique_ptr<LineReader>> LineReader::Open(const std::string& path, int stop_fd) {
  if (path == "-") return absl::WrapUnique(new LineReader("standard input", 0, stop_fd));
  const int fd = open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) return absl::ErrnoToStatus(errno, absl::StrCat("file '", path, "'"));
  return absl::WrapUnique(new LineReader(path, fd, stop_fd));
}

LineReader::LineReader(std::string name, int fd, int stop_fd)
    : name_(std::move(name)), fd_(fd), stop_fd_(stop_fd) {}

LineReader::~LineReader() {
  if (fd_ != 0) close(fd_);
}

absl::StatusOr<std::optional<absl::string_view>> LineReader::Next() {
  while (true) {
    size_t end = buffer_.find('\n', scanned_);
    const bool last = end == std::string::npos && at_end_ && begin_ < buffer_.size();
    if (last) end = buffer_.size();
    if (end != std::string::npos) {
      absl::string_view line(buffer_.data() + begin_, end - begin_);
      begin_ = scanned_ = std::min(end + 1, buffer_.size());
      if (absl::EndsWith(line, "\r")) line.remove_suffix(1);
      return line;
    }
    if (at_end_) return std::nullopt;
    scanned_ = buffer_.size();
    if (scanned_ - begin_ > kMaxLine) {
      return absl::OutOfRangeError(
          absl::StrCat(name_, ": a line is longer than ", kMaxLine, " bytes"));
    }
    ASSIGN_OR_RETURN(const bool more, Fill());
    at_end_ = !more;
  }
}

bool LineReader::HasBufferedLine() const {
  return buffer_.find('\n', scanned_) != std::string::npos;
}

absl::StatusOr<bool> LineReader::Fill() {
  buffer_.erase(0, begin_);
  scanned_ -= begin_;
  begin_ = 0;
  while (true) {
    std::array<pollfd, 2> fds = {{{fd_, POLLIN, 0}, {stop_fd_, POLLIN, 0}}};
    if (poll(fds.data(), fds.size(), -1) < 0 && errno != EINTR) {
      return absl::ErrnoToStatus(errno, absl::StrCat("poll of ", name_));
    }
    if (fds[1].revents != 0) {
      // A stop discards an incomplete line.
      buffer_.clear();
      scanned_ = 0;
      return false;
    }
    if (fds[0].revents == 0) continue;
    const size_t size = buffer_.size();
    buffer_.resize(size + kChunk);
    const ssize_t got = read(fd_, buffer_.data() + size, kChunk);
    buffer_.resize(size + (got > 0 ? static_cast<size_t>(got) : 0));
    if (got >= 0) return got > 0;
    if (errno != EINTR) return absl::ErrnoToStatus(errno, absl::StrCat("reading ", name_));
  }
}

}  // namespace eventhub::cli
