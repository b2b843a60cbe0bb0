#include "server/lake/object/key_filter.h"

#include <xxhash.h>

#include <algorithm>
#include <array>

#include "server/lake/store/checksum.h"
#include "server/lake/store/little_endian.h"

namespace eventhub::lake {
namespace {

constexpr size_t kBlockBytes = 64;
constexpr size_t kBlockBits = kBlockBytes * 8;
constexpr size_t kBitsPerKey = 12;
constexpr size_t kBitsSet = 6;  // By a key, in its block.
constexpr size_t kChecksumBytes = 4;

uint32_t RowIndex(uint64_t hash, uint32_t rows) {
  return static_cast<uint32_t>(((hash >> 32) * rows) >> 32);
}

// The bits of a key, which do not depend on its row.
std::array<size_t, kBitsSet> BitsOf(uint64_t hash) {
  uint64_t mixed = hash * 0x9e3779b97f4a7c15;
  std::array<size_t, kBitsSet> bits;
  for (size_t& bit : bits) {
    bit = mixed >> 55;  // 9 bits.
    mixed <<= 9;
  }
  return bits;
}

}  // namespace

uint64_t HashOfLakeKey(absl::string_view key) { return XXH3_64bits(key.data(), key.size()); }

void KeyFilterBuilder::Add(absl::string_view key) {
  if (!key.empty()) hashes_.push_back(HashOfLakeKey(key));
}

void KeyFilterBuilder::EndFrame() {
  const auto begin = hashes_.begin() + static_cast<ptrdiff_t>(ends_.empty() ? 0 : ends_.back());
  std::sort(begin, hashes_.end());
  hashes_.erase(std::unique(begin, hashes_.end()), hashes_.end());
  most_ = std::max(most_, static_cast<size_t>(hashes_.end() - begin));
  ends_.push_back(hashes_.size());
}

uint32_t KeyFilterBuilder::rows() const {
  return static_cast<uint32_t>((most_ * kBitsPerKey + kBlockBits - 1) / kBlockBits);
}

void KeyFilterBuilder::Build(std::string* to) const {
  const uint32_t rows = this->rows();
  if (rows == 0) return;
  const size_t row_bytes = RowOfKey(0, rows, ends_.size()).bytes;
  const size_t first = to->size();
  to->append(rows * row_bytes, '\0');
  size_t at = 0;
  for (size_t frame = 0; frame < ends_.size(); ++frame) {
    for (; at < ends_[frame]; ++at) {
      char* const block =
          to->data() + first + RowIndex(hashes_[at], rows) * row_bytes + frame * kBlockBytes;
      for (const size_t bit : BitsOf(hashes_[at])) {
        block[bit / 8] = static_cast<char>(block[bit / 8] | 1 << bit % 8);
      }
    }
  }
  for (uint32_t row = 0; row < rows; ++row) {
    char* const begin = to->data() + first + row * row_bytes;
    const size_t blocks = row_bytes - kChecksumBytes;
    std::string checksum;
    AppendLittleEndian(Crc32c({begin, blocks}), &checksum);
    std::copy(checksum.begin(), checksum.end(), begin + blocks);
  }
}

FilterRow RowOfKey(uint64_t hash, uint32_t rows, size_t frames) {
  const uint64_t bytes = frames * kBlockBytes + kChecksumBytes;
  return {.position = RowIndex(hash, rows) * bytes, .bytes = bytes};
}

absl::StatusOr<std::vector<bool>> FramesWithKey(uint64_t hash, size_t frames,
                                                absl::string_view row) {
  const absl::string_view blocks = row.substr(0, frames * kBlockBytes);
  if (row.size() != frames * kBlockBytes + kChecksumBytes ||
      LittleEndian<uint32_t>(row.substr(blocks.size())) != Crc32c(blocks)) {
    return absl::DataLossError("a row of its key filters is damaged");
  }
  std::vector<bool> found(frames);
  const auto bits = BitsOf(hash);
  for (size_t frame = 0; frame < frames; ++frame) {
    const absl::string_view block = blocks.substr(frame * kBlockBytes, kBlockBytes);
    found[frame] = std::all_of(bits.begin(), bits.end(), [block](size_t bit) {
      return (static_cast<uint8_t>(block[bit / 8]) >> bit % 8 & 1) != 0;
    });
  }
  return found;
}

}  // namespace eventhub::lake
