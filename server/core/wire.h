// Reading protobuf wire format by hand, where a parse into messages would cost a copy per event.
#pragma once

#include <cstddef>
#include <cstdint>

#include "absl/strings/string_view.h"

namespace eventhub {

enum class WireType : uint8_t { kVarint = 0, kFixed64 = 1, kBytes = 2, kFixed32 = 5 };

// Walks over encoded fields. Every method that fails leaves the reader unusable. Never reads beyond
// its input.
class WireReader {
 public:
  explicit WireReader(absl::string_view bytes)
      : pos_(bytes.data()), end_(bytes.data() + bytes.size()) {}

  bool AtEnd() const { return pos_ == end_; }
  const char* position() const { return pos_; }

  bool ReadVarint(uint64_t* value) {
    // Nearly all are of one byte.
    if (pos_ != end_ && static_cast<uint8_t>(*pos_) < 0x80) {
      *value = static_cast<uint8_t>(*pos_++);
      return true;
    }
    return ReadLongVarint(10, value);
  }

  // Field numbers are 1 to 2^29-1. Groups, which proto3 does not have, fail.
  bool ReadTag(uint32_t* field, WireType* type) {
    uint64_t tag;
    if (!ReadShortVarint(&tag) || tag > UINT32_MAX || tag < 8) return false;
    *field = static_cast<uint32_t>(tag >> 3);
    *type = static_cast<WireType>(tag & 7);
    return *type == WireType::kVarint || *type == WireType::kFixed64 || *type == WireType::kBytes ||
           *type == WireType::kFixed32;
  }

  bool ReadBytes(absl::string_view* value) {
    uint64_t size;
    if (!ReadShortVarint(&size) || size > static_cast<uint64_t>(end_ - pos_)) return false;
    *value = absl::string_view(pos_, size);
    pos_ += size;
    return true;
  }

  bool Skip(WireType type) {
    uint64_t varint;
    absl::string_view bytes;
    switch (type) {
      case WireType::kVarint:
        return ReadVarint(&varint);
      case WireType::kBytes:
        return ReadBytes(&bytes);
      case WireType::kFixed64:
        return Advance(8);
      case WireType::kFixed32:
        return Advance(4);
    }
    return false;
  }

 private:
  bool Advance(size_t bytes) {
    if (static_cast<size_t>(end_ - pos_) < bytes) return false;
    pos_ += bytes;
    return true;
  }

  // A tag or a length, of which protobuf's own parsers take no more than five bytes.
  bool ReadShortVarint(uint64_t* value) {
    if (pos_ != end_ && static_cast<uint8_t>(*pos_) < 0x80) {
      *value = static_cast<uint8_t>(*pos_++);
      return true;
    }
    return ReadLongVarint(5, value);
  }

  bool ReadLongVarint(int max_bytes, uint64_t* value) {
    uint64_t result = 0;
    for (int shift = 0; shift < 7 * max_bytes && pos_ != end_; shift += 7) {
      const uint8_t byte = static_cast<uint8_t>(*pos_++);
      result |= static_cast<uint64_t>(byte & 0x7f) << (shift < 64 ? shift : 63);
      if (byte < 0x80) {
        *value = result;
        // The tenth byte has room for one bit only.
        return shift < 63 || byte <= 1;
      }
    }
    return false;
  }

  const char* pos_;
  const char* end_;
};

// The field of the events in requests, in the store and in delivered batches; its number fits a tag
// of one byte.
inline constexpr uint32_t kEventsField = 15;
inline constexpr char kEventsTag = (kEventsField << 3) | 2;

}  // namespace eventhub
