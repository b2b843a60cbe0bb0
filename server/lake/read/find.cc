#include "server/lake/read/find.h"

#include <optional>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "storage/base/status_macros.h"

namespace eventhub::lake {
namespace {

using Visit = std::function<absl::StatusOr<bool>(const LakeEvent&)>;

absl::string_view KeyOf(const EventKeys& keys, KeyKind kind) {
  switch (kind) {
    case KeyKind::kId:
      return keys.id;
    case KeyKind::kSubject:
      return keys.subject;
    case KeyKind::kCorrelationId:
      return keys.correlation_id;
  }
  return "";
}

// Looks at each event of one frame; false if `visit` said so.
absl::StatusOr<bool> SearchFrame(ObjectReader& reader, int frame, KeyKind kind,
                                 absl::string_view key, const ReadRange& range, const Visit& visit,
                                 FindTally* tally) {
  ASSIGN_OR_RETURN(FrameLines lines, reader.ReadFrame(frame));
  ++tally->frames;
  absl::string_view line;
  while (lines.Next(&line)) {
    const std::optional<EventPosition> position = PositionOf(line);
    const absl::StatusOr<std::string> encoded = EncodedOf(line);
    if (!position || !encoded.ok()) {
      return absl::DataLossError(absl::StrCat(reader.name(), ": a line is no event"));
    }
    const EventKeys keys = KeysOf(*encoded);
    if (KeyOf(keys, kind) != key || position->append_micros < range.from_micros ||
        position->append_micros >= range.to_micros || position->offset < range.from_offset ||
        (!range.type.empty() && keys.type != range.type)) {
      continue;
    }
    ++tally->events;
    ASSIGN_OR_RETURN(const bool more, visit({.position = *position, .line = line}));
    if (!more) return false;
  }
  return true;
}

}  // namespace

absl::StatusOr<FindTally> FindEvents(const ObjectStore& store, const LakeTopic& topic,
                                     const Manifest& manifest, KeyKind kind, absl::string_view key,
                                     const ReadRange& range, const Visit& visit) {
  FindTally tally;
  if (key.empty()) return absl::InvalidArgumentError("an empty key finds nothing");
  for (const auto& [sequence, object] : manifest.objects()) {
    if (!MayHave(object, range)) continue;
    ASSIGN_OR_RETURN(ObjectReader reader, ObjectReader::Open(store, ObjectName(topic, object),
                                                             object.bytes(), object.tail_bytes()));
    ++tally.objects;
    tally.bytes += object.bytes();
    tally.raw_bytes += object.raw_bytes();
    ASSIGN_OR_RETURN(const std::vector<int> frames, reader.FindKey(kind, key));
    bool more = true;
    for (const int frame : frames) {
      ASSIGN_OR_RETURN(more, SearchFrame(reader, frame, kind, key, range, visit, &tally));
      if (!more) break;
    }
    tally.bytes_read += reader.bytes_read();
    if (!more) break;
  }
  return tally;
}

}  // namespace eventhub::lake
