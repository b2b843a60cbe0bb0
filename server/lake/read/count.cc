#include "server/lake/read/count.h"

#include <algorithm>
#include <optional>

#include "absl/strings/str_cat.h"
#include "server/lake/object/object_reader.h"
#include "storage/base/status_macros.h"

namespace eventhub::lake {
namespace {

// Counts the events of one topic, object by object.
class Counter {
 public:
  Counter(const ReadRange& range, const CountOptions& options) : range_(range), options_(options) {}

  // Whether the object may have events that count.
  bool MayCount(const ObjectRecord& object) const {
    return MayHave(object, range_) && std::any_of(object.ranges().begin(), object.ranges().end(),
                                                  [this](const OffsetRange& offsets) {
                                                    return Selected(offsets.partition()) &&
                                                           offsets.begin() < range_.to_offset &&
                                                           offsets.end() > range_.from_offset;
                                                  });
  }

  // Whether its record in the manifest says all of it.
  bool ManifestTells(const ObjectRecord& object) const {
    return object.first_append_micros() >= range_.from_micros &&
           object.last_append_micros() < range_.to_micros && object.other_events() == 0 &&
           range_.matches == nullptr &&
           std::all_of(
               object.ranges().begin(), object.ranges().end(), [this](const OffsetRange& offsets) {
                 return Selected(offsets.partition()) && offsets.begin() >= range_.from_offset &&
                        offsets.end() <= range_.to_offset;
               });
  }

  void Take(const ObjectRecord& object) {
    uint64_t events = 0;
    for (const TypeCount& type : object.types()) {
      if (!range_.type.empty() && type.type() != range_.type) continue;
      counts_.events[type.type()] += type.events();
      events += type.events();
    }
    if (events == 0) return;
    const double share = static_cast<double>(events) / static_cast<double>(object.events());
    Add(events, static_cast<uint64_t>(share * static_cast<double>(object.raw_bytes())),
        object.first_append_micros(), object.last_append_micros());
  }

  absl::Status Read(ObjectReader& reader) {
    ++counts_.objects_read;
    for (int frame = 0; frame < reader.index().frames_size(); ++frame) {
      if (!MayCount(reader.index().frames(frame))) continue;
      ASSIGN_OR_RETURN(FrameLines lines, reader.ReadFrame(frame));
      counts_.bytes_read += lines.text.size();
      absl::string_view line;
      while (lines.Next(&line)) {
        if (const absl::Status read = CountLine(line); !read.ok()) {
          return absl::Status(read.code(), absl::StrCat(reader.name(), ": ", read.message()));
        }
      }
      if (options_.progress != nullptr && !options_.progress(counts_.bytes_read)) {
        return absl::CancelledError("the count was interrupted");
      }
    }
    return absl::OkStatus();
  }

  TypeCounts Done() { return std::move(counts_); }

 private:
  bool Selected(uint32_t partition) const {
    return options_.partitions.empty() ||
           std::find(options_.partitions.begin(), options_.partitions.end(), partition) !=
               options_.partitions.end();
  }

  bool MayCount(const Frame& frame) const {
    return frame.last_append_micros() >= range_.from_micros &&
           frame.first_append_micros() < range_.to_micros &&
           std::any_of(frame.runs().begin(), frame.runs().end(), [this](const Run& run) {
             return Selected(run.partition()) && run.first() < range_.to_offset &&
                    run.last() >= range_.from_offset;
           });
  }

  absl::Status CountLine(absl::string_view line) {
    const std::optional<EventPosition> position = PositionOf(line);
    if (!position) return absl::DataLossError("a line has no position");
    if (!Selected(position->partition)) return absl::OkStatus();
    ASSIGN_OR_RETURN(const bool wanted, IsIn(range_, *position, line));
    if (!wanted) return absl::OkStatus();
    const absl::StatusOr<std::string> encoded = EncodedOf(line);
    if (!encoded.ok()) return absl::DataLossError("a line is no event");
    ++counts_.events[std::string(KeysOf(*encoded).type)];
    Add(1, line.size() + 1, position->append_micros, position->append_micros);
    return absl::OkStatus();
  }

  void Add(uint64_t events, uint64_t raw_bytes, int64_t first, int64_t last) {
    counts_.first_micros = counts_.total == 0 ? first : std::min(counts_.first_micros, first);
    counts_.last_micros = counts_.total == 0 ? last : std::max(counts_.last_micros, last);
    counts_.total += events;
    counts_.raw_bytes += raw_bytes;
  }

  const ReadRange& range_;
  const CountOptions& options_;
  TypeCounts counts_;
};

}  // namespace

absl::StatusOr<TypeCounts> CountByType(const ObjectStore& store, const LakeTopic& topic,
                                       const Manifest& manifest, const ReadRange& range,
                                       const CountOptions& options) {
  Counter counter(range, options);
  for (const auto& [sequence, object] : manifest.objects()) {
    if (!counter.MayCount(object)) continue;
    if (counter.ManifestTells(object)) {
      counter.Take(object);
      continue;
    }
    ASSIGN_OR_RETURN(ObjectReader reader, ObjectReader::Open(store, ObjectName(topic, object),
                                                             object.bytes(), object.tail_bytes()));
    RETURN_IF_ERROR(counter.Read(reader));
  }
  return counter.Done();
}

}  // namespace eventhub::lake
