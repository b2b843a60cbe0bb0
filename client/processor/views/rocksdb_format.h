// The format of a view in RocksDB; see client/processor/FORMAT.md.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "eventhub/processor/view_store.h"

namespace eventhub::processor::internal {

inline constexpr char kViewMetaKey[] = "m";

struct ViewMeta {
  uint64_t generation = 0;
  uint64_t building = 0;
  std::string revision;
};
std::string EncodeViewMeta(const ViewMeta& meta);
// Unset if it is malformed, or has another version.
std::optional<ViewMeta> DecodeViewMeta(std::string_view bytes);

// The beginning of the keys of a generation's positions or rows.
std::string ViewPositionPrefix(uint64_t generation);
std::string ViewRowPrefix(uint64_t generation);
std::string ViewPositionKey(uint64_t generation, uint32_t partition);
std::optional<uint32_t> PartitionInKey(std::string_view key);
std::string EncodeViewPosition(int64_t offset);
std::optional<int64_t> DecodeViewPosition(std::string_view bytes);

struct StoredRow {
  int64_t version = 0;
  int64_t offset = 0;
  bool deleted = false;
  std::vector<Value> values{};
};
std::string EncodeStoredRow(const RowWrite& write);
// The version, offset and `deleted` alone; or everything.
bool DecodeStoredRow(std::string_view bytes, bool with_values, StoredRow& row);

}  // namespace eventhub::processor::internal
