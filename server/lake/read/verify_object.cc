#include "server/lake/read/verify_object.h"

#include <algorithm>
#include <array>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "server/lake/object/event_line.h"
#include "server/lake/object/key_filter.h"
#include "server/lake/object/object_reader.h"
#include "server/lake/object/object_tail.h"
#include "server/lake/store/checksum.h"
#include "storage/base/status_macros.h"

namespace eventhub::lake {
namespace {

class ObjectVerifier {
 public:
  ObjectVerifier(const ObjectStore& store, const LakeTopic& topic, const ObjectRecord& object)
      : store_(store), topic_(topic), object_(object), name_(ObjectName(topic, object)) {}

  absl::Status Run() {
    ASSIGN_OR_RETURN(const uint64_t size, store_.Size(name_));
    if (size != object_.bytes()) {
      return Wrong(absl::StrCat("it has ", size, " bytes instead of ", object_.bytes()));
    }
    ASSIGN_OR_RETURN(const ObjectReader reader,
                     ObjectReader::Open(store_, name_, object_.bytes(), object_.tail_bytes()));
    index_ = reader.index();
    RETURN_IF_ERROR(CheckIndex());
    for (int frame = 0; frame < index_.frames_size(); ++frame) {
      RETURN_IF_ERROR(CheckFrame(index_.frames(frame)));
    }
    RETURN_IF_ERROR(CheckFilters());
    RETURN_IF_ERROR(Read(object_.tail_bytes()).status());  // It counts for the checksum.
    if (sha256_.Finish() != object_.sha256()) return Wrong("its SHA-256 is another");
    return CheckCounts();
  }

 private:
  absl::Status Wrong(absl::string_view why) const {
    return absl::DataLossError(absl::StrCat(name_, ": ", why));
  }

  // Reads on: the pieces are all of the object.
  absl::StatusOr<std::string> Read(uint64_t bytes) {
    ASSIGN_OR_RETURN(std::string piece, store_.Get(name_, position_, bytes));
    if (piece.size() != bytes) return Wrong("it became shorter");
    position_ += bytes;
    sha256_.Update(piece);
    return piece;
  }

  absl::Status CheckIndex() const {
    ObjectPlan plan{.topic = topic_, .sequence = object_.sequence(), .hour = object_.hour()};
    for (const OffsetRange& range : object_.ranges()) {
      plan.ranges.push_back({range.partition(), range.begin(), range.end()});
    }
    if (const absl::Status valid = CheckPlan(plan); !valid.ok()) return Wrong(valid.message());
    if (HashOfPlan(plan) != object_.hash()) return Wrong("its name is not that of its ranges");
    if (index_.hub() != topic_.identity.hub || index_.topic_id() != topic_.identity.id ||
        index_.sequence() != object_.sequence() || index_.hour() != object_.hour()) {
      return Wrong("its index is that of another object");
    }
    const bool same =
        std::equal(index_.ranges().begin(), index_.ranges().end(), object_.ranges().begin(),
                   object_.ranges().end(), [](const OffsetRange& a, const OffsetRange& b) {
                     return a.partition() == b.partition() && a.begin() == b.begin() &&
                            a.end() == b.end() && a.events() == b.events();
                   });
    if (!same) return Wrong("its index accounts for other offsets");
    if (index_.raw_bytes() != object_.raw_bytes()) return Wrong("its lines have another size");
    return absl::OkStatus();
  }

  // Compares each line with the runs and the times of its frame.
  absl::Status CheckFrame(const Frame& frame) {
    ASSIGN_OR_RETURN(const std::string compressed, Read(frame.bytes()));
    absl::StatusOr<std::string> text = DecompressFrame(compressed, frame.raw_bytes());
    if (!text.ok()) return Wrong(text.status().message());
    FrameLines lines{.text = *std::move(text)};
    Frame seen;
    absl::string_view line;
    while (lines.Next(&line)) {
      const std::optional<EventPosition> position = PositionOf(line);
      if (!position) return Wrong("a line has no position");
      if (seen.events() == 0) RETURN_IF_ERROR(TakeSample(line));
      RETURN_IF_ERROR(CheckPlace(*position));
      Count(*position, &seen);
    }
    const bool same = seen.events() == frame.events() &&
                      seen.first_append_micros() == frame.first_append_micros() &&
                      seen.last_append_micros() == frame.last_append_micros() &&
                      std::equal(seen.runs().begin(), seen.runs().end(), frame.runs().begin(),
                                 frame.runs().end(), [](const lake::Run& a, const lake::Run& b) {
                                   return a.partition() == b.partition() &&
                                          a.first() == b.first() && a.last() == b.last() &&
                                          a.events() == b.events();
                                 });
    return same ? absl::OkStatus() : Wrong("the index of a frame does not agree with its lines");
  }

  static void Count(const EventPosition& position, Frame* seen) {
    const int64_t micros = position.append_micros;
    const bool first = seen->events() == 0;
    seen->set_events(seen->events() + 1);
    seen->set_first_append_micros(first ? micros : std::min(micros, seen->first_append_micros()));
    seen->set_last_append_micros(first ? micros : std::max(micros, seen->last_append_micros()));
    lake::Run* run = first ? nullptr : seen->mutable_runs(seen->runs_size() - 1);
    if (run == nullptr || run->partition() != position.partition) {
      run = seen->add_runs();
      run->set_partition(position.partition);
      run->set_first(position.offset);
    }
    run->set_last(position.offset);
    run->set_events(run->events() + 1);
  }

