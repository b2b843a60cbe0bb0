#include "server/lake/restore/lake_restore.h"

#include <algorithm>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "google/protobuf/util/time_util.h"
#include "server/core/erasure/key_entries.h"
#include "server/core/erasure/key_records.h"
#include "server/core/restore/log_import.h"
#include "server/core/topic/topic_settings.h"
#include "server/lake/manifest/catalog.h"
#include "server/lake/manifest/hub_record.h"
#include "server/lake/manifest/key_file.h"
#include "server/lake/manifest/manifest.h"
#include "server/lake/manifest/owner.h"
#include "server/lake/object/event_line.h"
#include "server/lake/read/partition_cursor.h"
#include "server/lake/store/open_store.h"
#include "storage/base/await.h"
#include "storage/base/status_macros.h"
#include "storage/base/work_pool.h"

namespace eventhub {
namespace {

struct RestoredPartition {
  ImportedPartition known;
  // Of each object that has events of it: where they end, and how many there are.
  std::vector<std::pair<Offset, uint64_t>> objects{};
};

struct RestoredTopic {
  v1::Topic settings;
  // Unset: the topic is not archived.
  std::optional<lake::LakeTopic> history{};
  lake::Manifest manifest{};
  std::map<uint32_t, RestoredPartition> partitions{};
};

// Fills in the partitions. Events that retention would delete by their age stay in the lake alone.
void DescribePartitions(absl::Time now, RestoredTopic* topic) {
  for (const auto& [number, archived] : topic->manifest.archived()) {
    ImportedPartition& known = topic->partitions[number].known;
    known.start = Offset(archived.begin);
    known.from = known.end = Offset(archived.end);
  }
  for (const lake::RunStart& run : topic->manifest.runs()) {
    topic->partitions[run.partition()].known.runs.push_back({Offset(run.offset()), run.run()});
  }
  const absl::Duration max_age = MaxAgeOf(topic->settings);
  const bool keeps_all = max_age == absl::InfiniteDuration();
  const int64_t oldest = keeps_all ? 0 : absl::ToUnixMicros(now - max_age);
  for (const auto& [sequence, object] : topic->manifest.objects()) {
    const bool kept =
        !topic->settings.retention().none() && (keeps_all || object.last_append_micros() >= oldest);
    for (const lake::OffsetRange& range : object.ranges()) {
      RestoredPartition& partition = topic->partitions[range.partition()];
      partition.objects.emplace_back(Offset(range.end()), range.events());
      if (!kept) continue;
      partition.known.from = std::min(partition.known.from, Offset(range.begin()));
    }
  }
}

absl::Status Named(const std::string& name, const absl::Status& status) {
  return absl::Status(status.code(), absl::StrCat(name, ": ", status.message()));
}

class Restore {
 public:
  explicit Restore(LakeRestoreOptions options)
      : options_(std::move(options)),
        directory_(options_.broker.store),
        now_(options_.broker.clock->Now()) {
    options_.broker.topic_limits.can_seal = true;  // As the hub could.
  }

  absl::StatusOr<RestoreProgress> Run() {
    RETURN_IF_ERROR(ReadLake());
    RETURN_IF_ERROR(ImportAll());
    RETURN_IF_ERROR(ApplyTopology());
    RETURN_IF_ERROR(LogImport::Finish(directory_, now_));
    return progress_;
  }

 private:
  absl::Status ReadLake() {
    ASSIGN_OR_RETURN(
        store_, lake::OpenObjectStore(options_.lake, lake::StoreAccess::kRead, options_.calls));
    ASSIGN_OR_RETURN(const std::optional<lake::LakeOwner> owner, lake::ReadOwner(*store_));
    if (!owner) {
      return absl::NotFoundError(absl::StrCat(options_.lake, " is not a lake: no hub owns it"));
    }
    hub_ = owner->hub;
    ASSIGN_OR_RETURN(const lake::Catalog catalog, lake::Catalog::Load(*store_));
    ASSIGN_OR_RETURN(record_, lake::ReadHubRecord(*store_));
    if (record_ && record_->hub() != hub_) record_.reset();  // Of a hub that had the lake before.
    std::set<TopicId> deleted;
    for (const lake::CatalogEntry& entry : catalog.entries()) {
      if (entry.topic.identity.hub != hub_) continue;
      const TopicId id(entry.topic.identity.id);
      next_topic_ = std::max(next_topic_, TopicId(id.value() + 1));
      if (entry.deleted) {
        deleted.insert(id);
      } else {
        RETURN_IF_ERROR(AddHistory(id, entry));
      }
    }
    if (record_) RETURN_IF_ERROR(AddRecord(deleted));
    RemoveNamesakes();
    for (auto& [id, topic] : topics_) DescribePartitions(now_, &topic);
    return absl::OkStatus();
  }

