// Where the strings of one evaluation are made.
#pragma once

#include <cstddef>
#include <memory>
#include <vector>

namespace eventhub::filter {

// Memory for the length of one evaluation. What fits the buffer within costs no allocation. Not
// thread-safe; each evaluation has its own.
class Scratch {
 public:
  // What one evaluation may take at most: an expression can multiply long attributes.
  static constexpr size_t kMaxBytes = size_t{16} << 20;

  Scratch() = default;
  Scratch(const Scratch&) = delete;
  Scratch& operator=(const Scratch&) = delete;

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
  size_t used_ = 0;
  size_t more_bytes_ = 0;
  std::vector<std::unique_ptr<char[]>> more_;
  char buffer_[512];
};

}  // namespace eventhub::filter
