#include "client/processor/views/view_core.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "storage/base/status_macros.h"

namespace eventhub::processor::internal {
namespace {

constexpr size_t kMaxKeyBytes = 1024;

bool Fits(const Value& value, ColumnType type) {
  if (std::holds_alternative<std::monostate>(value)) return true;
  switch (type) {
    case ColumnType::kInteger:
      return std::holds_alternative<int64_t>(value);
    case ColumnType::kReal:
      return std::holds_alternative<double>(value) || std::holds_alternative<int64_t>(value);
    default:
      return std::holds_alternative<std::string>(value);
  }
}

// Changed columns make a different view.
std::string RevisionOf(const ViewOptions& options) {
  std::string text = absl::StrCat(options.revision, "|");
  for (const Column& column : options.columns) {
    absl::StrAppend(&text, column.name, ":", static_cast<int>(column.type), ",");
  }
  return text;
}

// Whether `built` has caught up with `seen` in each partition.
bool Covers(const ViewPositions& built, const ViewPositions& seen) {
  return std::all_of(seen.begin(), seen.end(), [&](const auto& position) {
    const auto it = built.find(position.first);
    return it != built.end() && it->second >= position.second;
  });
}

}  // namespace

ViewCore::ViewCore(ViewOptions options, std::unique_ptr<ViewStore> store)
    : options_(std::move(options)), revision_(RevisionOf(options_)), store_(std::move(store)) {}

absl::Status ViewCore::Open() {
  MutexLock lock(mutex_);
  RETURN_IF_ERROR(Load());
  if (stored_.generation != 0 && stored_.revision == revision_) return absl::OkStatus();
  return Begin();
}

absl::Status ViewCore::Load() {
  ASSIGN_OR_RETURN(stored_, store_->Load());
  return absl::OkStatus();
}

absl::Status ViewCore::Begin() {
  const absl::Status begun = store_->Begin(newest() + 1, revision_);
  if (!begun.ok() && !absl::IsAborted(begun)) return begun;
  RETURN_IF_ERROR(Load());
  // Another process may have created it first.
  return stored_.revision == revision_ ? absl::OkStatus() : begun;
}

absl::StatusOr<ViewCore::ResumePoint> ViewCore::Resume(uint32_t partition, int64_t offset,
                                                       bool redelivered) {
  MutexLock lock(mutex_);
  RETURN_IF_ERROR(Load());
  std::optional<int64_t> position = PositionOf(partition);
  const bool rewound = position && offset < *position && !redelivered;
  if (rewound && options_.on_rewind == OnRewind::kRebuild) {
    RETURN_IF_ERROR(Begin());
    position = PositionOf(partition);
  }
  const int64_t from = position ? *position : options_.history ? 0 : offset;
  return ResumePoint{newest(), std::min(from, offset)};
}

std::optional<int64_t> ViewCore::PositionOf(uint32_t partition) const {
  const ViewPositions& positions =
      stored_.building != 0 ? stored_.building_positions : stored_.positions;
  const auto it = positions.find(partition);
  if (it == positions.end()) return std::nullopt;
  return it->second;
}

absl::StatusOr<uint64_t> ViewCore::Write(absl::Span<RowWrite> rows, const PositionsInView& at) {
  static const auto& kNoPositions = *new ViewPositions();
  const bool again = options_.on_rewind != OnRewind::kIgnore;
  MutexLock lock(mutex_);
  for (;;) {
    const uint64_t generation = newest();
    const ViewPositions& positions = generation == at.generation ? at.positions : kNoPositions;
    const absl::Status written = store_->Write(generation, again, rows, positions);
    if (written.ok()) break;
    if (!absl::IsAborted(written) || IsErrorOfProgram(written)) return written;
    RETURN_IF_ERROR(Load());
    if (newest() == generation) return written;
  }
  if (stored_.building != 0 && stored_.building == at.generation) {
    for (const auto& [partition, offset] : at.positions) {
      stored_.building_positions[partition] = offset;
    }
    MaySwitch();
  }
  return newest();
}

// A failure here is retried after the next write.
void ViewCore::MaySwitch() {
  if (!Covers(stored_.building_positions, stored_.positions)) {
    // Other processes write positions, too.
    if (!Load().ok() || stored_.building == 0) return;
    if (!Covers(stored_.building_positions, stored_.positions)) return;
  }
  if (store_->Switch(stored_.building).ok()) Load().IgnoreError();
}

absl::Status ViewCore::Check(const Row& row) const {
  if (row.key.empty() || row.key.size() > kMaxKeyBytes || row.key.find('\0') != std::string::npos) {
    return absl::InvalidArgumentError("the key of a row must be 1 to 1,024 bytes, without NUL");
  }
  if (row.deleted) return absl::OkStatus();
  if (row.values.size() != options_.columns.size()) {
    return absl::InvalidArgumentError(absl::StrCat("row ", row.key, " has ", row.values.size(),
                                                   " values, and view ", options_.name, " has ",
                                                   options_.columns.size(), " columns"));
  }
  for (size_t i = 0; i < row.values.size(); ++i) {
    if (Fits(row.values[i], options_.columns[i].type)) continue;
    return absl::InvalidArgumentError(absl::StrCat("the value of column ", options_.columns[i].name,
                                                   " of row ", row.key, " has another type"));
  }
  return absl::OkStatus();
}

absl::Status ViewCore::Rebuild() {
  {
    MutexLock lock(mutex_);
    RETURN_IF_ERROR(Load());
    RETURN_IF_ERROR(Begin());
  }
  MutexLock lock(listener_mutex_);
  if (listener_) listener_();
  return absl::OkStatus();
}

absl::StatusOr<ViewStatus> ViewCore::Status() {
  MutexLock lock(mutex_);
  RETURN_IF_ERROR(Load());
  return ViewStatus{.generation = stored_.generation, .building = stored_.building != 0};
}

void ViewCore::SetListener(std::function<void()> listener) {
  MutexLock lock(listener_mutex_);
  listener_ = std::move(listener);
}

}  // namespace eventhub::processor::internal
