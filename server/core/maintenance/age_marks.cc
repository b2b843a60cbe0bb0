#include "server/core/maintenance/age_marks.h"

#include <cstdint>
#include <iterator>

#include "absl/strings/str_cat.h"
#include "server/core/topic/topic_settings.h"
#include "storage/base/status_macros.h"
#include "storage/key_codec.h"

namespace eventhub {
namespace {

constexpr uint32_t kAgeMarksVersion = 1;
constexpr size_t kHeaderBytes = 4;
constexpr size_t kMarkBytes = 16;

// TrustedClock follows corrections up to this size at once, and append times catch up soon.
constexpr absl::Duration kTolerance = absl::Minutes(1);

// Marks are this part of the maximum age apart, so events stay for at most that much longer.
constexpr int kMarksPerAge = 8;
// The number exceeds this only while the maximum age grows; then the oldest are dropped.
constexpr size_t kMaxMarks = 4 * kMarksPerAge;

}  // namespace

std::string EncodeAgeMarks(const std::vector<AgeMark>& marks) {
  std::string value;
  AppendLittle32(&value, kAgeMarksVersion);
  for (const AgeMark& mark : marks) {
    AppendLittle64(&value, static_cast<uint64_t>(mark.end.value()));
    AppendLittle64(&value, static_cast<uint64_t>(absl::ToUnixMicros(mark.time)));
  }
  return value;
}

absl::StatusOr<std::vector<AgeMark>> DecodeAgeMarks(absl::string_view value) {
  if (value.size() < kHeaderBytes || LoadLittle32(value.data()) != kAgeMarksVersion ||
      (value.size() - kHeaderBytes) % kMarkBytes != 0) {
    return absl::DataLossError(absl::StrCat("a record of ", value.size(),
                                            " bytes does not have version ", kAgeMarksVersion));
  }
  std::vector<AgeMark> marks;
  for (size_t at = kHeaderBytes; at < value.size(); at += kMarkBytes) {
    marks.push_back({Offset(static_cast<int64_t>(LoadLittle64(value.data() + at))),
                     absl::FromUnixMicros(static_cast<int64_t>(
                         LoadLittle64(value.data() + at + sizeof(uint64_t))))});
  }
  return marks;
}

absl::Status AgeMarks::Load(const LogStore& store) {
  absl::Status damage;
  RETURN_IF_ERROR(store.Scan(
      Column::kMeta, kAgeMarksPrefix, [&](absl::string_view key, absl::string_view value) {
        const auto partition = ParseAgeMarksKey(key);
        auto marks = DecodeAgeMarks(value);
        if (!partition.has_value()) {
          damage = absl::DataLossError("a key of age marks is damaged");
        } else if (!marks.ok()) {
          damage = absl::DataLossError(
              absl::StrCat("age marks of topic id ", partition->first.value(), ", partition ",
                           partition->second.value(), ": ", marks.status().message()));
        } else {
          marks_[*partition] = *std::move(marks);
        }
        return damage.ok();
      }));
  return damage;
}

std::optional<Offset> AgeMarks::AppendedUntil(const PartitionLog& log, absl::Time time) const {
  const auto known = marks_.find({log.topic(), log.id()});
  if (known == marks_.end()) return std::nullopt;
  std::optional<Offset> end;
  for (const AgeMark& mark : known->second) {
    if (mark.time <= time) end = mark.end;
  }
  return end;
}

std::vector<AgeMarks::Change> AgeMarks::Due(const TopicView& topic, absl::Time now) const {
  const absl::Duration max_age = MaxAgeOf(*topic.settings);
  std::vector<Change> changes;
  for (PartitionLog* const log : topic.partitions) {
    const auto known = marks_.find({log->topic(), log->id()});
    const bool ahead =
        max_age != absl::InfiniteDuration() && log->last_append_time() > now + kTolerance;
    if (!ahead && known == marks_.end()) continue;
    const std::vector<AgeMark> before =
        known == marks_.end() ? std::vector<AgeMark>() : known->second;
    const Offset start = log->start();
    std::vector<AgeMark> marks;
    for (const AgeMark& mark : before) {
      // Otherwise no event is left before it, or the clock was set back again.
      if (mark.end > start && mark.time <= now + kTolerance) marks.push_back(mark);
    }
    const Offset end = log->end();
    const bool new_events = end > (marks.empty() ? start : marks.back().end);
    if (ahead && new_events &&
        (marks.empty() || now - marks.back().time >= max_age / kMarksPerAge)) {
      if (marks.size() == kMaxMarks) marks.erase(marks.begin());
      marks.push_back({end, now});
    }
    if (marks != before) changes.push_back({log, std::move(marks)});
  }
  return changes;
}

void AgeMarks::Apply(const Change& change) {
  const std::pair key{change.log->topic(), change.log->id()};
  if (change.marks.empty()) {
    marks_.erase(key);
  } else {
    marks_[key] = change.marks;
  }
}

void AgeMarks::KeepOnly(const TopicCatalog& catalog) {
  for (auto it = marks_.begin(); it != marks_.end();) {
    it = catalog.Find(it->first.first) == nullptr ? marks_.erase(it) : std::next(it);
  }
}

}  // namespace eventhub
