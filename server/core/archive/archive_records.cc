#include "server/core/archive/archive_records.h"

#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "storage/base/status_macros.h"
#include "storage/key_codec.h"

namespace eventhub {
namespace {

constexpr uint32_t kArchiveVersion = 1;
constexpr uint32_t kPositionVersion = 2;
constexpr size_t kPositionBytes = 36;
// Without its last field.
constexpr uint32_t kFirstPositionVersion = 1;
constexpr size_t kFirstPositionBytes = 28;

absl::Status DamagedArchive(TopicId topic, absl::string_view problem) {
  return absl::DataLossError(
      absl::StrCat("the archive of topic id ", topic.value(), ": ", problem));
}

}  // namespace

std::string ArchivePosition::Encode() const {
  std::string value;
  AppendLittle32(&value, kPositionVersion);
  AppendLittle64(&value, static_cast<uint64_t>(to.offset.value()));
  AppendLittle64(&value, to.bytes_before);
  AppendLittle64(&value, missing);
  AppendLittle64(&value, static_cast<uint64_t>(begin.value()));
  return value;
}

absl::StatusOr<ArchivePosition> ArchivePosition::Decode(absl::string_view value) {
  const uint32_t version = value.size() < 4 ? 0 : LoadLittle32(value.data());
  const bool first = version == kFirstPositionVersion && value.size() == kFirstPositionBytes;
  if (!first && (version != kPositionVersion || value.size() != kPositionBytes)) {
    return absl::DataLossError(absl::StrCat("a position of ", value.size(),
                                            " bytes does not have version ", kPositionVersion));
  }
  ArchivePosition position;
  position.to.offset = Offset(static_cast<int64_t>(LoadLittle64(value.data() + 4)));
  position.to.bytes_before = LoadLittle64(value.data() + 12);
  position.missing = LoadLittle64(value.data() + 20);
  // Missing events are mostly those from before the lake.
  position.begin =
      Offset(static_cast<int64_t>(first ? position.missing : LoadLittle64(value.data() + 28)));
  if (position.begin < Offset(0) || position.begin > position.to.offset) {
    return absl::DataLossError("a position contradicts itself");
  }
  return position;
}

absl::StatusOr<ArchiveRecords> LoadArchive(const LogStore& store, TopicId topic) {
  ArchiveRecords records;
  ASSIGN_OR_RETURN(const std::optional<std::string> value,
                   store.Get(Column::kMeta, ArchiveKey(topic)));
  records.archive.set_version(kArchiveVersion);
  if (!value.has_value()) return records;
  if (!records.archive.ParseFromString(*value) || records.archive.version() != kArchiveVersion) {
    return DamagedArchive(topic, "its record is damaged, or of a newer version");
  }
  absl::Status damage;
  RETURN_IF_ERROR(
      store.Scan(Column::kMeta, ArchivePositionPrefix(topic),
                 [&](absl::string_view key, absl::string_view stored) {
                   const auto place = ParseArchivePositionKey(key);
                   absl::StatusOr<ArchivePosition> position = ArchivePosition::Decode(stored);
                   if (!place.has_value() || place->second.value() < records.positions.size()) {
                     damage = DamagedArchive(topic, "a key is damaged");
                   } else if (!position.ok()) {
                     damage = DamagedArchive(topic, position.status().message());
                   } else {
                     records.positions.resize(place->second.value());
                     records.positions.push_back(*position);
                   }
                   return damage.ok();
                 }));
  RETURN_IF_ERROR(damage);
  return records;
}

}  // namespace eventhub
