// Converts views to RocksDB's type.
#pragma once

#include "absl/strings/string_view.h"
#include "rocksdb/slice.h"

namespace eventhub {

inline rocksdb::Slice ToSlice(absl::string_view view) { return {view.data(), view.size()}; }

}  // namespace eventhub
