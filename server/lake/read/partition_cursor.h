// PartitionCursor: the events of one partition of a topic, in order, from the lake.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <limits>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "server/lake/manifest/manifest.h"
#include "server/lake/object/event_line.h"
#include "server/lake/object/object_plan.h"
#include "server/lake/object/object_reader.h"
#include "server/lake/store/object_store.h"

namespace eventhub::lake {

// What to read of a topic.
struct ReadRange {
  // In each partition: [from, to).
  int64_t from_offset = 0;
  int64_t to_offset = std::numeric_limits<int64_t>::max();
  // Append times, in microseconds since the Unix epoch: [from, to).
  int64_t from_micros = std::numeric_limits<int64_t>::min();
  int64_t to_micros = std::numeric_limits<int64_t>::max();
  std::string type{};  // Empty: of any type.
  // Whether an encoded event is wanted, of those for which all else holds. Null: all are.
  std::function<bool(absl::string_view encoded)> matches{};
};

// Whether an object may have events of the range; offsets are of no account.
bool MayHave(const ObjectRecord& object, const ReadRange& range);

// Whether an event with this position and this line is in the range. DATA_LOSS if the line is no
// event, as far as that had to be looked at.
absl::StatusOr<bool> IsIn(const ReadRange& range, const EventPosition& position,
                          absl::string_view line);

struct LakeEvent {
  EventPosition position;
  absl::string_view line;  // Without its newline.
};

// Passes over objects by the manifest and over frames by their index. If an object was merged with
// others and its file is deleted meanwhile, it goes on in the one that replaced it. Memory: 40
// bytes for each object of the range, the index of one object, and one frame without compression.
// Thread-compatible; the store must outlive it.
class PartitionCursor {
 public:
  PartitionCursor(const ObjectStore& store, const LakeTopic& topic, const Manifest& manifest,
                  uint32_t partition, ReadRange range);

  // Moves to the next event; false after the last one. Errors, which name the object: DATA_LOSS if
  // it is damaged, NOT_FOUND if it is missing, those of the store. A retryable one may be retried.
  absl::StatusOr<bool> Next();

  // Valid until the next call of Next().
  const LakeEvent& event() const { return event_; }

  // Read from the store so far.
  uint64_t bytes_read() const { return bytes_read_ + (reader_ ? reader_->bytes_read() : 0); }

 private:
  // What is needed of an object to open it.
  struct Ref {
    int64_t begin = 0;  // The first offset of the partition.
    int64_t hour = 0;
    uint64_t sequence = 0;
    uint64_t hash = 0;
    uint64_t bytes = 0;
    uint32_t tail_bytes = 0;
  };

  void TakeObjects(const Manifest& manifest);
  // Goes on by the present manifest, if that does not have an object any more that is missing;
  // otherwise returns `missing`.
  absl::Status GoOnWithout(const Ref& object, const absl::Status& missing);
  absl::StatusOr<bool> NextInFrame();
  absl::StatusOr<bool> NextFrame();
  absl::StatusOr<bool> NextObject();
  bool Wants(const Frame& frame) const;

  const ObjectStore& store_;
  const LakeTopic topic_;
  const uint32_t partition_;
  const ReadRange range_;
  const int64_t end_offset_;  // Of what the manifest had.
  int64_t next_offset_;       // Events before it were passed.
  std::vector<Ref> objects_;  // By offset.
  size_t next_object_ = 0;
  std::optional<ObjectReader> reader_;
  int next_frame_ = 0;
  FrameLines lines_;
  LakeEvent event_;
  uint64_t bytes_read_ = 0;  // Of objects before the present one.
};

}  // namespace eventhub::lake
