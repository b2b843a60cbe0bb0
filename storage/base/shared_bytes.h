// Ref-counted, immutable bytes: the payload of a request is held once, and shared by the commit,
// the tail cache and every reader.
#pragma once

#include <atomic>
#include <cstddef>
#include <string>
#include <utility>

#include "absl/strings/string_view.h"

namespace eventhub {

// A reference to a range of a shared buffer. Copying it copies no bytes. Thread-compatible; the
// reference count is atomic, so copies may be used and destroyed on any thread.
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

  // Returns a new buffer of `size` bytes. The caller fills it through `data` before it makes the
  // first copy.
  static SharedBytes Allocate(size_t size, char** data);
  static SharedBytes Copy(absl::string_view bytes);

  // Takes ownership of the text; copies nothing.
  static SharedBytes Own(std::string text);

  // Wraps bytes owned by somebody else: `release(arg)` is called once, when the last reference is
  // destroyed.
  static SharedBytes Wrap(absl::string_view bytes, void (*release)(void* arg), void* arg);

  absl::string_view view() const { return view_; }
  const char* data() const { return view_.data(); }
  size_t size() const { return view_.size(); }
  bool empty() const { return view_.empty(); }

  // Returns a reference to a part of these bytes, which keeps the whole buffer alive. `part` must
  // be a range within view().
  SharedBytes Sub(absl::string_view part) const;

  // The size of the whole buffer, which a reference to any part keeps alive; and whether `other`
  // refers to the same buffer.
  size_t held_bytes() const { return owner_ == nullptr ? 0 : owner_->size; }
  bool SharesBufferWith(const SharedBytes& other) const { return owner_ == other.owner_; }

  // Pass a reference to C code: the caller of Release() must call Drop() once with the result.
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
