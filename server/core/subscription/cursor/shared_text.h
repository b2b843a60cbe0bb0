// Text that many objects share, such as the reason of failed events.
#pragma once

#include <cstdint>
#include <string>
#include <utility>

#include "absl/strings/string_view.h"

namespace eventhub {

// Immutable text in a single word: pending ranges are many, and most have no text. A copy shares
// the text. Only one thread at a time may use the copies of a text: the count is not atomic.
class SharedText {
 public:
  SharedText() = default;  // Empty.
  explicit SharedText(absl::string_view text)
      : shared_(text.empty() ? nullptr : new Shared{std::string(text)}) {}
  SharedText(const SharedText& other) : shared_(other.shared_) {
    if (shared_ != nullptr) ++shared_->refs;
  }
  SharedText(SharedText&& other) noexcept : shared_(std::exchange(other.shared_, nullptr)) {}
  SharedText& operator=(SharedText other) noexcept {
    std::swap(shared_, other.shared_);
    return *this;
  }
  ~SharedText() {
    if (shared_ != nullptr && --shared_->refs == 0) delete shared_;
  }

  bool empty() const { return shared_ == nullptr; }
  absl::string_view view() const { return empty() ? absl::string_view() : shared_->text; }

  friend bool operator==(const SharedText& a, const SharedText& b) {
    return a.shared_ == b.shared_ || a.view() == b.view();
  }

 private:
  struct Shared {
    const std::string text;
    uint32_t refs = 1;
  };

  Shared* shared_ = nullptr;
};

}  // namespace eventhub
