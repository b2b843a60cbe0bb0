// What one evaluation may use: memory for the strings that it makes, and time.
#pragma once

#include <cstddef>
#include <memory>
#include <vector>

#include "server/filter/filter.h"

namespace eventhub::filter {

// For the length of one evaluation. What fits the buffer within costs no allocation. Not
// thread-safe; each evaluation has its own.
class Scratch {
 public:
  // How much text one evaluation may look at, all operators together. An event may have megabytes
  // of it, and a filter look at it a thousand times, for everybody's time. Bytes.
  static constexpr size_t kMaxWork = kMaxFilterWork;

  // What one evaluation may take at most: an expression can multiply long attributes.
  static constexpr size_t kMaxBytes = size_t{16} << 20;

  Scratch() = default;
  Scratch(const Scratch&) = delete;
  Scratch& operator=(const Scratch&) = delete;

  // To be called before, or while, so many bytes of text are looked at. False: it is too much, and
  // the evaluation is to end.
  bool Spend(size_t bytes) {
    work_ += bytes;
    return !overspent();
  }
  bool overspent() const { return work_ > kMaxWork; }
  size_t work() const { return work_; }

  // Null if the evaluation has taken too much.
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
