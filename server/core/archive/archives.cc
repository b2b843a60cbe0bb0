#include "server/core/archive/archives.h"

#include <algorithm>
#include <limits>
#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "google/protobuf/util/time_util.h"
#include "server/core/base/errors.h"
#include "server/core/event/event_slice.h"
#include "server/core/topic/topic_settings.h"
#include "server/core/topic/topic_tasks.h"
#include "storage/base/status_macros.h"
#include "storage/key_codec.h"

namespace eventhub {
namespace {

using google::protobuf::util::TimeUtil;

// Stores the state of an archive, unless its topic is being deleted.
class ArchiveTask final : public TopicChange {
 public:
  ArchiveTask(std::shared_ptr<Topic> topic, std::string archive,
              std::vector<std::pair<PartitionId, std::string>> positions, StatusDone done)
      : topic_(std::move(topic)),
        archive_(std::move(archive)),
        positions_(std::move(positions)),
        done_(std::move(done)) {}

  void Prepare(CommitBuilder& commit) override {
    if (topic_->closing()) {  // The records would outlive the topic.
      refused_ = TopicNotFound(topic_->name());
      return;
    }
    commit.Put(Column::kMeta, ArchiveKey(topic_->id()), archive_);
    for (const auto& [partition, position] : positions_) {
      commit.Put(Column::kMeta, ArchivePositionKey(topic_->id(), partition), position);
    }
  }
  void Done(const absl::Status& status) override { std::move(done_)(OutcomeOf(refused_, status)); }

