// Reads the protobuf wire format in place, where a parse into messages would copy each event.
//
//     wire::FieldReader field(event);
//     while (field.Next()) {
//       if (field.Is(v1::Event::kTypeFieldNumber)) type = field.bytes();
//     }
//     if (!field.ok()) return Malformed();
#pragma once

#include <cstddef>
#include <cstdint>

#include "absl/base/attributes.h"

namespace eventhub::wire {

// Groups are not part of proto3.
enum class WireType : uint8_t { kVarint = 0, kFixed64 = 1, kBytes = 2, kFixed32 = 5 };

struct LongVarint {
  uint64_t value;
  const char* end;  // Null: it is malformed.
};

// A varint of at most `max_bytes`, which begins at `at`.
LongVarint ReadLongVarint(const char* at, const char* end, int max_bytes);

// Walks over the fields of an encoded message. Accepts nothing that protobuf's own parser refuses,
// and never reads beyond the message. The views it returns point into the message, which must
// outlive them.
//
// `View` is the string view of the caller: absl::string_view or std::string_view.
template <typename View>
class FieldReader {
 public:
  explicit FieldReader(View message)
      : begin_(message.data()),
        at_(message.data()),
        end_(message.data() + message.size()),
        field_(at_) {}

  // Reads the next field. False at the end of the message and at bytes that are malformed: see
  // ok().
  //
  // Inlined so that the reader's members stay in registers.
  ABSL_ATTRIBUTE_ALWAYS_INLINE bool Next() {
    field_ = at_;
    number_ = 0;
    if (at_ == end_) return false;
    uint64_t tag;
    if (!ReadVarint(5, &tag) || tag > UINT32_MAX || tag < 8) return Fail();
    type_ = static_cast<WireType>(tag & 7);
    number_ = static_cast<uint32_t>(tag >> 3);
    // Nearly all fields are bytes or varints: a switch would jump through a table.
    if (type_ == WireType::kBytes) return ReadBytes() || Fail();
    if (type_ == WireType::kVarint) return ReadVarint(10, &value_) || Fail();
    if (type_ == WireType::kFixed64) return ReadFixed<8>() || Fail();
    if (type_ == WireType::kFixed32) return ReadFixed<4>() || Fail();
    number_ = 0;
    return Fail();
  }

  // Whether every field so far was well-formed. After a failure, number() is that of the field, or
  // 0 if the tag itself is at fault.
  bool ok() const { return ok_; }

  uint32_t number() const { return number_; }
  WireType type() const { return type_; }
  bool Is(uint32_t number, WireType type = WireType::kBytes) const {
    return number_ == number && type_ == type;
  }

  // Of a varint or a fixed number.
  uint64_t value() const { return value_; }
  // Of a field of type kBytes: a string, bytes, a message, or packed numbers.
  View bytes() const { return bytes_; }

  // The current field with its tag, and what comes before and after it.
  View field() const { return ViewOf(field_, at_); }
  View before() const { return ViewOf(begin_, field_); }
  View after() const { return ViewOf(at_, end_); }

 private:
  static View ViewOf(const char* from, const char* to) {
    return View(from, static_cast<size_t>(to - from));
  }

  bool Fail() {
    ok_ = false;
    at_ = end_;
    return false;
  }

  bool ReadBytes() {
    uint64_t size;
    if (!ReadVarint(5, &size) || size > static_cast<uint64_t>(end_ - at_)) return false;
    bytes_ = View(at_, size);
    at_ += size;
    return true;
  }

  template <int kBytes>
  bool ReadFixed() {
    if (end_ - at_ < kBytes) return false;
    value_ = 0;
    for (int i = kBytes - 1; i >= 0; --i) value_ = value_ << 8 | static_cast<uint8_t>(at_[i]);
    at_ += kBytes;
    return true;
  }

  // Of a tag or a length, protobuf's parser takes at most five bytes.
  ABSL_ATTRIBUTE_ALWAYS_INLINE bool ReadVarint(int max_bytes, uint64_t* value) {
    if (at_ != end_ && static_cast<uint8_t>(*at_) < 0x80) {
      *value = static_cast<uint8_t>(*at_++);  // As nearly always.
      return true;
    }
    const LongVarint varint = ReadLongVarint(at_, end_, max_bytes);
    if (varint.end == nullptr) return false;
    at_ = varint.end;
    *value = varint.value;
    return true;
  }

  const char* begin_;
  const char* at_;
  const char* end_;
  const char* field_;
  uint32_t number_ = 0;
  WireType type_ = WireType::kVarint;
  bool ok_ = true;
  uint64_t value_ = 0;
  View bytes_;
};

// The last value of a field of type kBytes, which is the one that holds. Empty if there is none, or
// the message is malformed.
template <typename View>
View LastBytes(View message, uint32_t number) {
  FieldReader<View> field(message);
  View last;
  while (field.Next()) {
    if (field.Is(number)) last = field.bytes();
  }
  return field.ok() ? last : View();
}

}  // namespace eventhub::wire
