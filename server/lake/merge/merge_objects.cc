#include "server/lake/merge/merge_objects.h"

#include <algorithm>
#include <map>
#include <memory>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "server/lake/object/object_reader.h"
#include "storage/base/status_macros.h"

namespace eventhub::lake {
namespace {

// What the index of an object takes in memory, for each byte that is stored of it.
constexpr uint64_t kIndexMemory = 4;

// The lines of one object, from the first to the last.
class Source {
 public:
  Source(const ObjectRecord& record, ObjectReader reader)
      : record_(record), reader_(std::move(reader)) {
    for (const Frame& frame : reader_.index().frames()) {
      frame_bytes_ = std::max<uint64_t>(frame_bytes_, frame.raw_bytes());
    }
  }

  const ObjectRecord& record() const { return record_; }
  uint64_t frame_bytes() const { return frame_bytes_; }

  // Adds the lines of one partition, which come next, to `out`.
  absl::Status CopyPartition(uint32_t partition, const MergeOptions& options, ObjectWriter& out) {
    for (;;) {
      if (line_.empty()) {
        ASSIGN_OR_RETURN(const bool more, Next(options));
        if (!more) return absl::OkStatus();
      }
      if (position_.partition != partition) return absl::OkStatus();
      const absl::Status added = out.AddLine(position_, line_);
      if (absl::IsInvalidArgument(added)) {
        return absl::DataLossError(absl::StrCat(reader_.name(), ": ", added.message()));
      }
      RETURN_IF_ERROR(added);
      line_ = {};
    }
  }

 private:
  absl::StatusOr<bool> Next(const MergeOptions& options) {
    while (!lines_.Next(&line_)) {
      if (next_frame_ == reader_.index().frames_size()) return false;
      RETURN_IF_ERROR(options.pace(reader_.index().frames(next_frame_).raw_bytes()));
      ASSIGN_OR_RETURN(lines_, reader_.ReadFrame(next_frame_));
      ++next_frame_;
    }
    const std::optional<EventPosition> position = PositionOf(line_);
    if (!position) {
      return absl::DataLossError(absl::StrCat(reader_.name(), ": a line has no position"));
    }
    position_ = *position;
    return true;
  }

  const ObjectRecord& record_;
  ObjectReader reader_;
  uint64_t frame_bytes_ = 0;  // Of the largest frame.
  int next_frame_ = 0;
  FrameLines lines_;
  absl::string_view line_;  // The next one, unless it is empty.
  EventPosition position_;  // Its position.
};

// Opens objects of the group, from the first, as long as their frames fit.
absl::StatusOr<std::vector<Source>> OpenSources(const ObjectStore& store, const LakeTopic& topic,
                                                const MergeGroup& group,
                                                const MergeOptions& options) {
  std::vector<Source> sources;
  sources.reserve(group.size());
  uint64_t bytes = 0;
  for (const ObjectRecord& record : group) {
    RETURN_IF_ERROR(options.pace(record.tail_bytes()));
    ASSIGN_OR_RETURN(ObjectReader reader, ObjectReader::Open(store, ObjectName(topic, record),
                                                             record.bytes(), record.tail_bytes()));
    Source source(record, std::move(reader));
    bytes += source.frame_bytes() + kIndexMemory * record.tail_bytes();
    if (bytes > options.frame_memory) break;
    sources.push_back(std::move(source));
  }
  return sources;
}

ObjectPlan PlanOf(const LakeTopic& topic, const std::vector<Source>& sources) {
  ObjectPlan plan{.topic = topic, .hour = sources.front().record().hour()};
  std::map<uint32_t, PlannedRange> ranges;
  for (const Source& source : sources) {
    plan.sequence = std::max(plan.sequence, source.record().sequence());
    for (const OffsetRange& range : source.record().ranges()) {
      const auto [at, is_first] = ranges.try_emplace(
          range.partition(), PlannedRange{range.partition(), range.begin(), range.end()});
      if (!is_first) at->second.end = range.end();
    }
  }
  for (const auto& [partition, range] : ranges) plan.ranges.push_back(range);
  return plan;
}

}  // namespace

absl::StatusOr<std::optional<MergedObjects>> MergeObjects(ObjectStore& store,
                                                          const LakeTopic& topic,
                                                          const MergeGroup& group,
                                                          const MergeOptions& options) {
  ASSIGN_OR_RETURN(std::vector<Source> sources, OpenSources(store, topic, group, options));
  if (sources.size() < 2) return std::nullopt;
  const ObjectPlan plan = PlanOf(topic, sources);
  ASSIGN_OR_RETURN(const std::unique_ptr<ObjectWriter> writer,
                   ObjectWriter::Create(store, plan, options.writer));
  for (const PlannedRange& range : plan.ranges) {
    for (Source& source : sources) {
      RETURN_IF_ERROR(source.CopyPartition(range.partition, options, *writer));
    }
  }
  MergedObjects merged;
  uint64_t events = 0;
  for (const Source& source : sources) {
    merged.removed.push_back(source.record().sequence());
    events += source.record().events();
  }
  // Otherwise an object has other events than the manifest says: its lines were not in order.
  if (writer->events() != events) {
    return absl::DataLossError(absl::StrCat("the objects that would become ", ObjectName(plan),
                                            " have ", writer->events(), " events instead of ",
                                            events));
  }
  ASSIGN_OR_RETURN(merged.added, writer->Finish());
  return merged;
}

}  // namespace eventhub::lake
