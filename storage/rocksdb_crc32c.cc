// CRC32C for RocksDB, in hardware.
//
// Debian builds RocksDB for the oldest processor that it supports, so RocksDB checksums each byte
// of the log and of the blob files with table look-ups; as measured, this takes half of all CPU
// time of a store under load. RocksDB calls its checksum function through the dynamic linker, where
// a program's own definition of a symbol takes precedence over a library's: the function in this
// file replaces RocksDB's. It computes the same checksums, so the format on disk is unchanged. If
// the linker does not use it, RocksDB's function is used, and everything is merely slower.
//
// storage/CMakeLists.txt makes the linker include this file; tests in tests/storage verify that it
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
    // The library does not write to its input, and does not invert the checksum, as RocksDB does.
    auto* const bytes = reinterpret_cast<unsigned char*>(const_cast<char*>(data));
    crc = ~crc32_iscsi(bytes, static_cast<int>(piece), ~crc);
    data += piece;
    size -= piece;
  }
  return crc;
}

}  // namespace rocksdb::crc32c