  absl::Status AddRecord(const std::set<TopicId>& deleted) {
    next_topic_ = std::max(next_topic_, TopicId(record_->next_topic_id()));
    for (const lake::HubTopic& topic : record_->topics()) {
      const TopicId id(topic.id());
      if (deleted.contains(id)) continue;  // Since the record was written.
      v1::Topic settings;
      if (!settings.ParseFromString(topic.settings()) || settings.name().empty()) {
        return absl::DataLossError(
            absl::StrCat("the lake's record of topic ", topic.id(), " is damaged"));
      }
      RestoredTopic& to = topics_[id];
      settings.set_partitions(std::max(settings.partitions(), to.settings.partitions()));
      to.settings = std::move(settings);
    }
    return absl::OkStatus();
  }

  // Takes up a topic with its history, and with settings that say no more than that.
  absl::Status AddHistory(TopicId id, const lake::CatalogEntry& entry) {
    RestoredTopic& topic = topics_[id];
    topic.history = entry.topic;
    ASSIGN_OR_RETURN(topic.manifest, lake::Manifest::Load(*store_, entry.topic));
    v1::Topic asked;
    asked.set_name(entry.topic.name);
    const auto& archived = topic.manifest.archived();
    asked.set_partitions(archived.empty() ? 1 : archived.rbegin()->first + 1);
    ASSIGN_OR_RETURN(topic.settings,
                     NewTopicSettings(asked, options_.broker.topic_limits, entry.created));
    return absl::OkStatus();
  }

  // Two topics may have one name if the hub ended before the lake knew that one was deleted: the
  // later one is meant.
  void RemoveNamesakes() {
    std::map<std::string, TopicId> names;
    for (auto it = topics_.begin(); it != topics_.end(); ++it) {
      const auto [known, is_new] = names.emplace(it->second.settings.name(), it->first);
      if (is_new) continue;
      topics_.erase(known->second);
      known->second = it->first;
    }
  }

  // An earlier state of the hub may be completed, nothing else.
  absl::Status CheckPresent(const LogImport& import) const {
    ASSIGN_OR_RETURN(const auto present, import.Topics());
    for (const auto& [id, settings] : present) {
      const auto found = topics_.find(id);
      if (found == topics_.end() || found->second.settings.name() != settings.name()) {
        return absl::FailedPreconditionError(absl::StrCat(
            "the data directory is not empty: it has topic ", settings.name(), " with the number ",
            id.value(), ", which the hub of the lake does not have (any more)"));
      }
      for (uint32_t p = 0; p < settings.partitions(); ++p) {
        const auto known = found->second.partitions.find(p);
        if (known == found->second.partitions.end()) continue;
        RETURN_IF_ERROR(import.Check(id, settings, PartitionId(p), known->second.known));
      }
    }
    return absl::OkStatus();
  }

  absl::Status ImportAll() {
    ASSIGN_OR_RETURN(const std::unique_ptr<LogImport> import,
                     LogImport::Open(directory_, hub_, options_.lake, now_));
    if (import->completes()) RETURN_IF_ERROR(CheckPresent(*import));
    RETURN_IF_ERROR(CheckMasterKeys());
    RETURN_IF_ERROR(import->Start());
    RETURN_IF_ERROR(ImportKeys(*import));
    for (auto& [id, topic] : topics_) {
      RETURN_IF_ERROR(import->PutTopic(id, topic.settings));
      for (const auto& [sequence, object] : topic.manifest.objects()) {
        progress_.total += object.events();
      }
    }
    RETURN_IF_ERROR(import->PutNextTopicId(next_topic_));
    for (const auto& [id, topic] : topics_) {
      if (topic.history.has_value()) {
        const absl::Status imported = ImportTopic(*import, id, topic);
        if (!imported.ok()) return Named(absl::StrCat("topic ", topic.settings.name()), imported);
      }
      ++progress_.topics;
    }
    return import->Sync();
  }

  // The hub that is opened at the end refuses to start without them, when the work is done.
  absl::Status CheckMasterKeys() const {
    for (uint32_t part = 0; part < lake::kKeyParts; ++part) {
      ASSIGN_OR_RETURN(const std::string text, lake::ReadKeys(*store_, part));
      ASSIGN_OR_RETURN(const KeyEntries keys, DecodeKeys(text));
      for (const auto& [key, value] : keys) {
        ASSIGN_OR_RETURN(const DataKeyRecord record, DataKeyRecord::Decode(value));
        RETURN_IF_ERROR(
            options_.broker.master_keys.Require(MasterKeys::IdOf(record.wrapped), options_.lake));
      }
    }
    return absl::OkStatus();
  }

  absl::Status ImportKeys(LogImport& import) const {
    ASSIGN_OR_RETURN(const std::string erasures, lake::ReadErasures(*store_));
    ASSIGN_OR_RETURN(const KeyEntries erased, DecodeErasures(erasures));
    RETURN_IF_ERROR(import.PutErasures(erased));
    for (uint32_t part = 0; part < lake::kKeyParts; ++part) {
      ASSIGN_OR_RETURN(const std::string text, lake::ReadKeys(*store_, part));
      ASSIGN_OR_RETURN(const KeyEntries keys, DecodeKeys(text));
      RETURN_IF_ERROR(import.PutKeys(keys));
    }
    return absl::OkStatus();
  }

