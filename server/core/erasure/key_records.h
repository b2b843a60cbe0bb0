// What the store keeps of keys and erasures, in column `meta`; see FORMAT.md.
#pragma once

#include <cstdint>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace eventhub {

struct DataKeyRecord {
  int64_t create_micros = 0;
  std::string wrapped;  // See MasterKeys::Wrap; its context is the key of the record.

  std::string Encode() const;
  static absl::StatusOr<DataKeyRecord> Decode(absl::string_view value);
};

// An erased subject.
struct ErasureRecord {
  int64_t erase_micros = 0;
  uint64_t keys = 0;  // That were destroyed, over all erasures of the subject.
  std::string principal;

  std::string Encode() const;
  static absl::StatusOr<ErasureRecord> Decode(absl::string_view value);
};

// Whether the erasure of its subject destroyed the key.
inline bool Destroys(const ErasureRecord& erasure, const DataKeyRecord& key) {
  return key.create_micros <= erasure.erase_micros;
}

}  // namespace eventhub
