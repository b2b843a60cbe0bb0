#include "server/core/erasure/key_records.h"

#include "absl/strings/str_cat.h"
#include "server/core/base/stored_time.h"
#include "server/core/erasure/master_keys.h"
#include "storage/key_codec.h"

namespace eventhub {
namespace {

constexpr uint32_t kKeyRecordVersion = 1;
constexpr size_t kKeyRecordHeader = 12;
constexpr size_t kErasureHeader = 20;

}  // namespace

std::string DataKeyRecord::Encode() const {
  std::string value;
  AppendLittle32(&value, kKeyRecordVersion);
  AppendLittle64(&value, static_cast<uint64_t>(create_micros));
  return absl::StrCat(value, wrapped);
}

absl::StatusOr<DataKeyRecord> DataKeyRecord::Decode(absl::string_view value) {
  if (value.size() != kKeyRecordHeader + MasterKeys::kWrappedBytes ||
      LoadLittle32(value.data()) != kKeyRecordVersion) {
    return absl::DataLossError(absl::StrCat("the record of a data key, of ", value.size(),
                                            " bytes, does not have version ", kKeyRecordVersion));
  }
  return DataKeyRecord{static_cast<int64_t>(LoadLittle64(value.data() + 4)),
                       std::string(value.substr(kKeyRecordHeader))};
}

std::string ErasureRecord::Encode() const {
  std::string value;
  AppendLittle32(&value, kKeyRecordVersion);
  AppendLittle64(&value, static_cast<uint64_t>(erase_micros));
  AppendLittle64(&value, keys);
  return absl::StrCat(value, principal);
}

absl::StatusOr<ErasureRecord> ErasureRecord::Decode(absl::string_view value) {
  if (value.size() < kErasureHeader || LoadLittle32(value.data()) != kKeyRecordVersion) {
    return absl::DataLossError(absl::StrCat("the record of an erasure, of ", value.size(),
                                            " bytes, does not have version ", kKeyRecordVersion));
  }
  ErasureRecord record{static_cast<int64_t>(LoadLittle64(value.data() + 4)),
                       LoadLittle64(value.data() + 12), std::string(value.substr(kErasureHeader))};
  if (!IsStoredTime(record.erase_micros)) {
    return absl::DataLossError("the record of an erasure is damaged");
  }
  return record;
}

}  // namespace eventhub
