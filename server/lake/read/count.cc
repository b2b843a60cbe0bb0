#include "server/lake/read/count.h"

#include <optional>

#include "absl/strings/str_cat.h"
#include "server/lake/object/object_reader.h"
#include "storage/base/status_macros.h"

namespace eventhub::lake {
namespace {

bool ManifestTells(const ObjectRecord& object, const ReadRange& range) {
  return object.first_append_micros() >= range.from_micros &&
         object.last_append_micros() < range.to_micros && object.other_events() == 0;
}

absl::Status CountObject(ObjectReader& reader, const ReadRange& range,
                         std::map<std::string, uint64_t>* events) {
  for (int frame = 0; frame < reader.index().frames_size(); ++frame) {
    const Frame& entry = reader.index().frames(frame);
    if (entry.last_append_micros() < range.from_micros ||
        entry.first_append_micros() >= range.to_micros) {
      continue;
    }
    ASSIGN_OR_RETURN(FrameLines lines, reader.ReadFrame(frame));
    absl::string_view line;
    while (lines.Next(&line)) {
      const std::optional<EventPosition> position = PositionOf(line);
      const absl::StatusOr<std::string> encoded = EncodedOf(line);
      if (!position || !encoded.ok()) {
        return absl::DataLossError(absl::StrCat(reader.name(), ": a line is no event"));
      }
      if (position->append_micros < range.from_micros ||
          position->append_micros >= range.to_micros) {
        continue;
      }
      const std::string type(KeysOf(*encoded).type);
      if (range.type.empty() || type == range.type) ++(*events)[type];
    }
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<TypeCounts> CountByType(const ObjectStore& store, const LakeTopic& topic,
                                       const Manifest& manifest, const ReadRange& range) {
  TypeCounts counts;
  for (const auto& [sequence, object] : manifest.objects()) {
    if (!MayHave(object, range)) continue;
    if (ManifestTells(object, range)) {
      for (const TypeCount& type : object.types()) {
        if (!range.type.empty() && type.type() != range.type) continue;
        counts.events[type.type()] += type.events();
      }
      continue;
    }
    ASSIGN_OR_RETURN(ObjectReader reader, ObjectReader::Open(store, ObjectName(topic, object),
                                                             object.bytes(), object.tail_bytes()));
    RETURN_IF_ERROR(CountObject(reader, range, &counts.events));
    ++counts.objects_read;
  }
  return counts;
}

}  // namespace eventhub::lake
