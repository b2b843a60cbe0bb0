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

int64_t EndOf(const Manifest& manifest, uint32_t partition) {
  const auto archived = manifest.archived().find(partition);
  return archived == manifest.archived().end() ? 0 : archived->second.end;
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
    : store_(store),
      topic_(topic),
      partition_(partition),
      range_(std::move(range)),
      end_offset_(std::min(range_.to_offset, EndOf(manifest, partition))),
      next_offset_(range_.from_offset) {
  TakeObjects(manifest);
}

void PartitionCursor::TakeObjects(const Manifest& manifest) {
  objects_.clear();
  next_object_ = 0;
  for (const auto& [sequence, object] : manifest.objects()) {
    const OffsetRange* const offsets = RangeOf(object, partition_);
    if (offsets == nullptr || offsets->events() == 0 || offsets->end() <= next_offset_ ||
        offsets->begin() >= end_offset_ || !MayHave(object, range_)) {
      continue;
    }
    objects_.push_back({.begin = offsets->begin(),
                        .hour = object.hour(),
                        .sequence = object.sequence(),
                        .hash = object.hash(),
                        .bytes = object.bytes(),
                        .tail_bytes = object.tail_bytes()});
  }
  std::sort(objects_.begin(), objects_.end(),
            [](const Ref& a, const Ref& b) { return a.begin < b.begin; });
}

absl::Status PartitionCursor::GoOnWithout(const Ref& object, const absl::Status& missing) {
  ASSIGN_OR_RETURN(const Manifest manifest, Manifest::Load(store_, topic_));
  const auto live = manifest.objects().find(object.sequence);
  if (live != manifest.objects().end() && live->second.hash() == object.hash) return missing;
  if (reader_) bytes_read_ += reader_->bytes_read();
  reader_.reset();
  lines_ = FrameLines();
  TakeObjects(manifest);
  return absl::OkStatus();
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
    if (position->partition != partition_ || position->offset < next_offset_ ||
        position->offset >= end_offset_) {
      continue;
    }
    next_offset_ = position->offset + 1;
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
      absl::StatusOr<FrameLines> lines = reader_->ReadFrame(next_frame_);
      if (absl::IsNotFound(lines.status())) {
        RETURN_IF_ERROR(GoOnWithout(objects_[next_object_ - 1], lines.status()));
        return false;
      }
      if (!lines.ok()) return lines.status();
      lines_ = *std::move(lines);
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
        return run.partition() == partition_ && run.last() >= next_offset_ &&
               run.first() < end_offset_;
      });
  if (!has_offsets || range_.type.empty() || frame.types().empty()) return has_offsets;
  const auto& names = reader_->index().types();
  return std::any_of(frame.types().begin(), frame.types().end(), [&](uint32_t type) {
    return names.Get(static_cast<int>(type)) == range_.type;
  });
}

absl::StatusOr<bool> PartitionCursor::NextObject() {
  if (next_object_ == objects_.size()) return false;
  const Ref object = objects_[next_object_];
  absl::StatusOr<ObjectReader> reader = ObjectReader::Open(
      store_, ObjectName(topic_.directory, object.hour, object.sequence, object.hash), object.bytes,
      object.tail_bytes);
  if (absl::IsNotFound(reader.status())) {
    RETURN_IF_ERROR(GoOnWithout(object, reader.status()));
    return true;
  }
  if (!reader.ok()) return reader.status();
  if (reader_) bytes_read_ += reader_->bytes_read();
  reader_ = *std::move(reader);
  ++next_object_;
  next_frame_ = 0;
  lines_ = FrameLines();
  return true;
}

}  // namespace eventhub::lake
