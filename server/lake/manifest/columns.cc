#include "server/lake/manifest/columns.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "storage/base/status_macros.h"

namespace eventhub::lake {
namespace {

constexpr uint32_t kColumnsVersion = 1;
constexpr uint64_t kColumnsStepsToCheckpoint = 64;
constexpr int64_t kHoursOfDay = 24;

// A copy is known by its day and its id.
bool IsSameCopy(const ColumnarCopy& a, const ColumnarCopy& b) {
  return a.day() == b.day() && a.id() == b.id();
}

template <typename Record>
absl::StatusOr<Record> ParseColumnsRecord(const std::string& directory, uint64_t number,
                                          absl::string_view payload) {
  Record record;
  if (!record.ParseFromArray(payload.data(), static_cast<int>(payload.size()))) {
    return absl::DataLossError(
        absl::StrCat("the record ", number, " of ", directory, " is damaged"));
  }
  if (record.version() != kColumnsVersion) {
    return absl::UnimplementedError(absl::StrCat("the record ", number, " of ", directory,
                                                 " has version ", record.version(),
                                                 "; this program knows version ", kColumnsVersion));
  }
  return record;
}

}  // namespace

int64_t DayOf(absl::Time time) {
  const int64_t hour = HourOf(time);
  return hour >= 0 ? hour / kHoursOfDay : -1;
}

absl::Time DayStart(int64_t day) { return HourStart(day * kHoursOfDay); }

bool IsClosedDay(int64_t day, absl::Time now) {
  constexpr absl::Duration kSettles = absl::Minutes(15);
  return day < DayOf(now - kSettles);
}

std::map<int64_t, DayObjects> DaysOf(const Manifest& manifest) {
  std::map<int64_t, DayObjects> days;
  for (const auto& [sequence, object] : manifest.objects()) {
    DayObjects& day = days[object.hour() / kHoursOfDay];
    day.objects.push_back(&object);
    day.events += object.events();
    for (const OffsetRange& range : object.ranges()) day.ranges.push_back(range);
  }
  for (auto& [number, day] : days) {
    std::sort(day.ranges.begin(), day.ranges.end(), [](const OffsetRange& a, const OffsetRange& b) {
      return std::pair(a.partition(), a.begin()) < std::pair(b.partition(), b.begin());
    });
    std::vector<OffsetRange> joined;
    for (const OffsetRange& range : day.ranges) {
      if (!joined.empty() && joined.back().partition() == range.partition() &&
          joined.back().end() == range.begin()) {
        joined.back().set_end(range.end());
        joined.back().set_events(joined.back().events() + range.events());
      } else {
        joined.push_back(range);
      }
    }
    day.ranges = std::move(joined);
  }
  return days;
}

ColumnarCopy CopyOf(int64_t day, const DayObjects& objects) {
  ColumnarCopy copy;
  copy.set_day(day);
  copy.set_events(objects.events);
  for (const OffsetRange& range : objects.ranges) *copy.add_ranges() = range;
  return copy;
}

bool IsCurrent(const ColumnarCopy& copy, const DayObjects& objects) {
  return copy.events() == objects.events &&
         std::equal(copy.ranges().begin(), copy.ranges().end(), objects.ranges.begin(),
                    objects.ranges.end(), [](const OffsetRange& a, const OffsetRange& b) {
                      return a.partition() == b.partition() && a.begin() == b.begin() &&
                             a.end() == b.end();
                    });
}

std::string CopyName(const LakeTopic& topic, const ColumnarCopy& copy) {
  return absl::StrCat(
      Columns::Directory(topic),
      absl::FormatTime("/date=%Y-%m-%d/", DayStart(copy.day()), absl::UTCTimeZone()),
      absl::StrFormat("%016x.parquet", copy.id()));
}

std::string Columns::Directory(const LakeTopic& topic) {
  return absl::StrCat(topic.directory, "/_columns");
}

absl::StatusOr<Columns> Columns::Load(const ObjectStore& store, const LakeTopic& topic) {
  Columns columns;
  const std::string directory = Directory(topic);
  RETURN_IF_ERROR(StepLog::Read(
      store, directory,
      [&columns, &directory](RecordKind kind, uint64_t number, absl::string_view payload) {
        return columns.Visit(directory, kind, number, payload);
      }));
  return columns;
}

absl::Status Columns::Visit(const std::string& directory, RecordKind kind, uint64_t number,
                            absl::string_view payload) {
  if (kind == RecordKind::kCheckpoint) {
    ASSIGN_OR_RETURN(const ColumnsCheckpoint checkpoint,
                     ParseColumnsRecord<ColumnsCheckpoint>(directory, number, payload));
    for (const ColumnarCopy& copy : checkpoint.copies()) copies_[copy.day()] = copy;
    retired_.assign(checkpoint.retired().begin(), checkpoint.retired().end());
    return absl::OkStatus();
  }
  ASSIGN_OR_RETURN(const ColumnsStep step,
                   ParseColumnsRecord<ColumnsStep>(directory, number, payload));
  Apply(step);
  return absl::OkStatus();
}

void Columns::Apply(const ColumnsStep& step) {
  for (const ColumnarCopy& deleted : step.deleted()) {
    retired_.erase(
        std::remove_if(retired_.begin(), retired_.end(),
                       [&deleted](const ColumnarCopy& copy) { return IsSameCopy(copy, deleted); }),
        retired_.end());
  }
  if (!step.has_added()) return;
  const ColumnarCopy& added = step.added();
  const auto before = copies_.find(added.day());
  if (before != copies_.end() && !IsSameCopy(before->second, added)) {
    retired_.push_back(before->second);
    retired_.back().set_time_micros(added.time_micros());
  }
  copies_[added.day()] = added;
}

ColumnsCheckpoint Columns::ToCheckpoint() const {
  ColumnsCheckpoint checkpoint;
  checkpoint.set_version(kColumnsVersion);
  for (const auto& [day, copy] : copies_) *checkpoint.add_copies() = copy;
  for (const ColumnarCopy& copy : retired_) *checkpoint.add_retired() = copy;
  return checkpoint;
}

ColumnsWriter::ColumnsWriter(ObjectStore& store, const LakeTopic& topic)
    : store_(store), topic_(topic), log_(store, Columns::Directory(topic)) {}

absl::StatusOr<std::unique_ptr<ColumnsWriter>> ColumnsWriter::Open(ObjectStore& store,
                                                                   const LakeTopic& topic) {
  std::unique_ptr<ColumnsWriter> writer(new ColumnsWriter(store, topic));
  Columns& columns = writer->columns_;
  const std::string directory = Columns::Directory(topic);
  RETURN_IF_ERROR(writer->log_.Load(
      [&columns, &directory](RecordKind kind, uint64_t number, absl::string_view payload) {
        return columns.Visit(directory, kind, number, payload);
      }));
  return writer;
}

absl::Status ColumnsWriter::Add(const ColumnarCopy& copy, absl::Time now) {
  ColumnsStep step;
  *step.mutable_added() = copy;
  step.mutable_added()->set_time_micros(absl::ToUnixMicros(now));
  return Store(step);
}

absl::Status ColumnsWriter::DeleteRetired(absl::Time time) {
  ColumnsStep step;
  for (const ColumnarCopy& copy : columns_.retired()) {
    if (absl::FromUnixMicros(copy.time_micros()) >= time) continue;
    RETURN_IF_ERROR(store_.Delete(CopyName(topic_, copy)));
    *step.add_deleted() = copy;
  }
  return step.deleted().empty() ? absl::OkStatus() : Store(step);
}

absl::Status ColumnsWriter::Store(const ColumnsStep& step) {
  ColumnsStep stored = step;
  stored.set_version(kColumnsVersion);
  RETURN_IF_ERROR(log_.Append(stored.SerializeAsString()));
  columns_.Apply(stored);
  if (log_.last_step() - log_.last_checkpoint() < kColumnsStepsToCheckpoint)
    return absl::OkStatus();
  // Without it, readers take longer.
  log_.WriteCheckpoint(columns_.ToCheckpoint().SerializeAsString()).IgnoreError();
  return absl::OkStatus();
}

}  // namespace eventhub::lake
