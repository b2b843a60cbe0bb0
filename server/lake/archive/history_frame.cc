#include "server/lake/archive/history_frame.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "eventhub/v1/hub.pb.h"
#include "proto/wire/writer.h"
#include "server/lake/object/event_line.h"
#include "server/lake/object/line_encoder.h"
#include "storage/base/shared_bytes.h"
#include "storage/base/status_macros.h"

namespace eventhub {
namespace {

// Consecutive events of one append time.
struct Piece {
  lake::EventPosition first;
  uint32_t count = 0;
  size_t begin = 0;  // In the buffer.
  size_t end = 0;

  bool Continues(const lake::EventPosition& next) const {
    return count > 0 && next.partition == first.partition && next.offset == first.offset + count &&
           next.append_micros == first.append_micros;
  }
};

}  // namespace

absl::StatusOr<std::shared_ptr<const HistoryFrame>> HistoryFrame::Decode(lake::FrameLines lines) {
  std::string buffer;
  buffer.reserve(lines.text.size());  // JSON takes more.
  std::vector<Piece> pieces;
  absl::string_view line;
  std::string event;
  while (lines.Next(&line)) {
    const std::optional<lake::EventPosition> position = lake::PositionOf(line);
    if (!position) return absl::DataLossError("a line has no position");
    event.clear();
    if (const absl::Status status = lake::AppendEncoded(line, &event); !status.ok()) {
      return absl::DataLossError(absl::StrCat("the line of offset ", position->offset,
                                              " of partition ", position->partition,
                                              " is no event: ", status.message()));
    }
    if (pieces.empty() || !pieces.back().Continues(*position)) {
      pieces.push_back({.first = *position, .begin = buffer.size()});
    }
    wire::AppendHead(v1::EventBatch::kEventsFieldNumber, event.size(), &buffer);
    buffer.append(event);
    ++pieces.back().count;
    pieces.back().end = buffer.size();
  }
  if (buffer.capacity() - buffer.size() > buffer.size() / 4) buffer.shrink_to_fit();
  auto frame = std::make_shared<HistoryFrame>();
  frame->bytes_ = sizeof(HistoryFrame) + buffer.capacity();
  const SharedBytes events = SharedBytes::Own(std::move(buffer));
  for (const Piece& piece : pieces) {
    auto batch = std::make_shared<RecordBatch>();
    batch->base = Offset(piece.first.offset);
    batch->header.count = piece.count;
    batch->header.bytes = static_cast<uint32_t>(piece.end - piece.begin);
    batch->header.append_micros = piece.first.append_micros;
    batch->header.types = TypeSummary::Any();
    batch->chunks.push_back(events.Sub(events.view().substr(piece.begin, piece.end - piece.begin)));
    if (frame->parts_.empty() || frame->parts_.back().partition != piece.first.partition) {
      frame->parts_.push_back({.partition = piece.first.partition, .batches = {}});
    }
    std::vector<RecordBatchPtr>& batches = frame->parts_.back().batches;
    if (!batches.empty() && batch->base < batches.back()->end()) {
      return absl::DataLossError(absl::StrCat("offset ", batch->base.value(), " of partition ",
                                              piece.first.partition, " is out of order"));
    }
    batches.push_back(std::move(batch));
    frame->bytes_ += sizeof(RecordBatch) + 2 * sizeof(RecordBatchPtr);
  }
  return frame;
}

const HistoryFrame::Part* HistoryFrame::Find(PartitionId partition) const {
  const auto found = std::find_if(parts_.begin(), parts_.end(), [partition](const Part& part) {
    return part.partition == partition.value();
  });
  return found == parts_.end() ? nullptr : &*found;
}

Offset HistoryFrame::Append(PartitionId partition, Offset from, Offset to, size_t max_bytes,
                            std::vector<RecordBatchPtr>* batches) const {
  const Part* const part = Find(partition);
  if (part == nullptr) return to;
  auto at =
      std::partition_point(part->batches.begin(), part->batches.end(),
                           [from](const RecordBatchPtr& batch) { return batch->end() <= from; });
  size_t bytes = 0;
  for (; at != part->batches.end() && (*at)->base < to; ++at) {
    if (bytes > 0 && bytes + (*at)->header.bytes > max_bytes) return (*at)->base;
    bytes += (*at)->header.bytes;
    batches->push_back(*at);
  }
  return to;
}

Offset HistoryFrame::SeekTime(PartitionId partition, Offset from, int64_t micros) const {
  const Part* const part = Find(partition);
  if (part == nullptr) return Offset::Max();
  for (const RecordBatchPtr& batch : part->batches) {
    if (batch->end() <= from || batch->header.append_micros < micros) continue;
    return std::max(batch->base, from);
  }
  return Offset::Max();
}

}  // namespace eventhub
