#include "server/lake/read/partition_cursor.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "storage/base/status_macros.h"

namespace eventhub::lake {
namespace {

const OffsetRange* RangeOf(const ObjectRecord& object, uint32_t partition) {
  const auto found = std::find_if(
      object.ranges().begin(), object.ranges().end(),
      [partition](const OffsetRange& range) { return range.partition() == partition; });
  return found == object.ranges().end() ? nullptr : &*found;
}

template <typename Message>
bool Overlaps(const Message& message, const ReadRange& range) {
  return message.last_append_micros() >= range.from_micros &&
         message.first_append_micros() < range.to_micros;
}

}  // namespace

bool MayHave(const ObjectRecord& object, const ReadRange& range) {
  if (object.events() == 0 || !Overlaps(object, range)) return false;
  if (range.type.empty() || object.other_events() > 0) return true;
  return std::any_of(object.types().begin(), object.types().end(),
                     [&range](const TypeCount& type) { return type.type() == range.type; });
}

absl::StatusOr<bool> IsIn(const ReadRange& range, const EventPosition& position,
                          absl::string_view line) {
  if (position.offset < range.from_offset || position.offset >= range.to_offset ||
      position.append_micros < range.from_micros || position.append_micros >= range.to_micros) {
    return false;
  }
  if (range.type.empty() && range.matches == nullptr) return true;
  const absl::StatusOr<std::string> encoded = EncodedOf(line);
  if (!encoded.ok()) {
    return absl::DataLossError(absl::StrCat("a line is no event: ", encoded.status().message()));
  }
  if (!range.type.empty() && KeysOf(*encoded).type != range.type) return false;
  return range.matches == nullptr || range.matches(*encoded);
}

PartitionCursor::PartitionCursor(const ObjectStore& store, const LakeTopic& topic,
                                 const Manifest& manifest, uint32_t partition, ReadRange range)
    : store_(store), topic_(topic), partition_(partition), range_(std::move(range)) {
  std::vector<std::pair<int64_t, const ObjectRecord*>> found;
  for (const auto& [sequence, object] : manifest.objects()) {
    const OffsetRange* const offsets = RangeOf(object, partition);
    if (offsets == nullptr || offsets->events() == 0 || offsets->end() <= range_.from_offset ||
        offsets->begin() >= range_.to_offset || !MayHave(object, range_)) {
      continue;
    }
    found.emplace_back(offsets->begin(), &object);
  }
  std::sort(found.begin(), found.end());
  for (const auto& [begin, object] : found) objects_.push_back(object);
}

absl::StatusOr<bool> PartitionCursor::Next() {
  for (;;) {
    ASSIGN_OR_RETURN(const bool found, NextInFrame());
    if (found) return true;
    ASSIGN_OR_RETURN(const bool has_frame, NextFrame());
    if (has_frame) continue;
    ASSIGN_OR_RETURN(const bool has_object, NextObject());
    if (!has_object) return false;
  }
}

absl::StatusOr<bool> PartitionCursor::NextInFrame() {
  absl::string_view line;
  while (lines_.Next(&line)) {
    const std::optional<EventPosition> position = PositionOf(line);
    if (!position) {
      return absl::DataLossError(absl::StrCat(reader_->name(), ": a line has no position"));
    }
    if (position->partition != partition_) continue;
    const absl::StatusOr<bool> wanted = IsIn(range_, *position, line);
    if (!wanted.ok()) {
      return absl::DataLossError(absl::StrCat(reader_->name(), ": ", wanted.status().message()));
    }
    if (!*wanted) continue;
    event_ = {.position = *position, .line = line};
    return true;
  }
  return false;
}

absl::StatusOr<bool> PartitionCursor::NextFrame() {
  if (!reader_) return false;
  while (next_frame_ < reader_->index().frames_size()) {
    if (Wants(reader_->index().frames(next_frame_))) {
      ASSIGN_OR_RETURN(lines_, reader_->ReadFrame(next_frame_));
      ++next_frame_;
      return true;
    }
    ++next_frame_;
  }
  return false;
}

bool PartitionCursor::Wants(const Frame& frame) const {
  if (!Overlaps(frame, range_)) return false;
  const bool has_offsets =
      std::any_of(frame.runs().begin(), frame.runs().end(), [this](const Run& run) {
        return run.partition() == partition_ && run.last() >= range_.from_offset &&
               run.first() < range_.to_offset;
      });
  if (!has_offsets || range_.type.empty() || frame.types().empty()) return has_offsets;
  const auto& names = reader_->index().types();
  return std::any_of(frame.types().begin(), frame.types().end(), [&](uint32_t type) {
    return names.Get(static_cast<int>(type)) == range_.type;
  });
}

absl::StatusOr<bool> PartitionCursor::NextObject() {
  if (next_object_ == objects_.size()) return false;
  const ObjectRecord& object = *objects_[next_object_];
  ASSIGN_OR_RETURN(ObjectReader reader, ObjectReader::Open(store_, ObjectName(topic_, object),
                                                           object.bytes(), object.tail_bytes()));
  if (reader_) bytes_read_ += reader_->bytes_read();
  reader_ = std::move(reader);
  ++next_object_;
  next_frame_ = 0;
  lines_ = FrameLines();
  return true;
}

}  // namespace eventhub::lake
