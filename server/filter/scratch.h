// The budget of one evaluation: memory for the strings it makes, and work.
#pragma once

#include <cstddef>
#include <memory>
#include <vector>

#include "server/filter/filter.h"

namespace eventhub::filter {

// Lives for one evaluation. Strings that fit the inline buffer need no allocation. Not thread-safe.
class Scratch {
 public:
  // How much text one evaluation may examine, in bytes, over all operators. An event may have
  // megabytes of it and a filter may examine it a thousand times, on a shared thread.
  static constexpr size_t kMaxWork = kMaxFilterWork;

  // How much one evaluation may allocate: an expression can multiply long attributes.
  static constexpr size_t kMaxBytes = size_t{16} << 20;

  Scratch() = default;
  Scratch(const Scratch&) = delete;
  Scratch& operator=(const Scratch&) = delete;

  // Must be called before or while that many bytes of text are examined. Returns false if the
  // budget is exhausted and the evaluation must end.
  bool Spend(size_t bytes) {
    work_ += bytes;
    return !overspent();
  }
  bool overspent() const { return work_ > kMaxWork; }
  size_t work() const { return work_; }

  // Returns null if the evaluation has allocated too much.
  char* Allocate(size_t bytes) {
    if (bytes <= sizeof(buffer_) - used_) {
      char* const begin = buffer_ + used_;
      used_ += bytes;
      return begin;
    }
    if (bytes > kMaxBytes - more_bytes_) return nullptr;
    more_bytes_ += bytes;
    // Not make_unique, which would clear them first.
    more_.emplace_back(new char[bytes]);
    return more_.back().get();
  }

 private:
  size_t work_ = 0;
  size_t used_ = 0;
  size_t more_bytes_ = 0;
  std::vector<std::unique_ptr<char[]>> more_;
  char buffer_[512];
};

}  // namespace eventhub::filter
