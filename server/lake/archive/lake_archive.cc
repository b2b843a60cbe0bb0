#include "server/lake/archive/lake_archive.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "server/lake/manifest/hub_record.h"
#include "server/lake/manifest/key_file.h"
#include "server/lake/object/object_plan.h"
#include "server/lake/object/object_writer.h"
#include "server/lake/store/open_store.h"
#include "storage/base/status_macros.h"

namespace eventhub {
namespace {

class LakeObject final : public ArchiveTarget::Object {
 public:
  explicit LakeObject(std::unique_ptr<lake::ObjectWriter> writer) : writer_(std::move(writer)) {}

  absl::Status Add(PartitionId partition, Offset offset, absl::Time append_time,
                   absl::string_view event) override {
    return writer_->Add({partition.value(), offset.value(), absl::ToUnixMicros(append_time)},
                        event);
  }

  absl::StatusOr<std::string> Finish() override {
    ASSIGN_OR_RETURN(const lake::ObjectRecord record, writer_->Finish());
    return record.SerializeAsString();
  }

 private:
  const std::unique_ptr<lake::ObjectWriter> writer_;
};

}  // namespace

absl::StatusOr<std::unique_ptr<LakeArchive>> LakeArchive::Open(const std::string& location,
                                                               LakeArchiveOptions options,
                                                               const Clock& clock) {
  ASSIGN_OR_RETURN(std::unique_ptr<lake::ObjectStore> store,
                   lake::OpenObjectStore(location, lake::StoreAccess::kWrite, options.calls));
  lake::ObjectStore& leftovers = *store;
  auto archive = std::make_unique<LakeArchive>(std::move(store), std::move(options), clock);
  const absl::Status claimed = archive->Claim();
  if (lake::FaultOf(claimed) == lake::StoreFault::kPermanent) return claimed;
  // What an earlier process left; it takes space, nothing else.
  if (claimed.ok()) leftovers.RemoveLeftovers().IgnoreError();
  archive->StartMerging();
  return archive;
}

LakeArchive::LakeArchive(std::unique_ptr<lake::ObjectStore> store, LakeArchiveOptions options,
                         const Clock& clock)
    : store_(std::move(store)),
      options_(std::move(options)),
      clock_(clock),
      topics_(*store_,
              {.hub = options_.hub,
               .description = options_.description,
               .takeover = options_.takeover,
               .now = clock.Now()},
              clock) {}

LakeArchive::~LakeArchive() { Interrupt(); }

absl::Status LakeArchive::Claim() { return topics_.Claim(); }

void LakeArchive::StartMerging() {
  if (!options_.merger) return;
  merger_ = std::make_unique<LakeMerger>(*store_, topics_, clock_, *options_.merger);
}

void LakeArchive::Interrupt() {
  store_->Interrupt();
  if (merger_ != nullptr) merger_->Interrupt();
}

LakeUpkeep LakeArchive::Upkeep() const {
  return merger_ == nullptr ? LakeUpkeep() : merger_->Describe();
}

absl::StatusOr<uint64_t> LakeArchive::NextSequence(const ArchivedTopic& topic) {
  const absl::StatusOr<std::shared_ptr<OwnedTopic>> open = Find(topic);
  if (!open.ok()) return topics_.Explain(open.status());
  // The manifest of a topic is written conditionally, but another hub's topics have others.
  RETURN_IF_ERROR(topics_.CheckOwned());
  uint64_t sequence = 0;
  RETURN_IF_ERROR((*open)->WithManifest([&sequence](lake::ManifestWriter& manifest) {
    sequence = manifest.next_sequence();
    return absl::OkStatus();
  }));
  return sequence;
}

absl::StatusOr<std::vector<LakePosition>> LakeArchive::Positions(const ArchivedTopic& topic) {
  const absl::StatusOr<std::shared_ptr<OwnedTopic>> open = Find(topic);
  if (!open.ok()) return topics_.Explain(open.status());
  std::vector<LakePosition> positions;
  RETURN_IF_ERROR((*open)->WithManifest([&positions](lake::ManifestWriter& manifest) {
    for (const auto& [partition, archived] : manifest.archived()) {
      const auto run = manifest.last_runs().find(partition);
      positions.push_back({.partition = PartitionId(partition),
                           .begin = Offset(archived.begin),
                           .end = Offset(archived.end),
                           .run = run == manifest.last_runs().end() ? 0 : run->second});
    }
    return absl::OkStatus();
  }));
  return positions;
}

absl::StatusOr<std::unique_ptr<ArchiveTarget::Object>> LakeArchive::Begin(
    const ArchivedTopic& topic, const stored::ArchiveObject& object) {
  ASSIGN_OR_RETURN(const std::shared_ptr<OwnedTopic> open, Find(topic));
  lake::ObjectPlan plan{
      .topic = open->topic(), .sequence = object.sequence(), .hour = object.hour(), .ranges = {}};
  for (const stored::ArchiveRange& range : object.ranges()) {
    plan.ranges.push_back({range.partition(), range.from(), range.to()});
  }
  ASSIGN_OR_RETURN(std::unique_ptr<lake::ObjectWriter> writer,
                   lake::ObjectWriter::Create(*store_, plan));
  return std::make_unique<LakeObject>(std::move(writer));
}

absl::Status LakeArchive::List(const ArchivedTopic& topic, const stored::ArchiveObject& object) {
  const absl::StatusOr<std::shared_ptr<OwnedTopic>> open = Find(topic);
  if (!open.ok()) return topics_.Explain(open.status());
  lake::ObjectRecord record;
  if (!record.ParseFromString(object.entry()) || record.sequence() != object.sequence()) {
    return absl::DataLossError(
        absl::StrCat("the record of object ", object.sequence(), " is damaged"));
  }
  RETURN_IF_ERROR((*open)->WithManifest([&](lake::ManifestWriter& manifest) {
    return ListIn(manifest, topic.name, object, record);
  }));
  if (merger_ != nullptr) merger_->NoteObject((*open)->topic(), object.hour());
  return absl::OkStatus();
}

absl::Status LakeArchive::ListIn(lake::ManifestWriter& manifest, const std::string& topic,
                                 const stored::ArchiveObject& object,
                                 const lake::ObjectRecord& record) {
  RETURN_IF_ERROR(manifest.Settle());
  if (object.sequence() < manifest.next_sequence()) {  // Listed before a crash.
    for (const stored::ArchiveRange& range : object.ranges()) {
      const auto archived = manifest.archived().find(range.partition());
      if (archived != manifest.archived().end() && archived->second.end >= range.to()) continue;
      return absl::FailedPreconditionError(absl::StrCat("object ", object.sequence(), " of topic ",
                                                        topic, " in the lake ", store_->Describe(),
                                                        " is not that of this hub"));
    }
    return absl::OkStatus();
  }
  std::vector<lake::SkippedRange> skipped;
  std::vector<lake::RunStart> runs;
  for (const stored::ArchiveRange& range : object.ranges()) {
    for (const stored::ArchiveRun& part : range.runs()) {
      lake::RunStart& run = runs.emplace_back();
      run.set_partition(range.partition());
      run.set_offset(part.from());
      run.set_run(part.id());
    }
    if (range.missing() == 0) continue;
    lake::SkippedRange& gap = skipped.emplace_back();
    gap.set_partition(range.partition());
    gap.set_begin(range.from() - static_cast<int64_t>(range.missing()));
    gap.set_end(range.from());
    gap.set_reason(options_.drops ? lake::SkippedRange::DROPPED : lake::SkippedRange::NOT_ARCHIVED);
    gap.set_time_micros(record.last_append_micros());
  }
  RETURN_IF_ERROR(topics_.Explain(manifest.Append({record}, skipped, clock_.Now(), runs)));
  // Without it, readers take longer.
  if (manifest.WantsCheckpoint()) manifest.WriteCheckpoint().IgnoreError();
  return absl::OkStatus();
}

absl::Status LakeArchive::KeepOnly(const std::vector<TopicId>& present, TopicId upto) {
  std::vector<uint32_t> ids;
  for (const TopicId id : present) ids.push_back(id.value());
  return topics_.KeepOnly(ids, upto.value());
}

absl::Status LakeArchive::KeepSettings(const HubSettings& settings) {
  lake::HubRecord record;
  record.set_time_micros(absl::ToUnixMicros(clock_.Now()));
  for (const auto& [id, topic] : settings.topics) {
    lake::HubTopic& to = *record.add_topics();
    to.set_id(id.value());
    to.set_settings(topic);
  }
  record.set_next_topic_id(settings.next_topic.value());
  record.set_topology(settings.topology);
  for (const auto& [subscription, settled] : settings.progress) {
    lake::SubscriptionProgress& to = *record.add_progress();
    to.set_subscription(subscription);
    for (size_t i = 0; i < settled.size(); ++i) {
      lake::SubscriptionProgress::Partition& partition = *to.add_partitions();
      partition.set_partition(static_cast<uint32_t>(i));
      partition.set_settled(settled[i].value());
    }
  }
  ASSIGN_OR_RETURN(const lake::LakeOwner owner, topics_.Owner());
  return lake::WriteHubRecord(*store_, owner, std::move(record));
}

absl::StatusOr<std::string> LakeArchive::Keys(uint32_t part) {
  return lake::ReadKeys(*store_, part);
}

absl::StatusOr<std::string> LakeArchive::Erasures() { return lake::ReadErasures(*store_); }

absl::Status LakeArchive::KeepKeys(uint32_t part, const std::string& keys, bool purge) {
  RETURN_IF_ERROR(topics_.Owner().status());
  RETURN_IF_ERROR(topics_.CheckOwned());
  return lake::WriteKeys(*store_, part, keys, purge);
}

absl::Status LakeArchive::KeepErasures(const std::string& erasures) {
  RETURN_IF_ERROR(topics_.Owner().status());
  RETURN_IF_ERROR(topics_.CheckOwned());
  return lake::WriteErasures(*store_, erasures);
}

}  // namespace eventhub
