#include "server/core/restore/log_import.h"

#include <algorithm>
#include <utility>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "server/core/archive/archive_records.h"
#include "server/core/base/restore_marker.h"
#include "server/core/erasure/key_records.h"
#include "server/core/erasure/master_keys.h"
#include "server/core/topic/topic_catalog.h"
#include "storage/base/status_macros.h"
#include "storage/key_codec.h"

namespace eventhub {
namespace {

constexpr size_t kCommitBytes = size_t{4} << 20;

// The run of the event at `offset`, as far as the history knows it.
std::optional<uint64_t> RunAt(const ImportedPartition& known, Offset offset) {
  std::optional<uint64_t> id;
  for (const ImportedRun& run : known.runs) {
    if (run.first <= offset) id = run.id;
  }
  return id;
}

absl::Status CheckEmpty(const LogStore& store, const std::string& hub_id, bool* has_topics) {
  *has_topics = false;
  RETURN_IF_ERROR(store.Scan(Column::kMeta, kTopicKeyPrefix,
                             [has_topics](absl::string_view, absl::string_view) {
                               *has_topics = true;
                               return false;
                             }));
  if (!*has_topics) return absl::OkStatus();
  ASSIGN_OR_RETURN(const std::optional<std::string> present, store.Get(Column::kMeta, kHubIdKey));
  if (present == absl::HexStringToBytes(hub_id)) return absl::OkStatus();
  return absl::FailedPreconditionError(
      "the data directory is not empty: it has the topics of another hub");
}

}  // namespace

LogImport::LogImport(std::unique_ptr<LogStore> store, std::string hub_id, std::string from,
                     absl::Time now)
    : store_(std::move(store)), hub_id_(std::move(hub_id)), from_(std::move(from)), now_(now) {}

absl::StatusOr<std::unique_ptr<LogImport>> LogImport::Open(const LogStoreOptions& options,
                                                           const std::string& hub_id,
                                                           const std::string& from,
                                                           absl::Time now) {
  ASSIGN_OR_RETURN(std::unique_ptr<LogStore> store, LogStore::Open(options));
  // A full disk is an error here: nothing else makes room.
  store->StopWaitingForSpace();
  ASSIGN_OR_RETURN(const std::optional<std::string> marker, ReadRestoreMarker(*store));
  if (marker.has_value() && *marker != from) {
    return absl::FailedPreconditionError(absl::StrCat("the data directory ", options.directory,
                                                      " is being restored from ", *marker));
  }
  std::unique_ptr<LogImport> import(new LogImport(std::move(store), hub_id, from, now));
  if (!marker.has_value()) {
    RETURN_IF_ERROR(CheckEmpty(*import->store_, hub_id, &import->completes_));
  }
  return import;
}

absl::Status LogImport::Start() {
  ASSIGN_OR_RETURN(CommitBuilder* const commit, Add(0));
  commit->Put(Column::kMeta, kHubIdKey, absl::HexStringToBytes(hub_id_));
  PutRestoreMarker(from_, *commit);
  return Sync();
}

absl::StatusOr<CommitBuilder*> LogImport::Add(size_t bytes) {
  if (commit_bytes_ >= kCommitBytes) RETURN_IF_ERROR(Write());
  if (commit_ == nullptr) {
    commit_ = std::make_unique<CommitBuilder>(*store_, now_, kCommitBytes);
    commit_bytes_ = 0;
  }
  commit_bytes_ += bytes;
  return commit_.get();
}

absl::Status LogImport::Write() {
  if (commit_ == nullptr) return absl::OkStatus();
  const std::unique_ptr<CommitBuilder> commit = std::move(commit_);
  commit_bytes_ = 0;
  commit->RunHooks();
  return commit->Write(*store_);
}

absl::Status LogImport::Sync() {
  RETURN_IF_ERROR(Write());
  return store_->Sync();
}

absl::StatusOr<std::vector<std::pair<TopicId, v1::Topic>>> LogImport::Topics() const {
  std::vector<std::pair<TopicId, v1::Topic>> topics;
  absl::Status damage;
  RETURN_IF_ERROR(store_->Scan(
      Column::kMeta, kTopicKeyPrefix, [&](absl::string_view key, absl::string_view value) {
        v1::Topic settings;
        if (!settings.ParseFromArray(value.data(), static_cast<int>(value.size()))) {
          damage = absl::DataLossError(
              absl::StrCat("the record of topic ", TopicIdOf(key).value(), " is damaged"));
          return false;
        }
        topics.emplace_back(TopicIdOf(key), std::move(settings));
        return true;
      }));
  RETURN_IF_ERROR(damage);
  return topics;
}

absl::Status LogImport::PutTopic(TopicId id, v1::Topic settings) {
  ASSIGN_OR_RETURN(const std::optional<std::string> present,
                   store_->Get(Column::kMeta, TopicKey(id)));
  if (v1::Topic before; present.has_value() && before.ParseFromString(*present)) {
    settings.set_partitions(std::max(settings.partitions(), before.partitions()));
  }
  if (settings.erasable()) RETURN_IF_ERROR(store_->RequireFormat(LogStore::kSealedDataFormat));
  ASSIGN_OR_RETURN(CommitBuilder* const commit, Add(0));
  commit->Put(Column::kMeta, TopicKey(id), EncodeTopicRecord(settings));
  return absl::OkStatus();
}

absl::Status LogImport::PutNextTopicId(TopicId id) {
  ASSIGN_OR_RETURN(const std::optional<std::string> present,
                   store_->Get(Column::kMeta, kNextTopicIdKey));
  if (present.has_value() && present->size() == sizeof(uint32_t)) {
    id = std::max(id, TopicId(LoadLittle32(present->data())));
  }
  std::string record;
  AppendLittle32(&record, id.value());
  ASSIGN_OR_RETURN(CommitBuilder* const commit, Add(0));
  commit->Put(Column::kMeta, kNextTopicIdKey, record);
  return absl::OkStatus();
}

absl::Status LogImport::PutErasures(const KeyEntries& erasures) {
  for (const auto& [key, value] : erasures) {
    ASSIGN_OR_RETURN(const ErasureRecord erasure, ErasureRecord::Decode(value));
    ASSIGN_OR_RETURN(const std::optional<std::string> here, store_->Get(Column::kMeta, key));
    if (here.has_value()) {
      ASSIGN_OR_RETURN(const ErasureRecord known, ErasureRecord::Decode(*here));
      if (known.erase_micros > erasure.erase_micros) continue;
    }
    const std::string prefix = DataKeyPrefix(key.substr(kErasedSubjectPrefix.size()));
    std::vector<std::string> destroyed;
    absl::Status damage;
    RETURN_IF_ERROR(store_->Scan(
        Column::kMeta, prefix, [&](absl::string_view data_key, absl::string_view record) {
          const absl::StatusOr<DataKeyRecord> known = DataKeyRecord::Decode(record);
          damage = known.status();
          if (!damage.ok()) return false;
          if (Destroys(erasure, *known)) destroyed.emplace_back(data_key);
          return true;
        }));
    RETURN_IF_ERROR(damage);
    ASSIGN_OR_RETURN(CommitBuilder* const commit, Add(key.size() + value.size()));
    for (const std::string& data_key : destroyed) commit->Delete(Column::kMeta, data_key);
    commit->Put(Column::kMeta, key, value);
    erased_micros_[key.substr(kErasedSubjectPrefix.size())] = erasure.erase_micros;
    RETURN_IF_ERROR(NoteKeyTime(erasure.erase_micros));
  }
  return absl::OkStatus();
}

absl::StatusOr<bool> LogImport::IsDestroyed(absl::string_view subject_hash,
                                            const DataKeyRecord& key) const {
  const auto there = erased_micros_.find(subject_hash);
  if (there != erased_micros_.end() && key.create_micros <= there->second) return true;
  ASSIGN_OR_RETURN(const std::optional<std::string> here,
                   store_->Get(Column::kMeta, ErasedSubjectKey(subject_hash)));
  if (!here.has_value()) return false;
  ASSIGN_OR_RETURN(const ErasureRecord erasure, ErasureRecord::Decode(*here));
  return Destroys(erasure, key);
}

absl::Status LogImport::NoteKeyTime(int64_t micros) {
  if (micros <= key_micros_) return absl::OkStatus();
  ASSIGN_OR_RETURN(const std::optional<std::string> present,
                   store_->Get(Column::kMeta, kKeyTimeKey));
  if (present.has_value() && present->size() == sizeof(uint64_t)) {
    micros = std::max(micros, static_cast<int64_t>(LoadLittle64(present->data())));
  }
  key_micros_ = micros;
  std::string value;
  AppendLittle64(&value, static_cast<uint64_t>(micros));
  ASSIGN_OR_RETURN(CommitBuilder* const commit, Add(0));
  commit->Put(Column::kMeta, kKeyTimeKey, value);
  return absl::OkStatus();
}

absl::Status LogImport::PutKeys(const KeyEntries& keys) {
  if (!keys.empty()) RETURN_IF_ERROR(store_->RequireFormat(LogStore::kSealedDataFormat));
  for (const auto& [key, value] : keys) {
    ASSIGN_OR_RETURN(const DataKeyRecord record, DataKeyRecord::Decode(value));
    const std::string hash = key.substr(kDataKeyPrefix.size(), kSubjectHashBytes);
    ASSIGN_OR_RETURN(const bool destroyed, IsDestroyed(hash, record));
    if (destroyed) continue;
    // What is here is wrapped last.
    ASSIGN_OR_RETURN(const std::optional<std::string> here, store_->Get(Column::kMeta, key));
    if (here.has_value()) continue;
    ASSIGN_OR_RETURN(CommitBuilder* const commit, Add(key.size() + value.size()));
    commit->Put(Column::kMeta, key, value);
    commit->Put(Column::kMeta, MasterKeyKey(MasterKeys::IdOf(record.wrapped)), "");
    RETURN_IF_ERROR(NoteKeyTime(record.create_micros));
  }
  return absl::OkStatus();
}

absl::Status LogImport::Check(TopicId id, const v1::Topic& settings, PartitionId partition,
                              const ImportedPartition& known) const {
  ASSIGN_OR_RETURN(const LogBounds bounds, store_->Recover(id, partition));
  const Offset last = std::min(bounds.end, known.end) + -1;
  if (last < known.start || last < Offset(0)) return absl::OkStatus();
  ASSIGN_OR_RETURN(const LogRun here, store_->runs().Find(id, partition, last));
  if (RunAt(known, last) == here.id) return absl::OkStatus();
  return absl::FailedPreconditionError(absl::StrCat(
      "partition ", partition.value(), " of topic ", settings.name(), " has events before offset ",
      last.value() + 1,
      " that are not known to be those of the lake: they were appended after the backup, or the "
      "lake is of an earlier version. Restore into an empty directory"));
}

absl::StatusOr<std::unique_ptr<PartitionImport>> LogImport::Begin(TopicId id,
                                                                  const v1::Topic& settings,
                                                                  PartitionId partition,
                                                                  const ImportedPartition& known) {
  ASSIGN_OR_RETURN(LogBounds bounds, store_->Recover(id, partition));
  ASSIGN_OR_RETURN(CommitBuilder* const commit, Add(0));
  // In or before the commit of their events. What is there has its runs.
  for (const ImportedRun& run : known.runs) {
    if (run.first < bounds.end) continue;
    commit->Put(Column::kMeta, RunKey(id, partition, run.first), EncodeRunRecord(run.id));
  }
  if (bounds.end == Offset(0) && known.from > Offset(0)) {
    const LogPosition start{known.from, 0};
    commit->Put(Column::kMeta, LogStartKey(id, partition), start.Encode());
    bounds.start = bounds.end = known.from;
  }
  return std::make_unique<PartitionImport>(*store_, id, partition, settings, bounds, now_,
                                           [this](size_t bytes) { return Add(bytes); });
}

absl::Status LogImport::End(PartitionImport& import, TopicId id, PartitionId partition,
                            const ImportedPartition& known) {
  RETURN_IF_ERROR(import.PassTo(known.end));
  ArchivePosition position;
  position.begin = known.start;
  position.to = import.position();
  if (position.to.offset > known.end) {  // A hub that has events that are not archived.
    ASSIGN_OR_RETURN(const std::optional<std::string> present,
                     store_->Get(Column::kMeta, ArchivePositionKey(id, partition)));
    if (present.has_value()) {
      ASSIGN_OR_RETURN(position, ArchivePosition::Decode(*present));
      if (position.to.offset >= known.end) return absl::OkStatus();
    }
    ASSIGN_OR_RETURN(const BatchInfo last, store_->FindBatch(id, partition, known.end + -1));
    position.to = EndOf(last.base, last.header);
    if (position.to.offset != known.end) {
      return absl::FailedPreconditionError(
          absl::StrCat("the history ends within a batch, at offset ", known.end.value()));
    }
  }
  ASSIGN_OR_RETURN(CommitBuilder* const commit, Add(0));
  commit->Put(Column::kMeta, ArchivePositionKey(id, partition), position.Encode());
  return absl::OkStatus();
}

absl::Status LogImport::PutArchive(TopicId id, uint64_t objects, uint64_t events) {
  ASSIGN_OR_RETURN(const std::optional<std::string> present,
                   store_->Get(Column::kMeta, ArchiveKey(id)));
  if (present.has_value()) return absl::OkStatus();
  stored::Archive archive;
  archive.set_version(1);
  archive.set_objects(objects);
  archive.set_events(events);
  ASSIGN_OR_RETURN(CommitBuilder* const commit, Add(0));
  commit->Put(Column::kMeta, ArchiveKey(id), archive.SerializeAsString());
  return absl::OkStatus();
}

absl::Status LogImport::Finish(const LogStoreOptions& options, absl::Time now) {
  ASSIGN_OR_RETURN(const std::unique_ptr<LogStore> store, LogStore::Open(options));
  store->StopWaitingForSpace();
  CommitBuilder commit(*store, now, 0);
  DeleteRestoreMarker(commit);
  RETURN_IF_ERROR(commit.Write(*store));
  return store->Sync();
}

}  // namespace eventhub
