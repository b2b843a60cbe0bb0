// Reads lines of a file or of standard input until a signal arrives.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace eventhub::cli {

// Reads a file descriptor line by line. A line ends with LF or CR LF, the last one at the end of
// the file too. Not thread-safe.
class LineReader {
 public:
  // The maximum length of a line in bytes: more than the largest event.
  static constexpr size_t kMaxLine = size_t{64} << 20;

  // `path` is `-` for standard input. Reading ends, even while it waits for input, when `stop_fd`
  // becomes readable. NOT_FOUND or PERMISSION_DENIED, naming the file.
  static absl::StatusOr<std::unique_ptr<LineReader>> Open(const std::string& path, int stop_fd);
  ~LineReader();

  LineReader(const LineReader&) = delete;
  LineReader& operator=(const LineReader&) = delete;

  // Returns the next line without its end, valid until the next call; nullopt at the end of the
  // file or after a stop. OUT_OF_RANGE if the line is longer than kMaxLine; otherwise the error of
  // reading.
  absl::StatusOr<std::optional<absl::string_view>> Next();

  // Whether Next() has a line without waiting for input.
  bool HasBufferedLine() const;

  const std::string& name() const { return name_; }

 private:
  LineReader(std::string name, int fd, int stop_fd);

  // Appends to the buffer. Returns false at the end or after a stop.
  absl::StatusOr<bool> Fill();

  const std::string name_;
  const int fd_;
  const int stop_fd_;
  std::string buffer_;
  size_t begin_ = 0;    // Where the next line begins.
  size_t scanned_ = 0;  // No LF between begin_ and here.
  bool at_end_ = false;
};

}  // namespace eventhub::cli
