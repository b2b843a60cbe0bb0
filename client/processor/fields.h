// Encodes and decodes the numbers and bytes of records.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace eventhub::processor::internal {

// Big-endian, so that keys sort by number.
inline void PutNumber(uint64_t number, size_t bytes, std::string& to) {
  for (size_t i = bytes; i-- > 0;) to.push_back(static_cast<char>(number >> (8 * i)));
}

// Takes fields from the front. After a missing field, all further reads fail.
class Fields {
 public:
  explicit Fields(std::string_view bytes) : rest_(bytes) {}

  uint64_t Number(size_t bytes) {
    uint64_t number = 0;
    for (const char c : Bytes(bytes)) number = number << 8 | static_cast<uint8_t>(c);
    return number;
  }
  std::string_view Bytes(size_t size) {
    if (size > rest_.size()) {
      failed_ = true;
      rest_ = {};
      return {};
    }
    const std::string_view bytes = rest_.substr(0, size);
    rest_.remove_prefix(size);
    return bytes;
  }
  std::string_view Rest() { return Bytes(rest_.size()); }

  bool ok() const { return !failed_; }
  bool done() const { return !failed_ && rest_.empty(); }

 private:
  std::string_view rest_;
  bool failed_ = false;
};

}  // namespace eventhub::processor::internal
