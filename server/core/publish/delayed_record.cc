#include "server/core/publish/delayed_record.h"

#include <charconv>
#include <limits>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "server/core/base/stored_time.h"

namespace eventhub {
namespace {

constexpr uint32_t kDelayedVersion = 1;
constexpr size_t kDelayedHeader = 17;
constexpr size_t kCountSize = 12;
constexpr uint32_t kNoPartition = std::numeric_limits<uint32_t>::max();

bool ParseHex(absl::string_view text, uint64_t* value) {
  const char* const end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data(), end, *value, 16);
  return error == std::errc() && stop == end;
}

}  // namespace

std::string DelayedRecord::Encode() const {
  std::string value;
  value.reserve(kDelayedHeader + event.size());
  AppendLittle32(&value, kDelayedVersion);
  AppendLittle64(&value, static_cast<uint64_t>(accept_micros));
  value.push_back(partition.has_value() ? 1 : 0);
  AppendLittle32(&value, partition.has_value() ? partition->value() : kNoPartition);
  value.append(event.data(), event.size());
  return value;
}

absl::StatusOr<DelayedRecord> DelayedRecord::Decode(absl::string_view value) {
  if (value.size() <= kDelayedHeader || LoadLittle32(value.data()) != kDelayedVersion) {
    return absl::DataLossError(absl::StrCat("the record of a delayed event, of ", value.size(),
                                            " bytes, does not have version ", kDelayedVersion));
  }
  DelayedRecord record;
  record.accept_micros = static_cast<int64_t>(LoadLittle64(value.data() + 4));
  const uint32_t partition = LoadLittle32(value.data() + 13);
  const char named = value[12];
  if (!IsStoredTime(record.accept_micros) || (named != 0 && named != 1) ||
      (named == 1) == (partition == kNoPartition)) {
    return absl::DataLossError("the record of a delayed event is damaged");
  }
  if (named == 1) record.partition = PartitionId(partition);
  record.event = value.substr(kDelayedHeader);
  return record;
}

std::string EncodeDelayedCount(uint64_t count) {
  std::string value;
  AppendLittle32(&value, kDelayedVersion);
  AppendLittle64(&value, count);
  return value;
}

absl::StatusOr<uint64_t> DecodeDelayedCount(absl::string_view value) {
  if (value.size() != kCountSize || LoadLittle32(value.data()) != kDelayedVersion) {
    return absl::DataLossError(absl::StrCat("the number of delayed events, of ", value.size(),
                                            " bytes, does not have version ", kDelayedVersion));
  }
  return LoadLittle64(value.data() + 4);
}

std::string DelayIdOf(const DelayedKey& key) {
  return absl::StrCat(absl::Hex(key.due_micros), "-", absl::Hex(key.sequence));
}

std::optional<DelayedKey> ParseDelayId(TopicId topic, absl::string_view id) {
  const std::pair<absl::string_view, absl::string_view> parts =
      absl::StrSplit(id, absl::MaxSplits('-', 1));
  uint64_t due;
  DelayedKey key{topic};
  if (!ParseHex(parts.first, &due) || !ParseHex(parts.second, &key.sequence)) return std::nullopt;
  key.due_micros = static_cast<int64_t>(due);
  // Only the canonical form is valid.
  if (key.due_micros < 0 || DelayIdOf(key) != id) return std::nullopt;
  return key;
}

}  // namespace eventhub
