#include "server/core/delayed/delayed_release.h"

#include <algorithm>
#include <numeric>

#include "absl/strings/str_cat.h"
#include "server/core/base/errors.h"
#include "server/core/publish/delayed_record.h"
#include "storage/base/status_macros.h"

namespace eventhub {
namespace {

// The limits of one commit, including copies by routes.
constexpr size_t kMaxPieceBytes = size_t{1} << 20;
constexpr size_t kMaxPieceEvents = 4096;

}  // namespace

absl::StatusOr<DuePiece> ReadDue(const LogStore& store, const Topic& topic, int64_t from,
                                 int64_t now) {
  const size_t max_bytes = PieceOf(kMaxPieceBytes, topic);
  const size_t max_events = PieceOf(kMaxPieceEvents, topic);
  DuePiece piece;
  std::string region;
  absl::Status damage;
  const auto visit = [&](absl::string_view encoded, absl::string_view value) {
    const std::optional<DelayedKey> key = ParseDelayedKey(encoded);
    const absl::StatusOr<DelayedRecord> record = DelayedRecord::Decode(value);
    if (!key.has_value() || !record.ok()) {
      damage = key.has_value() ? record.status()
                               : absl::DataLossError("the key of a delayed event is damaged");
      return false;
    }
    const bool full = !piece.keys.empty() && (region.size() + record->event.size() > max_bytes ||
                                              piece.keys.size() >= max_events);
    if (key->due_micros > now || full) {
      piece.next_due = key->due_micros;
      return false;
    }
    piece.keys.emplace_back(encoded);
    piece.partitions.push_back(record->partition);
    region.append(record->event.data(), record->event.size());
    return true;
  };
  RETURN_IF_ERROR(store.ScanFrom(Column::kDelayed, TopicPrefix(topic.id()),
                                 DelayedKey{topic.id(), std::max(from, int64_t{0}), 0}.Encode(),
                                 visit));
  RETURN_IF_ERROR(damage);
  piece.events = SharedBytes::Copy(region);
  const absl::Status scanned =
      ScanEvents(piece.events.view(), SIZE_MAX, true, &piece.scan, EventRules::kStored);
  if (!scanned.ok() || piece.scan.count != piece.keys.size()) {
    return absl::DataLossError(
        absl::StrCat("a delayed event of topic ", topic.name(), " is damaged"));
  }
  return piece;
}

ReleaseTask::ReleaseTask(DelayedTable& table, std::shared_ptr<Topic> topic, DuePiece piece,
                         StatusDone done)
    : table_(table),
      append_{.topic = std::move(topic)},
      piece_(std::move(piece)),
      done_(std::move(done)) {
  std::vector<size_t> all(piece_.keys.size());
  std::iota(all.begin(), all.end(), size_t{0});
  append_.publish = Distribute(all);
  RenewPlan(append_);
}

CommitTask::Readiness ReleaseTask::readiness() {
  return PlansAreCurrent(absl::MakeConstSpan(&append_, 1)) ? Readiness::kReady
                                                           : Readiness::kOutdated;
}

void ReleaseTask::Refuse() {
  refused_ = ShuttingDown(kShutdownRetry);
  table_.EndReading();
}

void ReleaseTask::Prepare(CommitBuilder& commit) {
  // Deleting a topic deletes its delayed events.
  if (!append_.topic->closing()) refused_ = Release(commit);
  table_.EndReading();
}

absl::Status ReleaseTask::Release(CommitBuilder& commit) {
  LeaveOutCancelled();
  if (append_.publish.count == 0) return absl::OkStatus();
  RETURN_IF_ERROR(AdmitAppend(append_, commit));
  RETURN_IF_ERROR(SettleAppend(append_, commit));
  ApplyAppend(append_, commit);
  table_.Release(*append_.topic, piece_.keys, commit);
  return absl::OkStatus();
}

void ReleaseTask::LeaveOutCancelled() {
  std::vector<size_t> left;
  std::vector<std::string> keys;
  for (size_t i = 0; i < piece_.keys.size(); ++i) {
    if (!table_.IsCancelled(piece_.keys[i])) left.push_back(i);
  }
  if (left.size() == piece_.keys.size()) return;
  std::unique_ptr<RoutePlan> plan = std::move(append_.publish.routes);
  append_.publish = Distribute(left);
  append_.publish.routes = std::move(plan);
  PlanSubset(append_);
  for (const size_t i : left) keys.push_back(std::move(piece_.keys[i]));
  piece_.keys = std::move(keys);
}

CheckedPublish ReleaseTask::Distribute(const std::vector<size_t>& indices) const {
  const std::shared_ptr<const TopicView> view = append_.topic->view();
  const auto partitions = static_cast<uint32_t>(view->partitions.size());
  const uint32_t keyless = append_.topic->NextKeylessPartition(piece_.events.size(), partitions);
  std::vector<uint32_t> partition_of;
  std::vector<absl::string_view> events;
  CheckedPublish publish;
  publish.accepted = true;
  publish.may_shrink = true;
  for (const size_t i : indices) {
    const ScannedEvent& event = piece_.scan.events[i];
    uint32_t partition = keyless;
    if (piece_.partitions[i].has_value()) {
      partition = piece_.partitions[i]->value();
    } else if (event.keyed) {
      partition = static_cast<uint32_t>(event.key_hash % partitions);
    }
    partition_of.push_back(partition);
    events.push_back(piece_.events.view().substr(event.begin, event.bytes));
    publish.bytes += event.bytes;
  }
  publish.count = static_cast<uint32_t>(events.size());
  publish.types = piece_.scan.types;
  publish.result.set_partition_count(partitions);
  publish.appends = eventhub::Distribute(
      partition_of, [&](uint32_t i) { return events[i]; }, publish.bytes, view->partitions);
  return publish;
}

void ReleaseTask::Done(const absl::Status& status) {
  const absl::Status outcome = OutcomeOf(refused_, status);
  if (outcome.ok()) {
    CountAppend(append_);
  } else {
    append_.topic->counters().refused_requests.Add();
  }
  std::move(done_)(outcome);
}

}  // namespace eventhub