  absl::Status ImportTopic(LogImport& import, TopicId id, const RestoredTopic& topic) {
    for (const auto& [partition, history] : topic.partitions) {
      const ImportedPartition& known = history.known;
      ASSIGN_OR_RETURN(const std::unique_ptr<PartitionImport> to,
                       import.Begin(id, topic.settings, PartitionId(partition), known));
      const lake::ReadRange range{.from_offset = to->next().value(),
                                  .to_offset = known.end.value()};
      for (const auto& [end, events] : history.objects) {
        if (end <= to->next()) progress_.total -= events;  // There, or left out.
      }
      lake::PartitionCursor cursor(*store_, *topic.history, topic.manifest, partition, range);
      for (;;) {
        ASSIGN_OR_RETURN(const bool more, cursor.Next());
        if (!more) break;
        const lake::EventPosition& at = cursor.event().position;
        const absl::StatusOr<std::string> event = lake::EncodedOf(cursor.event().line);
        absl::Status added = event.status();
        if (added.ok()) added = to->Append(Offset(at.offset), at.append_micros, *event);
        if (!added.ok()) return Named(absl::StrCat("partition ", partition), added);
        if (++progress_.events % options_.progress_events == 0) RETURN_IF_ERROR(Look());
      }
      RETURN_IF_ERROR(import.End(*to, id, PartitionId(partition), known));
    }
    uint64_t events = 0;
    for (const auto& [sequence, object] : topic.manifest.objects()) events += object.events();
    RETURN_IF_ERROR(import.PutArchive(id, topic.manifest.last_sequence(), events));
    return Look();
  }

  absl::Status Look() {
    if (options_.progress == nullptr || options_.progress(progress_)) return absl::OkStatus();
    return absl::CancelledError("the restore was interrupted; the same command goes on");
  }

  absl::Status ApplyTopology() {
    v1::ApplyTopologyRequest request;
    if (!record_ || record_->topology().empty()) return absl::OkStatus();
    if (!request.mutable_topology()->ParseFromString(record_->topology())) {
      return absl::DataLossError("the lake's record of the topology is damaged");
    }
    BrokerOptions broker = std::move(options_.broker);
    broker.maintenance.reset();
    broker.archive.reset();
    broker.run_alarm = false;
    broker.restoring = true;
    ASSIGN_OR_RETURN(const std::unique_ptr<Broker> hub, Broker::Open(std::move(broker)));
    using Applied = absl::StatusOr<v1::ApplyTopologyResponse>;
    ASSIGN_OR_RETURN(const v1::ApplyTopologyResponse applied, AwaitOutcome<Applied>([&](auto done) {
                       hub->topologies().Apply(Caller::Internal("restore"), std::move(request),
                                               std::move(done));
                     }));
    if (applied.has_error()) {
      return absl::InternalError(
          absl::StrCat("the topology of the lake cannot be applied: ", applied.error().message()));
    }
    for (const lake::SubscriptionProgress& progress : record_->progress()) {
      const absl::Status moved = MoveBack(*hub, progress);
      if (!moved.ok()) {
        return Named(absl::StrCat("subscription ", progress.subscription()), moved);
      }
    }
    return absl::OkStatus();
  }

  // Moves a subscription to where it was: it is at the end.
  absl::Status MoveBack(Broker& hub, const lake::SubscriptionProgress& progress) {
    const std::shared_ptr<Subscription> subscription =
        hub.subscriptions().catalog().Find(progress.subscription());
    if (subscription == nullptr) return absl::OkStatus();
    v1::SeekSubscriptionRequest request;
    request.set_name(progress.subscription());
    const std::shared_ptr<const TopicView> view = subscription->topic()->view();
    for (const lake::SubscriptionProgress::Partition& partition : progress.partitions()) {
      if (partition.partition() >= view->partitions.size()) continue;
      const PartitionLog& log = *view->partitions[partition.partition()];
      // What it had settled may be older than the log, or newer than what the lake has.
      const Offset to = std::clamp(Offset(partition.settled()), log.start(), log.end());
      if (to == log.end()) continue;
      v1::PartitionOffset& offset = *request.add_offsets();
      offset.set_partition(partition.partition());
      offset.set_offset(to.value());
    }
    if (request.offsets().empty()) return absl::OkStatus();
    WorkPool pool{1};
    using Moved = absl::StatusOr<v1::SeekSubscriptionResponse>;
    return AwaitOutcome<Moved>([&](auto done) {
             hub.subscriptions().moves().Seek(Caller::Internal("restore"), request, pool,
                                              std::move(done));
           })
        .status();
  }

  LakeRestoreOptions options_;
  const LogStoreOptions directory_;
  const absl::Time now_;
  std::unique_ptr<lake::ObjectStore> store_;
  std::string hub_;
  std::optional<lake::HubRecord> record_;
  std::map<TopicId, RestoredTopic> topics_;
  TopicId next_topic_{1};
  RestoreProgress progress_;
};

}  // namespace

absl::StatusOr<RestoreProgress> RestoreFromLake(LakeRestoreOptions options) {
  return Restore(std::move(options)).Run();
}

}  // namespace eventhub
