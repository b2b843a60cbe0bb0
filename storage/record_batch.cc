#include "storage/record_batch.h"

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "storage/key_codec.h"

namespace eventhub {
namespace {

constexpr uint32_t kVersion = 1;

}  // namespace

std::string BatchHeader::Encode() const {
  std::string value;
  value.reserve(kEncodedSize);
  AppendLittle32(&value, kVersion);
  AppendLittle32(&value, count);
  AppendLittle32(&value, bytes);
  AppendLittle64(&value, static_cast<uint64_t>(append_micros));
  AppendLittle64(&value, bytes_before);
  return value;
}

absl::StatusOr<BatchHeader> BatchHeader::Decode(absl::string_view value) {
  if (value.size() != kEncodedSize || LoadLittle32(value.data()) != kVersion) {
    return absl::DataLossError(
        absl::StrCat("batch header of ", value.size(), " bytes is not of version ", kVersion));
  }
  BatchHeader header;
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
        absl::StrCat("log start of ", value.size(), " bytes is not of version ", kVersion));
  }
  return LogPosition{Offset(static_cast<int64_t>(LoadLittle64(value.data() + 4))),
                     LoadLittle64(value.data() + 12)};
}

}  // namespace eventhub
