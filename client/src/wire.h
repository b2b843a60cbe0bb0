// The protobuf wire format, as far as the SDK touches it by hand: events are written into and found
// within larger messages without building those.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace eventhub::client {

// The field that holds the events, in each message that has some.
inline constexpr uint32_t kEventsField = 15;
inline constexpr char kEventsTag = static_cast<char>(kEventsField << 3 | 2);

// Walks over the fields of an encoded message. After Next returned true, `number` and, by the wire
// type, `value` or `bytes` are those of a field. Views point into the message.
class FieldScanner {
 public:
  enum WireType : uint8_t { kVarint = 0, kFixed64 = 1, kLength = 2, kFixed32 = 5 };

  explicit FieldScanner(std::string_view message)
      : p_(message.data()), end_(message.data() + message.size()) {}

  // False at the end and at what is not well formed; see ok().
  bool Next() {
    if (p_ == end_) return false;
    start_ = p_;
    uint64_t tag;
    if (!ReadVarint(tag)) return Fail();
    number = static_cast<uint32_t>(tag >> 3);
    type = static_cast<WireType>(tag & 7);
    if (number == 0 || tag > UINT32_MAX) return Fail();
    switch (type) {
      case kVarint:
        return ReadVarint(value) || Fail();
      case kLength:
        return (ReadVarint(value) && Take(value)) || Fail();
      case kFixed64:
        return TakeFixed64() || Fail();
      case kFixed32:
        return Take(4) || Fail();
    }
    return Fail();  // Groups are in no message of the contract.
  }

  // Whether everything so far was well formed.
  bool ok() const { return ok_; }

  // Where the current field begins, its tag included, and what follows it.
  const char* field_start() const { return start_; }
  std::string_view rest() const { return {p_, static_cast<size_t>(end_ - p_)}; }

  uint32_t number = 0;
  WireType type = kVarint;
  uint64_t value = 0;
  std::string_view bytes;

 private:
  bool Fail() {
    ok_ = false;
    p_ = end_;
    return false;
  }

  bool ReadVarint(uint64_t& out) {
    out = 0;
    for (int shift = 0; shift < 64 && p_ != end_; shift += 7) {
      const uint8_t byte = static_cast<uint8_t>(*p_++);
      out |= static_cast<uint64_t>(byte & 0x7F) << shift;
      if (byte < 0x80) return true;
    }
    return false;
  }

  bool TakeFixed64() {
    if (!Take(8)) return false;
    value = 0;
    for (int i = 7; i >= 0; --i) value = value << 8 | static_cast<uint8_t>(bytes[i]);
    return true;
  }

  bool Take(uint64_t size) {
    if (size > static_cast<uint64_t>(end_ - p_)) return false;
    bytes = {p_, static_cast<size_t>(size)};
    p_ += size;
    return true;
  }

  const char* p_;
  const char* end_;
  const char* start_ = nullptr;
  bool ok_ = true;
};

// How many bytes `value` takes as a varint.
inline size_t VarintSize(uint64_t value) {
  size_t size = 1;
  while (value >= 0x80) {
    value >>= 7;
    ++size;
  }
  return size;
}

// Writes it; returns the end.
inline char* WriteVarint(uint64_t value, char* out) {
  while (value >= 0x80) {
    *out++ = static_cast<char>(value | 0x80);
    value >>= 7;
  }
  *out++ = static_cast<char>(value);
  return out;
}

}  // namespace eventhub::client
