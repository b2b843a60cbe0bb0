// Writes lines to standard output, many at once.
#pragma once

#include <cstddef>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "client/cli/frame/command.h"

namespace eventhub::cli {

// Thread-compatible. What is not flushed is lost.
class LineOutput {
 public:
  // `line` without its newline.
  absl::Status Write(absl::string_view line) {
    out_.append(line.data(), line.size());
    out_.push_back('\n');
    return out_.size() < kWriteBytes ? absl::OkStatus() : Flush();
  }

  absl::Status Flush() {
    const absl::Status written = WriteOut(out_);
    out_.clear();
    return written;
  }

 private:
  static constexpr size_t kWriteBytes = size_t{256} << 10;

  std::string out_;
};

}  // namespace eventhub::cli
