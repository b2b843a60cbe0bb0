// Ref-counted, immutable bytes: what a request brought is held once, for the commit, the tail cache
// and every reader.
#pragma once

#include <atomic>
#include <cstddef>
#include <utility>

#include "absl/strings/string_view.h"

namespace eventhub {

// A reference to a range of a shared buffer. Copying it copies no bytes. Thread-compatible; the
// buffer's count is atomic, so that copies may be used and dropped on any thread.
class SharedBytes {
 public:
  SharedBytes() = default;
  SharedBytes(const SharedBytes& other) : owner_(other.owner_), view_(other.view_) { Ref(); }
  SharedBytes(SharedBytes&& other) noexcept
      : owner_(std::exchange(other.owner_, nullptr)), view_(std::exchange(other.view_, {})) {}
  SharedBytes& operator=(const SharedBytes& other) {
    SharedBytes copy(other);
    return *this = std::move(copy);
  }
  SharedBytes& operator=(SharedBytes&& other) noexcept {
    std::swap(owner_, other.owner_);
    std::swap(view_, other.view_);
    return *this;
  }
  ~SharedBytes() { Unref(); }

  // A new buffer of `size` bytes, to be filled through `data` before the first copy is made.
  static SharedBytes Allocate(size_t size, char** data);
  static SharedBytes Copy(absl::string_view bytes);

  // Bytes that live elsewhere: `release(arg)` is called once when the last reference is gone.
  static SharedBytes Wrap(absl::string_view bytes, void (*release)(void* arg), void* arg);

  absl::string_view view() const { return view_; }
  const char* data() const { return view_.data(); }
  size_t size() const { return view_.size(); }
  bool empty() const { return view_.empty(); }

  // A part of these bytes, which holds the whole buffer. `part` must be a range within view().
  SharedBytes Sub(absl::string_view part) const;

  // The size of the buffer, all of which is held by a part of it; and whether it is another's too.
  size_t held_bytes() const { return owner_ == nullptr ? 0 : owner_->size; }
  bool SharesBufferWith(const SharedBytes& other) const { return owner_ == other.owner_; }

  // For handing a reference to C code: the caller of Release() owes one call of Drop() with the
  // result.
  static void Drop(void* owner);
  void* Release() && {
    view_ = {};
    return std::exchange(owner_, nullptr);
  }

 private:
  struct Owner {
    std::atomic<int> refs{1};
    void (*release)(void* arg) = nullptr;
    void* arg = nullptr;
    size_t size = 0;
  };

  void Ref() const {
    if (owner_ != nullptr) owner_->refs.fetch_add(1, std::memory_order_relaxed);
  }
  void Unref() {
    if (owner_ != nullptr) Drop(owner_);
  }

  Owner* owner_ = nullptr;
  absl::string_view view_;
};

}  // namespace eventhub
