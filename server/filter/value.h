// The value of an event's attribute or of a part of an expression.
#pragma once

#include <cstdint>

#include "absl/strings/string_view.h"

namespace eventhub::filter {

enum class ValueType : uint8_t {
  kMissing,  // The event has no such attribute.
  kBoolean,
  kInteger,
  kString,
  // Only as attributes of an event; expressions see them as strings, made on demand.
  kBinary,
  kTimestamp,
};

// A view: its bytes belong to the event, the compiled filter or a Scratch. Trivially copyable.
class Value {
 public:
  Value() = default;

  static Value Boolean(bool value) { return {ValueType::kBoolean, value ? 1 : 0, nullptr, 0}; }
  static Value Integer(int32_t value) { return {ValueType::kInteger, value, nullptr, 0}; }
  static Value String(absl::string_view value) { return Bytes(ValueType::kString, value); }
  static Value Binary(absl::string_view value) { return Bytes(ValueType::kBinary, value); }
  static Value Timestamp(int64_t seconds, int32_t nanos) {
    return {ValueType::kTimestamp, nanos, nullptr, seconds};
  }
  // The zero value of a type in CESQL's specification: false, 0 or "".
  static Value Zero(ValueType type) {
    if (type == ValueType::kInteger) return Integer(0);
    return type == ValueType::kString ? String("") : Boolean(false);
  }

  ValueType type() const { return type_; }
  bool missing() const { return type_ == ValueType::kMissing; }

  // Each requires its own type.
  bool boolean() const { return number_ != 0; }
  int32_t integer() const { return number_; }
  absl::string_view text() const { return {data_, static_cast<size_t>(size_)}; }
  int64_t seconds() const { return size_; }
  int32_t nanos() const { return number_; }

 private:
  Value(ValueType type, int32_t number, const char* data, int64_t size)
      : type_(type), number_(number), data_(data), size_(size) {}
  static Value Bytes(ValueType type, absl::string_view value) {
    return {type, 0, value.data(), static_cast<int64_t>(value.size())};
  }

  ValueType type_ = ValueType::kMissing;
  int32_t number_ = 0;
  const char* data_ = nullptr;
  int64_t size_ = 0;
};

}  // namespace eventhub::filter
