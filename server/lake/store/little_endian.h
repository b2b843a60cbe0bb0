// Numbers of fixed width in files of the lake: little-endian.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

#include "absl/strings/string_view.h"

namespace eventhub::lake {

template <typename Number>
void AppendLittleEndian(Number number, std::string* to) {
  for (size_t i = 0; i < sizeof(Number); ++i) {
    to->push_back(static_cast<char>(static_cast<uint64_t>(number) >> (8 * i) & 0xff));
  }
}

// `bytes` has at least as many bytes as the number.
template <typename Number>
Number LittleEndian(absl::string_view bytes) {
  uint64_t number = 0;
  for (size_t i = 0; i < sizeof(Number); ++i) {
    number |= uint64_t{static_cast<uint8_t>(bytes[i])} << (8 * i);
  }
  return static_cast<Number>(number);
}

}  // namespace eventhub::lake
