#include "storage/record_batch.h"

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "storage/key_codec.h"

namespace eventhub {
namespace {

constexpr uint32_t kVersion = 1;              // Of a log start, and of headers up to format 2.
constexpr uint32_t kVersionWithTypes = 2;     // Of headers since format 3.
constexpr size_t kHeaderSize = 28;            // In version 1.
constexpr size_t kTypesAt = kHeaderSize + 1;  // Preceded by one byte, the number of types.

}  // namespace

std::string BatchHeader::Encode() const {
  std::string value;
  value.reserve(kTypesAt + types.hashes().size() * sizeof(uint32_t));
  AppendLittle32(&value, kVersionWithTypes);
  AppendLittle32(&value, count);
  AppendLittle32(&value, bytes);
  AppendLittle64(&value, static_cast<uint64_t>(append_micros));
  AppendLittle64(&value, bytes_before);
  value.push_back(static_cast<char>(types.hashes().size()));
  for (const uint32_t hash : types.hashes()) AppendLittle32(&value, hash);
  return value;
}

absl::StatusOr<BatchHeader> BatchHeader::Decode(absl::string_view value) {
  const uint32_t version = value.size() < kHeaderSize ? 0 : LoadLittle32(value.data());
  size_t types = 0;
  if (version == kVersionWithTypes && value.size() >= kTypesAt) {
    types = static_cast<uint8_t>(value[kHeaderSize]);
  }
  const size_t size =
      version == kVersionWithTypes ? kTypesAt + types * sizeof(uint32_t) : kHeaderSize;
  if ((version != kVersion && version != kVersionWithTypes) || value.size() != size) {
    return absl::DataLossError(absl::StrCat("batch header of ", value.size(),
                                            " bytes does not have version ", kVersion, " or ",
                                            kVersionWithTypes));
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
  return header;
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
