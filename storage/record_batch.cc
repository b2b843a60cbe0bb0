#include "storage/record_batch.h"

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "storage/key_codec.h"

namespace eventhub {
namespace {

constexpr uint32_t kVersion = 1;              // Of a log start, and of headers up to format 2.
constexpr uint32_t kVersionWithTypes = 2;     // Of headers since format 3.
constexpr uint32_t kVersionWithRemoved = 3;   // Of headers of compacted batches, since format 4.
constexpr size_t kHeaderSize = 28;            // In version 1.
constexpr size_t kTypesAt = kHeaderSize + 1;  // Preceded by one byte, the number of types.
constexpr size_t kRemovedSize = 12;           // After the types.

}  // namespace

std::string BatchHeader::Encode() const {
  std::string value;
  value.reserve(kTypesAt + types.hashes().size() * sizeof(uint32_t) + kRemovedSize);
  AppendLittle32(&value, removed == 0 ? kVersionWithTypes : kVersionWithRemoved);
  AppendLittle32(&value, count);
  AppendLittle32(&value, bytes);
  AppendLittle64(&value, static_cast<uint64_t>(append_micros));
  AppendLittle64(&value, bytes_before);
  value.push_back(static_cast<char>(types.hashes().size()));
  for (const uint32_t hash : types.hashes()) AppendLittle32(&value, hash);
  if (removed == 0) return value;
  AppendLittle32(&value, removed);
  AppendLittle64(&value, removed_bytes);
  return value;
}

absl::StatusOr<BatchHeader> BatchHeader::Decode(absl::string_view value) {
  const uint32_t version = value.size() < kHeaderSize ? 0 : LoadLittle32(value.data());
  size_t types = 0;
  if (version >= kVersionWithTypes && value.size() >= kTypesAt) {
    types = static_cast<uint8_t>(value[kHeaderSize]);
  }
  const size_t removed_at = kTypesAt + types * sizeof(uint32_t);
  const size_t size = version < kVersionWithTypes     ? kHeaderSize
                      : version < kVersionWithRemoved ? removed_at
                                                      : removed_at + kRemovedSize;
  if (version < kVersion || version > kVersionWithRemoved || value.size() != size) {
    return absl::DataLossError(absl::StrCat("batch header of ", value.size(),
                                            " bytes does not have version ", kVersion, " to ",
                                            kVersionWithRemoved));
  }
  BatchHeader header;
  if (types == 0) header.types = TypeSummary::Any();
  for (size_t i = 0; i < types; ++i) {
    const uint32_t hash = LoadLittle32(value.data() + kTypesAt + i * sizeof(uint32_t));
    const absl::Span<const uint32_t> before = header.types.hashes();
    if (types > TypeSummary::kMaxTypes || (i > 0 && hash <= before.back())) {
      return absl::DataLossError("the types of a batch header are damaged");
    }
    header.types.Add(hash);
  }
  header.count = LoadLittle32(value.data() + 4);
  header.bytes = LoadLittle32(value.data() + 8);
  header.append_micros = static_cast<int64_t>(LoadLittle64(value.data() + 12));
  header.bytes_before = LoadLittle64(value.data() + 20);
  if (version < kVersionWithRemoved) return header;
  header.removed = LoadLittle32(value.data() + removed_at);
  header.removed_bytes = LoadLittle64(value.data() + removed_at + 4);
  if (header.removed == 0 || header.removed > header.count ||
      (header.gone() && header.bytes != 0)) {
    return absl::DataLossError("the removed events of a batch header are damaged");
  }
  return header;
}

LogPosition EndOf(Offset base, const BatchHeader& header) {
  return {base + header.count, header.bytes_before + header.bytes + header.removed_bytes};
}

std::string LogPosition::Encode() const {
  std::string value;
  value.reserve(kEncodedSize);
  AppendLittle32(&value, kVersion);
  AppendLittle64(&value, static_cast<uint64_t>(offset.value()));
  AppendLittle64(&value, bytes_before);
  return value;
}

absl::StatusOr<LogPosition> LogPosition::Decode(absl::string_view value) {
  if (value.size() != kEncodedSize || LoadLittle32(value.data()) != kVersion) {
    return absl::DataLossError(
        absl::StrCat("log start of ", value.size(), " bytes does not have version ", kVersion));
  }
  return LogPosition{Offset(static_cast<int64_t>(LoadLittle64(value.data() + 4))),
                     LoadLittle64(value.data() + 12)};
}

}  // namespace eventhub