  // Each event is in a range, after the one before it.
  absl::Status CheckPlace(const EventPosition& position) {
    if (HourOf(absl::FromUnixMicros(position.append_micros)) != object_.hour()) {
      return Wrong("an event is of another hour");
    }
    const bool same_partition = last_ && last_->partition == position.partition;
    if (last_ && (same_partition ? last_->offset >= position.offset
                                 : last_->partition > position.partition)) {
      return Wrong("its events are not in order");
    }
    if (!same_partition) {
      range_ = std::find_if(object_.ranges().begin(), object_.ranges().end(),
                            [&position](const OffsetRange& range) {
                              return range.partition() == position.partition;
                            });
      events_.push_back(0);
      ranges_.push_back(range_ == object_.ranges().end() ? nullptr : &*range_);
    }
    if (range_ == object_.ranges().end() || position.offset < range_->begin() ||
        position.offset >= range_->end()) {
      return Wrong("an event is in none of its ranges");
    }
    ++events_.back();
    last_ = position;
    return absl::OkStatus();
  }

  absl::Status CheckCounts() const {
    uint64_t events = 0;
    for (size_t i = 0; i < ranges_.size(); ++i) {
      if (ranges_[i]->events() != events_[i]) return Wrong("a range has another number of events");
      events += events_[i];
    }
    return events == object_.events() ? absl::OkStatus() : Wrong("it has another number of events");
  }

  // The keys of the first event of a frame must be in its filters.
  absl::Status TakeSample(absl::string_view line) {
    const absl::StatusOr<std::string> encoded = EncodedOf(line);
    if (!encoded.ok())
      return Wrong(absl::StrCat("a line is no event: ", encoded.status().message()));
    const EventKeys keys = KeysOf(*encoded);
    std::array<std::optional<uint64_t>, 3> hashes;
    if (!keys.id.empty()) hashes[0] = HashOfLakeKey(keys.id);
    if (!keys.subject.empty()) hashes[1] = HashOfLakeKey(keys.subject);
    if (!keys.correlation_id.empty()) hashes[2] = HashOfLakeKey(keys.correlation_id);
    samples_.push_back(hashes);
    return absl::OkStatus();
  }

  absl::Status CheckFilters() {
    const uint64_t begin = position_;
    ASSIGN_OR_RETURN(const std::string bytes, Read(object_.bytes() - object_.tail_bytes() - begin));
    std::string header;
    AppendSkippedHeader(SkippedFrame::kFilters,
                        static_cast<uint32_t>(bytes.size() - std::min<size_t>(bytes.size(), 8)),
                        &header);
    if (bytes.substr(0, kSkippedHeaderBytes) != header) return Wrong("its filters are damaged");
    const auto frames = static_cast<size_t>(index_.frames_size());
    const std::array<const KeyFilter*, 3> filters = {&index_.ids(), &index_.subjects(),
                                                     &index_.correlation_ids()};
    for (size_t kind = 0; kind < filters.size(); ++kind) {
      const KeyFilter& filter = *filters[kind];
      const auto row_at = [&](const FilterRow& row) -> absl::StatusOr<absl::string_view> {
        const uint64_t at = filter.position() + row.position;
        if (at < begin || at - begin > bytes.size()) return Wrong("a filter is elsewhere");
        return absl::string_view(bytes).substr(at - begin, row.bytes);
      };
      const uint64_t row_bytes = RowOfKey(0, filter.rows(), frames).bytes;
      for (uint32_t row = 0; row < filter.rows(); ++row) {
        ASSIGN_OR_RETURN(const absl::string_view text,
                         row_at({.position = row * row_bytes, .bytes = row_bytes}));
        if (const auto whole = FramesWithKey(0, frames, text); !whole.ok()) {
          return Wrong(whole.status().message());
        }
      }
      for (size_t frame = 0; frame < samples_.size(); ++frame) {
        if (!samples_[frame][kind]) continue;
        const uint64_t hash = *samples_[frame][kind];
        if (filter.rows() == 0) return Wrong("a filter lacks a key");
        ASSIGN_OR_RETURN(const absl::string_view row,
                         row_at(RowOfKey(hash, filter.rows(), frames)));
        const auto found = FramesWithKey(hash, frames, row);
        if (!found.ok() || !(*found)[frame]) return Wrong("a filter lacks a key");
      }
    }
    return absl::OkStatus();
  }

  const ObjectStore& store_;
  const LakeTopic& topic_;
  const ObjectRecord& object_;
  const std::string name_;
  ObjectIndex index_;
  uint64_t position_ = 0;
  Sha256 sha256_;
  std::optional<EventPosition> last_;
  google::protobuf::RepeatedPtrField<OffsetRange>::const_iterator range_;
  std::vector<const OffsetRange*> ranges_;  // That have events.
  std::vector<uint64_t> events_;            // Of each of them.
  std::vector<std::array<std::optional<uint64_t>, 3>> samples_;
};

}  // namespace

absl::Status VerifyObject(const ObjectStore& store, const LakeTopic& topic,
                          const ObjectRecord& object) {
  return ObjectVerifier(store, topic, object).Run();
}

}  // namespace eventhub::lake
