// CRC32C for RocksDB, in hardware.
//
// Debian builds its RocksDB for the oldest processor it supports, so that each byte of the log and
// of the blob files is checksummed with table look-ups; measured, that is half of all CPU time of a
// store under load. RocksDB calls its own checksum through the dynamic linker, and a program's own
// definition of a symbol comes before a library's: the function here takes the place of RocksDB's.
// It computes the same sums, so nothing on disk changes; where the linker does not let it in,
// RocksDB's is used and everything is only slower.
//
// The linker is told to take this file in by storage/CMakeLists.txt; tests/storage proves that it
// does.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <limits>

#include "isa-l/crc.h"

namespace rocksdb::crc32c {

uint32_t Extend(uint32_t crc, const char* data, size_t size);

uint32_t Extend(uint32_t crc, const char* data, size_t size) {
  constexpr size_t kMaxPiece = std::numeric_limits<int>::max();
  while (size > 0) {
    const size_t piece = std::min(size, kMaxPiece);
    // The library neither writes to its input nor inverts the sum, which RocksDB does.
    auto* const bytes = reinterpret_cast<unsigned char*>(const_cast<char*>(data));
    crc = ~crc32_iscsi(bytes, static_cast<int>(piece), ~crc);
    data += piece;
    size -= piece;
  }
  return crc;
}

}  // namespace rocksdb::crc32c
