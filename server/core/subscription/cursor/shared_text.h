// Text that many objects share, such as the reason of failed events.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>

#include "absl/strings/string_view.h"
#include "server/core/base/memory_meter.h"

namespace eventhub {

// Immutable text in a single word: pending ranges are many, and most have no text. A copy shares
// the text. Only one thread at a time may use the copies of a text: the count is not atomic.
class SharedText {
 public:
  SharedText() = default;  // Empty.
  // The meter, if any, counts the memory of the text, once.
  explicit SharedText(absl::string_view text, MemoryMeter* meter = nullptr)
      : shared_(text.empty() ? nullptr : new Shared(text, meter)) {}
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

  // The memory of a text of this length.
  static constexpr size_t MemoryOf(size_t length) { return sizeof(Shared) + kAllocations + length; }

  bool empty() const { return shared_ == nullptr; }
  absl::string_view view() const { return empty() ? absl::string_view() : shared_->text; }

  friend bool operator==(const SharedText& a, const SharedText& b) {
    return a.shared_ == b.shared_ || a.view() == b.view();
  }

 private:
  // The allocator's overhead, of two allocations.
  static constexpr size_t kAllocations = 32;

  struct Shared {
    Shared(absl::string_view from, MemoryMeter* counted_by) : text(from), meter(counted_by) {
      if (meter != nullptr) meter->Add(MemoryOf(text.size()));
    }
    ~Shared() {
      if (meter != nullptr) meter->Release(MemoryOf(text.size()));
    }

    const std::string text;
    MemoryMeter* const meter;
    uint32_t refs = 1;
  };

  Shared* shared_ = nullptr;
};

}  // namespace eventhub