 private:
  const std::shared_ptr<Topic> topic_;
  const std::string archive_;
  const std::vector<std::pair<PartitionId, std::string>> positions_;
  StatusDone done_;
  absl::Status refused_;
};

// Whether the topic still has all events of an object.
bool HasEvents(const Topic& topic, const stored::ArchiveObject& object) {
  const std::shared_ptr<const TopicView> view = topic.view();
  return std::all_of(
      object.ranges().begin(), object.ranges().end(), [&view](const stored::ArchiveRange& range) {
        if (range.partition() >= view->partitions.size()) return false;
        const PartitionLog& log = *view->partitions[range.partition()];
        return log.trimmed_to() <= Offset(range.from()) && Offset(range.to()) <= log.end();
      });
}

// Notes to which runs the events of a range belong.
absl::Status AddRuns(const LogStore& store, TopicId topic, stored::ArchiveRange* range) {
  const Offset to(range->to());
  for (Offset at(range->from()); at < to;) {
    ASSIGN_OR_RETURN(const LogRun run,
                     store.runs().Find(topic, PartitionId(range->partition()), at));
    stored::ArchiveRun& part = *range->add_runs();
    part.set_from(at.value());
    part.set_id(run.id);
    at = run.end;
  }
  return absl::OkStatus();
}

ArchivedTopic NameOf(const Topic& topic) { return {topic.name(), topic.id()}; }

absl::Status LakeIsBehind(const Topic& topic, const LakePosition& lake, Offset archived) {
  return absl::FailedPreconditionError(
      absl::StrCat("the lake has partition ", lake.partition.value(), " of topic ", topic.name(),
                   " up to offset ", lake.end.value(), ", but this hub archived it up to offset ",
                   archived.value(), ": the lake is an earlier state of itself"));
}

absl::Status LakeIsAnother(const Topic& topic, const LakePosition& lake, Offset end) {
  return absl::FailedPreconditionError(absl::StrCat(
      "the lake has partition ", lake.partition.value(), " of topic ", topic.name(),
      " up to offset ", lake.end.value(), "; this hub has it up to offset ", end.value(),
      " and does not have the same events: its data is an earlier state, such as a backup. If it "
      "has taken no events since, stop it and start it once with --restore_from_lake"));
}

absl::Status NotRunning() { return absl::UnavailableError("the hub is shutting down"); }

// "1.5 GiB".
std::string Gibibytes(uint64_t bytes) {
  return absl::StrFormat("%.1f GiB", static_cast<double>(bytes) / static_cast<double>(1 << 30));
}

}  // namespace

Archives::Counters::Counters(Metrics& metrics)
    : events(metrics.AddCounter("eventhub_archived_events_total",
                                "Events that were written to the lake.")),
      bytes(metrics.AddCounter("eventhub_archived_bytes_total", "Their encoded size.")),
      objects(metrics.AddCounter("eventhub_archived_objects_total",
                                 "Objects that were written to the lake.")),
      failures(metrics.AddCounter("eventhub_archive_failures_total",
                                  "Attempts to archive events that failed.")),
      missing(metrics.AddCounter("eventhub_archive_missing_events_total",
                                 "Events that were deleted before the lake had them, as far as "
                                 "later ones are archived.")),
      merged(metrics.AddCounter("eventhub_lake_merged_objects_total",
                                "Small objects of the lake that were merged into larger ones.")),
      merged_bytes(metrics.AddCounter("eventhub_lake_merged_bytes_total",
                                      "The size of their lines, without compression.")),
      merge_failures(metrics.AddCounter("eventhub_lake_merge_failures_total",
                                        "Attempts to merge objects that failed.")) {}

Archives::Archives(const ArchiveOptions& options, const TopicCatalog& topics, KeyArchive& keys,
                   const LogStore& store, LogWriter& writer, const Clock& clock, Metrics& metrics,
                   absl::AnyInvocable<void()> on_archived)
    : options_(options),
      topics_(topics),
      keys_(keys),
      store_(store),
      writer_(writer),
      clock_(clock),
      counters_(metrics),
      on_archived_(std::move(on_archived)) {}

absl::Status Archives::Load() {
  ASSIGN_OR_RETURN(const std::optional<std::string> next_id,
                   store_.Get(Column::kMeta, kNextTopicIdKey));
  if (next_id.has_value() && next_id->size() == sizeof(uint32_t)) {
    MutexLock lock(mutex_);
    highest_ = TopicId(LoadLittle32(next_id->data()) - 1);
  }
  for (const std::shared_ptr<Topic>& topic : topics_.List("", std::numeric_limits<size_t>::max())) {
    ASSIGN_OR_RETURN(ArchiveRecords records, LoadArchive(store_, topic->id()));
    MutexLock lock(mutex_);
    archives_[topic->id()] = std::make_shared<TopicArchive>(topic, std::move(records));
  }
  return absl::OkStatus();
}

std::shared_ptr<TopicArchive> Archives::Of(const std::shared_ptr<Topic>& topic) {
  MutexLock lock(mutex_);
  std::shared_ptr<TopicArchive>& archive = archives_[topic->id()];
  if (archive == nullptr) {  // The topic was created after Load.
    ArchiveRecords records;
    records.archive.set_version(1);
    archive = std::make_shared<TopicArchive>(topic, std::move(records));
  }
  return archive;
}

std::vector<std::shared_ptr<TopicArchive>> Archives::List() {
  const auto topics = topics_.List("", std::numeric_limits<size_t>::max());
  std::vector<std::shared_ptr<TopicArchive>> list;
  for (const std::shared_ptr<Topic>& topic : topics) {
    if (topic->archive_hold().active() && !topic->deleted()) list.push_back(Of(topic));
  }
  std::vector<std::shared_ptr<TopicArchive>> gone;
  {
    MutexLock lock(mutex_);
    for (auto it = archives_.begin(); it != archives_.end();) {
      const auto here = it++;
      if (!here->second->topic()->deleted()) continue;
      gone.push_back(std::move(here->second));
      archives_.erase(here);
    }
  }
  for (const auto& archive : gone) archive->FailFlushes(TopicNotFound(archive->topic()->name()));
  return list;
}

Archives::Present Archives::PresentTopics() {
  Present present;
  for (const std::shared_ptr<Topic>& topic : topics_.List("", std::numeric_limits<size_t>::max())) {
    present.topics.push_back(topic->id());
  }
  std::sort(present.topics.begin(), present.topics.end());
  MutexLock lock(mutex_);
  // Ids grow: a topic that is not visible yet has a higher one.
  if (!present.topics.empty()) highest_ = std::max(highest_, present.topics.back());
  present.upto = highest_;
  return present;
}

HubSettings Archives::TopicSettingsNow() {
  HubSettings settings;
  for (const std::shared_ptr<Topic>& topic : topics_.List("", std::numeric_limits<size_t>::max())) {
    settings.topics.emplace_back(topic->id(), topic->view()->settings->SerializeAsString());
  }
  std::sort(settings.topics.begin(), settings.topics.end());
  MutexLock lock(mutex_);
  if (!settings.topics.empty()) highest_ = std::max(highest_, settings.topics.back().first);
  settings.next_topic = TopicId(highest_.value() + 1);
  return settings;
}

absl::Status Archives::Advance(TopicArchive& archive, ArchiveTarget& lake, Pace pace) {
  const absl::Status status = AdvanceOnce(archive, lake, pace);
  if (archive.topic()->closing()) return absl::OkStatus();  // Whatever failed: it is over.
  if (!status.ok()) counters_.failures.Add();
  archive.NoteOutcome(status, clock_.Now());
  if (!status.ok()) archive.FailFlushes(status);
  return status;
}

absl::Status Archives::Agree(TopicArchive& archive, ArchiveTarget& lake) {
  if (archive.agreed()) return absl::OkStatus();
  const Topic& topic = *archive.topic();
  ASSIGN_OR_RETURN(const std::vector<LakePosition> positions, lake.Positions(NameOf(topic)));
  ArchiveRecords records = archive.records();
  std::vector<stored::ArchiveRange> moved;
  const std::shared_ptr<const TopicView> view = topic.view();
  for (const LakePosition& there : positions) {
    const size_t p = there.partition.value();
    if (p >= records.positions.size()) records.positions.resize(p + 1);
    ArchivePosition& here = records.positions[p];
    const bool known = p < view->partitions.size();
    const Offset end = known ? view->partitions[p]->end() : Offset(0);
    const Offset start = known ? view->partitions[p]->start() : Offset(0);
    // Complete objects that are not listed are listed next.
    Offset listed = here.to.offset;
    for (const stored::ArchiveObject& object : records.archive.unlisted()) {
      for (const stored::ArchiveRange& range : object.ranges()) {
        if (range.partition() == p) listed = std::min(listed, Offset(range.from()));
      }
    }
    if (there.end < listed) return LakeIsBehind(topic, there, listed);
    bool agrees = there.end <= end;
    if (agrees && there.run != 0 && there.end > Offset(0)) {
      ASSIGN_OR_RETURN(const LogRun run,
                       store_.runs().Find(topic.id(), there.partition, there.end + -1));
      // Of events that are deleted here, the run may be forgotten.
      agrees = run.id == there.run || (!run.noted && there.end < start);
    }
    if (!agrees || (there.end > here.to.offset && there.run == 0)) {
      return LakeIsAnother(topic, there, end);
    }
    if (there.end <= here.to.offset) continue;
    ASSIGN_OR_RETURN(const BatchInfo last,
                     store_.FindBatch(topic.id(), there.partition, there.end + -1));
    if (here.to.offset == Offset(0)) here.begin = there.begin;
    here.to = EndOf(last.base, last.header);
    if (here.to.offset != there.end) return LakeIsAnother(topic, there, end);
    moved.emplace_back().set_partition(there.partition.value());
  }
  if (!moved.empty()) RETURN_IF_ERROR(Store(archive, std::move(records), moved));
  archive.set_agreed();
  return absl::OkStatus();
}

absl::Status Archives::AdvanceOnce(TopicArchive& archive, ArchiveTarget& lake, Pace pace) {
  RETURN_IF_ERROR(Agree(archive, lake));
  RETURN_IF_ERROR(ListObjects(archive, lake));
  ASSIGN_OR_RETURN(stored::ArchiveObject object, TakeIntent(archive, lake));
  if (object.ranges().empty()) return absl::OkStatus();
  RETURN_IF_ERROR(Write(archive, lake, pace, std::move(object)));
  return ListObjects(archive, lake);
}

absl::StatusOr<stored::ArchiveObject> Archives::TakeIntent(TopicArchive& archive,
                                                           ArchiveTarget& lake) {
  ArchiveRecords records = archive.records();
  const Topic& topic = *archive.topic();
  ASSIGN_OR_RETURN(const uint64_t sequence, lake.NextSequence(NameOf(topic)));
  if (records.archive.intent().sequence() == sequence && records.archive.has_intent() &&
      HasEvents(topic, records.archive.intent())) {
    return records.archive.intent();
  }
  const absl::Duration now = clock_.Monotonic();
  ASSIGN_OR_RETURN(std::optional<ObjectPlan> plan,
                   PlanObject(topic, records.positions, store_, options_.limits));
  archive.NotePlanned(plan.has_value() && plan->more, now);
  if (!plan.has_value()) {
    if (!records.archive.has_intent()) return stored::ArchiveObject();
    records.archive.clear_intent();
    RETURN_IF_ERROR(Store(archive, std::move(records), {}));
    return stored::ArchiveObject();
  }
  plan->object.set_sequence(sequence);
  for (stored::ArchiveRange& range : *plan->object.mutable_ranges()) {
    RETURN_IF_ERROR(AddRuns(store_, topic.id(), &range));
  }
  *records.archive.mutable_intent() = plan->object;
  RETURN_IF_ERROR(Store(archive, std::move(records), {}));
  return plan->object;
}

absl::Status Archives::CopyRange(const Topic& topic, const stored::ArchiveRange& range, Pace pace,
                                 ArchiveTarget::Object& out, uint64_t* events) const {
  const PartitionId partition(range.partition());
  PartitionLog& log = *topic.view()->partitions[range.partition()];
  const Offset to(range.to());
  for (Offset next(range.from()); next < to;) {
    RETURN_IF_ERROR(
        pace(std::min<uint64_t>(options_.read_bytes, range.to_bytes() - range.from_bytes())));
    std::vector<RecordBatchPtr> batches;
    if (!log.tail().Read(next, to, options_.read_bytes, &batches)) {
      RETURN_IF_ERROR(store_.Read(topic.id(), partition, next, to, options_.read_bytes, &batches));
    }
    for (const RecordBatchPtr& batch : batches) {
      Offset at = batch->base;
      for (const SharedBytes& chunk : batch->chunks) {
        EventWalker walker(chunk);
        for (SlicedEvent event; walker.Next(&event); at = at + 1) {
          // Compaction may have removed events before the topic was archived.
          if (at < next || at >= to || event.message.empty()) continue;
          RETURN_IF_ERROR(out.Add(partition, at, batch->header.append_time(), event.message));
          ++*events;
        }
      }
      next = std::max(next, std::min(to, batch->end()));
    }
  }
  return absl::OkStatus();
}

absl::Status Archives::Write(TopicArchive& archive, ArchiveTarget& lake, Pace pace,
                             stored::ArchiveObject object) {
  const Topic& topic = *archive.topic();
  uint64_t events = 0;
  uint64_t bytes = 0;
  {
    ASSIGN_OR_RETURN(const std::unique_ptr<ArchiveTarget::Object> out,
                     lake.Begin(NameOf(topic), object));
    for (const stored::ArchiveRange& range : object.ranges()) {
      RETURN_IF_ERROR(CopyRange(topic, range, pace, *out, &events));
      bytes += range.to_bytes() - range.from_bytes();
    }
    ASSIGN_OR_RETURN(*object.mutable_entry(), out->Finish());
  }
  object.set_events(events);
  ArchiveRecords records = archive.records();
  uint64_t missing = 0;
  for (const stored::ArchiveRange& range : object.ranges()) {
    if (range.partition() >= records.positions.size()) {
      records.positions.resize(range.partition() + 1);
    }
    ArchivePosition& position = records.positions[range.partition()];
    if (position.to.offset == Offset(0)) position.begin = Offset(range.from());
    position.to = {Offset(range.to()), range.to_bytes()};
    position.missing += range.missing();
    missing += range.missing();
  }
  const std::vector<stored::ArchiveRange> moved(object.ranges().begin(), object.ranges().end());
  records.archive.clear_intent();
  records.archive.set_objects(records.archive.objects() + 1);
  records.archive.set_events(records.archive.events() + events);
  *records.archive.add_unlisted() = std::move(object);
  RETURN_IF_ERROR(Store(archive, std::move(records), moved));
  counters_.events.Add(events);
  counters_.bytes.Add(bytes);
  counters_.objects.Add();
  counters_.missing.Add(missing);
  return absl::OkStatus();
}

absl::Status Archives::ListObjects(TopicArchive& archive, ArchiveTarget& lake) {
  ArchiveRecords records = archive.records();
  if (records.archive.unlisted().empty()) return absl::OkStatus();
  RETURN_IF_ERROR(keys_.Bring(lake));
  for (const stored::ArchiveObject& object : records.archive.unlisted()) {
    RETURN_IF_ERROR(lake.List(NameOf(*archive.topic()), object));
  }
  records.archive.clear_unlisted();
  RETURN_IF_ERROR(Store(archive, std::move(records), {}));
  if (archive.topic()->archive_full_at() != UINT64_MAX) on_archived_();
  return absl::OkStatus();
}

absl::Status Archives::Store(TopicArchive& archive, ArchiveRecords records,
                             absl::Span<const stored::ArchiveRange> moved) {
  std::vector<std::pair<PartitionId, std::string>> positions;
  for (const stored::ArchiveRange& range : moved) {
    positions.emplace_back(PartitionId(range.partition()),
                           records.positions[range.partition()].Encode());
  }
  RETURN_IF_ERROR(AwaitOutcome([&](StatusDone done) {
    writer_.Submit(std::make_unique<ArchiveTask>(archive.topic(),
                                                 records.archive.SerializeAsString(),
                                                 std::move(positions), std::move(done)));
  }));
  archive.Apply(std::move(records));
  return absl::OkStatus();
}

void Archives::Flush(const std::shared_ptr<Topic>& topic, StatusDone done) {
  const std::shared_ptr<TopicArchive> archive = Of(topic);
  archive->Flush(std::move(done));
  bool stopped;
  {
    MutexLock lock(mutex_);
    stopped = stopped_;
  }
  if (stopped) {
    archive->FailFlushes(NotRunning());
    return;
  }
  MutexLock lock(wake_mutex_);
  if (wake_ != nullptr) wake_();
}

void Archives::OnFlush(absl::AnyInvocable<void()> wake) {
  MutexLock lock(wake_mutex_);
  wake_ = std::move(wake);
}

void Archives::Stop() {
  OnFlush(nullptr);
  std::vector<std::shared_ptr<TopicArchive>> all;
  {
    MutexLock lock(mutex_);
    stopped_ = true;
    for (const auto& [id, archive] : archives_) all.push_back(archive);
  }
  for (const auto& archive : all) archive->FailFlushes(NotRunning());
}

void Archives::NoteUpkeep(LakeUpkeep upkeep) {
  MutexLock lock(mutex_);
  counters_.merged.Add(upkeep.merged_objects - upkeep_.merged_objects);
  counters_.merged_bytes.Add(upkeep.merged_bytes - upkeep_.merged_bytes);
  counters_.merge_failures.Add(upkeep.merge_failures - upkeep_.merge_failures);
  upkeep_ = std::move(upkeep);
}

v1::ArchiveStatus Archives::Describe(const std::shared_ptr<Topic>& topic) {
  return Of(topic)->Describe(clock_.Monotonic());
}

std::string Archives::Finding(const std::shared_ptr<Topic>& topic) {
  if (!topic->archive_hold().active()) return "";
  const v1::ArchiveStatus status = Describe(topic);
  const Topic::HeldBack held = topic->held_back();
  std::string finding;
  if (topic->archive_full_at() <= topic->held_bytes()) {
    finding = absl::StrCat("publishing is refused: ", Gibibytes(held.archive_bytes),
                           " are kept beyond retention because the lake does not have them");
  } else if (held.archive_bytes > 0 && !status.last_error().empty()) {
    finding = absl::StrCat(Gibibytes(held.archive_bytes),
                           " are kept beyond retention because the lake does not have them");
    if (topic->archive_full_at() != UINT64_MAX) {
      absl::StrAppend(&finding, "; publishing is refused after ",
                      Gibibytes(topic->archive_full_at() - topic->held_bytes()), " more");
    }
  } else if (!status.last_error().empty()) {
    finding = absl::StrCat("the lake lacks ", status.lag_events(), " events");
  }
  if (!finding.empty() && !status.last_error().empty()) {
    absl::StrAppend(&finding, ": ", status.last_error());
  }
  return finding;
}

void Archives::AddTo(v1::GetStatsResponse* stats) {
  v1::LakeStats& lake = *stats->mutable_lake();
  lake.set_location(options_.location);
  v1::ArchiveStatus& totals = *lake.mutable_totals();
  totals.set_enabled(true);
  int64_t longest = -1;
  for (const std::shared_ptr<TopicArchive>& archive : List()) {
    lake.set_topics(lake.topics() + 1);
    const v1::ArchiveStatus status = archive->Describe(clock_.Monotonic());
    totals.set_lag_events(totals.lag_events() + status.lag_events());
    totals.set_lag_bytes(totals.lag_bytes() + status.lag_bytes());
    totals.set_archived_events(totals.archived_events() + status.archived_events());
    totals.set_objects(totals.objects() + status.objects());
    totals.set_missing_events(totals.missing_events() + status.missing_events());
    const int64_t lag = status.has_lag() ? TimeUtil::DurationToMilliseconds(status.lag()) : 0;
    if (status.has_lag() && lag > longest) *totals.mutable_lag() = status.lag();
    if (lag > longest || (totals.last_error().empty() && !status.last_error().empty())) {
      totals.set_last_error(status.last_error());
      totals.clear_last_error_time();
      if (status.has_last_error_time()) {
        *totals.mutable_last_error_time() = status.last_error_time();
      }
    }
    longest = std::max(longest, lag);
    const std::string finding = Finding(archive->topic());
    if (!finding.empty()) {
      lake.add_findings(absl::StrCat("topic ", archive->topic()->name(), ": ", finding));
    }
  }
  MutexLock lock(mutex_);
  for (const std::string& finding : upkeep_.findings) lake.add_findings(finding);
}

}  // namespace eventhub
