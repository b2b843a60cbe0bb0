// Writes fields in the protobuf wire format behind bytes that are there already.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

#include "absl/strings/string_view.h"
#include "google/protobuf/io/coded_stream.h"

namespace eventhub::wire {

inline size_t VarintSize(uint64_t value) {
  return google::protobuf::io::CodedOutputStream::VarintSize64(value);
}

// Writes at most ten bytes; returns the end.
inline char* WriteVarint(uint64_t value, char* to) {
  return reinterpret_cast<char*>(google::protobuf::io::CodedOutputStream::WriteVarint64ToArray(
      value, reinterpret_cast<uint8_t*>(to)));
}

inline void AppendVarint(uint64_t value, std::string* to) {
  if (value < 0x80) return to->push_back(static_cast<char>(value));
  char encoded[10];
  to->append(encoded, WriteVarint(value, encoded));
}

// A number, unless it is 0, the default.
void AppendNumber(uint32_t field, uint64_t value, std::string* to);
void AppendFixed64(uint32_t field, uint64_t value, std::string* to);

// The tag and the length of a field, whose `size` bytes follow.
inline void AppendHead(uint32_t field, size_t size, std::string* to) {
  AppendVarint(uint64_t{field} << 3 | 2, to);
  AppendVarint(size, to);
}

// A string, bytes or a message.
void AppendBytes(uint32_t field, absl::string_view bytes, std::string* to);

}  // namespace eventhub::wire
