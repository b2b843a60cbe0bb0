// Blocked Bloom filters of the keys of an object: one for each frame, in rows.
//
// Each filter has the same number of blocks of 64 bytes, and a key belongs to one block. Row i
// holds the blocks i of all frames, so that a look-up reads 64 bytes a frame, however many keys
// there are.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace eventhub::lake {

// XXH3 of the key.
uint64_t HashOfLakeKey(absl::string_view key);

// Collects the keys of an object, frame by frame. Thread-compatible.
class KeyFilterBuilder {
 public:
  // Adds a key of the present frame; an empty one is none.
  void Add(absl::string_view key);
  void EndFrame();

  // 0 if there are no keys: then Build() appends nothing.
  uint32_t rows() const;

  // Appends the rows: for each, the blocks of all frames and their CRC32C.
  void Build(std::string* to) const;

 private:
  std::vector<uint64_t> hashes_;  // By frame; within one, ascending.
  std::vector<size_t> ends_;      // Of the frames, in `hashes_`.
  size_t most_ = 0;               // Keys in a frame.
};

// Where a row is, in bytes after the first, and how long it is.
struct FilterRow {
  uint64_t position = 0;
  uint64_t bytes = 0;
};
FilterRow RowOfKey(uint64_t hash, uint32_t rows, size_t frames);

// For each frame, whether it may have the key. DATA_LOSS if the row is damaged.
absl::StatusOr<std::vector<bool>> FramesWithKey(uint64_t hash, size_t frames,
                                                absl::string_view row);

}  // namespace eventhub::lake
