#include "server/lake/object/object_tail.h"

#include "absl/strings/str_cat.h"
#include "server/lake/store/checksum.h"
#include "server/lake/store/little_endian.h"
#include "storage/base/status_macros.h"

namespace eventhub::lake {
namespace {

constexpr absl::string_view kTailMagic = "EHLAKEIX";
constexpr uint32_t kVersion = 1;

absl::Status Damaged(absl::string_view why) {
  return absl::DataLossError(absl::StrCat("its index is damaged: ", why));
}

uint32_t ChecksumOf(absl::string_view index, absl::string_view footer) {
  return Crc32c(absl::StrCat(index, footer.substr(0, 8)));
}

// The frames follow each other from the beginning, and their runs are in order and add up.
absl::Status CheckFrames(const ObjectIndex& index, uint64_t frames_end) {
  uint64_t position = 0;
  uint64_t raw_bytes = 0;
  const Run* before = nullptr;
  for (const Frame& frame : index.frames()) {
    if (frame.position() != position || frame.bytes() == 0) return Damaged("a frame is elsewhere");
    if (frame.raw_bytes() > kMaxFrameBytes) return Damaged("a frame is too large");
    position += frame.bytes();
    raw_bytes += frame.raw_bytes();
    uint64_t events = 0;
    for (const Run& run : frame.runs()) {
      const bool in_order =
          before == nullptr || before->partition() < run.partition() ||
          (before->partition() == run.partition() && before->last() < run.first());
      if (!in_order || run.first() < 0 || run.first() > run.last() || run.events() == 0 ||
          run.events() - 1 > static_cast<uint64_t>(run.last() - run.first())) {
        return Damaged("the runs of a frame are not in order");
      }
      events += run.events();
      before = &run;
    }
    if (events != frame.events()) return Damaged("the runs of a frame do not add up");
    for (const uint32_t type : frame.types()) {
      if (type >= static_cast<uint32_t>(index.types_size())) return Damaged("a type is missing");
    }
  }
  if (position > frames_end) return Damaged("the frames do not fit the object");
  if (raw_bytes != index.raw_bytes()) return Damaged("the frames do not add up");
  return absl::OkStatus();
}

absl::Status CheckFilter(const KeyFilter& filter, uint64_t frames, uint64_t object_bytes) {
  const uint64_t bytes = filter.rows() * (frames * 64 + 4);
  if (filter.position() > object_bytes || bytes > object_bytes - filter.position()) {
    return Damaged("a filter does not fit the object");
  }
  return absl::OkStatus();
}

}  // namespace

void AppendSkippedHeader(SkippedFrame kind, uint32_t payload_bytes, std::string* to) {
  AppendLittleEndian(static_cast<uint32_t>(kind), to);
  AppendLittleEndian(payload_bytes, to);
}

std::string EncodeTail(const ObjectIndex& index) {
  const std::string payload = index.SerializeAsString();
  std::string footer;
  AppendLittleEndian(kVersion, &footer);
  AppendLittleEndian(static_cast<uint32_t>(payload.size()), &footer);
  AppendLittleEndian(ChecksumOf(payload, footer), &footer);
  footer.append(kTailMagic.data(), kTailMagic.size());
  std::string tail;
  AppendSkippedHeader(SkippedFrame::kIndex, static_cast<uint32_t>(payload.size() + footer.size()),
                      &tail);
  return absl::StrCat(tail, payload, footer);
}

absl::StatusOr<uint64_t> TailBytes(uint64_t object_bytes, absl::string_view footer) {
  if (footer.size() != kFooterBytes || footer.substr(12) != kTailMagic) {
    return Damaged("the object does not end with one");
  }
  if (const auto version = LittleEndian<uint32_t>(footer); version != kVersion) {
    return absl::UnimplementedError(
        absl::StrCat("its index has version ", version, "; this program knows version ", kVersion));
  }
  const uint64_t bytes =
      kSkippedHeaderBytes + LittleEndian<uint32_t>(footer.substr(4)) + kFooterBytes;
  if (bytes > object_bytes) return Damaged("it is longer than the object");
  return bytes;
}

absl::StatusOr<ObjectIndex> DecodeTail(uint64_t object_bytes, absl::string_view tail) {
  if (tail.size() < kFooterBytes) return Damaged("the object is too short");
  const absl::string_view footer = tail.substr(tail.size() - kFooterBytes);
  ASSIGN_OR_RETURN(const uint64_t bytes, TailBytes(object_bytes, footer));
  if (bytes > tail.size()) return Damaged("it is longer than it was said to be");
  tail.remove_prefix(tail.size() - bytes);
  const absl::string_view payload =
      tail.substr(kSkippedHeaderBytes, bytes - kSkippedHeaderBytes - kFooterBytes);
  if (LittleEndian<uint32_t>(footer.substr(8)) != ChecksumOf(payload, footer)) {
    return Damaged("its checksum is wrong");
  }
  if (LittleEndian<uint32_t>(tail) != static_cast<uint32_t>(SkippedFrame::kIndex) ||
      LittleEndian<uint32_t>(tail.substr(4)) != bytes - kSkippedHeaderBytes) {
    return Damaged("its frame has a wrong header");
  }
  ObjectIndex index;
  if (!index.ParseFromArray(payload.data(), static_cast<int>(payload.size()))) {
    return Damaged("it cannot be parsed");
  }
  if (index.version() != kVersion) {
    return absl::UnimplementedError(absl::StrCat("its index has version ", index.version(),
                                                 "; this program knows version ", kVersion));
  }
  if (index.types_size() != index.type_events_size()) return Damaged("it does not count its types");
  RETURN_IF_ERROR(CheckFrames(index, object_bytes - bytes));
  const auto frames = static_cast<uint64_t>(index.frames_size());
  for (const KeyFilter* filter : {&index.ids(), &index.subjects(), &index.correlation_ids()}) {
    RETURN_IF_ERROR(CheckFilter(*filter, frames, object_bytes - bytes));
  }
  return index;
}

}  // namespace eventhub::lake
