#include "server/lake/manifest/catalog.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "storage/base/status_macros.h"

namespace eventhub::lake {
namespace {

constexpr char kCatalog[] = "_lake/catalog";
constexpr uint32_t kCatalogVersion = 1;
constexpr uint64_t kStepsToCheckpoint = 64;

CatalogEntry ToEntry(const CatalogTopic& topic) {
  CatalogEntry entry;
  entry.topic = {.identity = {.hub = topic.hub(), .id = topic.id()},
                 .name = topic.name(),
                 .directory = topic.directory()};
  entry.created = absl::FromUnixMicros(topic.created_micros());
  if (topic.deleted_micros() != 0) entry.deleted = absl::FromUnixMicros(topic.deleted_micros());
  return entry;
}

CatalogTopic ToRecord(const CatalogEntry& entry) {
  CatalogTopic topic;
  topic.set_hub(entry.topic.identity.hub);
  topic.set_id(entry.topic.identity.id);
  topic.set_name(entry.topic.name);
  topic.set_directory(entry.topic.directory);
  topic.set_created_micros(absl::ToUnixMicros(entry.created));
  if (entry.deleted) topic.set_deleted_micros(absl::ToUnixMicros(*entry.deleted));
  return topic;
}

// Steps and checkpoints have the same fields.
template <typename Record>
absl::StatusOr<Record> ParseCatalogRecord(uint64_t number, absl::string_view payload) {
  Record record;
  if (!record.ParseFromArray(payload.data(), static_cast<int>(payload.size()))) {
    return absl::DataLossError(absl::StrCat("the record ", number, " of the catalog is damaged"));
  }
  if (record.version() != kCatalogVersion) {
    return absl::UnimplementedError(absl::StrCat("the record ", number,
                                                 " of the catalog has version ", record.version(),
                                                 "; this program knows version ", kCatalogVersion));
  }
  return record;
}

bool LaterThan(const CatalogEntry& a, const CatalogEntry& b) {
  if (a.deleted.has_value() != b.deleted.has_value()) return !a.deleted.has_value();
  return a.created > b.created;
}

}  // namespace

absl::StatusOr<Catalog> Catalog::Load(const ObjectStore& store) {
  Catalog catalog;
  RETURN_IF_ERROR(StepLog::Read(
      store, kCatalog, [&catalog](RecordKind kind, uint64_t number, absl::string_view payload) {
        return catalog.Visit(kind, number, payload);
      }));
  return catalog;
}

absl::Status Catalog::Visit(RecordKind kind, uint64_t number, absl::string_view payload) {
  if (kind == RecordKind::kCheckpoint) {
    ASSIGN_OR_RETURN(const CatalogCheckpoint checkpoint,
                     ParseCatalogRecord<CatalogCheckpoint>(number, payload));
    return Apply(checkpoint.topics());
  }
  ASSIGN_OR_RETURN(const CatalogStep step, ParseCatalogRecord<CatalogStep>(number, payload));
  return Apply(step.topics());
}

absl::Status Catalog::Apply(const google::protobuf::RepeatedPtrField<CatalogTopic>& topics) {
  for (const CatalogTopic& topic : topics) {
    CatalogEntry entry = ToEntry(topic);
    RETURN_IF_ERROR(CheckObjectName(entry.topic.directory));
    const CatalogEntry* const same = FindDirectory(entry.topic.directory);
    if (same != nullptr && same->topic.identity != entry.topic.identity) {
      return absl::DataLossError(
          absl::StrCat("the catalog has two topics in ", entry.topic.directory));
    }
    if (const CatalogEntry* const known = Find(entry.topic.identity)) {
      entries_[static_cast<size_t>(known - entries_.data())] = std::move(entry);
    } else {
      entries_.push_back(std::move(entry));
    }
  }
  return absl::OkStatus();
}

const CatalogEntry* Catalog::Find(const TopicIdentity& identity) const {
  const auto found = std::find_if(
      entries_.begin(), entries_.end(),
      [&identity](const CatalogEntry& entry) { return entry.topic.identity == identity; });
  return found == entries_.end() ? nullptr : &*found;
}

const CatalogEntry* Catalog::FindDirectory(absl::string_view directory) const {
  const auto found = std::find_if(
      entries_.begin(), entries_.end(),
      [directory](const CatalogEntry& entry) { return entry.topic.directory == directory; });
  return found == entries_.end() ? nullptr : &*found;
}

const CatalogEntry* Catalog::FindName(absl::string_view name) const {
  const CatalogEntry* best = nullptr;
  for (const CatalogEntry& entry : entries_) {
    if (entry.topic.name != name) continue;
    if (best == nullptr || LaterThan(entry, *best)) best = &entry;
  }
  return best != nullptr ? best : FindDirectory(absl::StrCat("topic=", name));
}

CatalogWriter::CatalogWriter(ObjectStore& store, std::string hub)
    : hub_(std::move(hub)), log_(store, kCatalog) {}

absl::StatusOr<std::unique_ptr<CatalogWriter>> CatalogWriter::Open(ObjectStore& store,
                                                                   const LakeOwner& owner) {
  std::unique_ptr<CatalogWriter> writer(new CatalogWriter(store, owner.hub));
  Catalog& catalog = writer->catalog_;
  RETURN_IF_ERROR(
      writer->log_.Load([&catalog](RecordKind kind, uint64_t number, absl::string_view payload) {
        return catalog.Visit(kind, number, payload);
      }));
  return writer;
}

absl::StatusOr<LakeTopic> CatalogWriter::Ensure(uint32_t id, absl::string_view name,
                                                absl::Time now) {
  RETURN_IF_ERROR(Settle());
  if (const CatalogEntry* const known = catalog_.Find({.hub = hub_, .id = id})) {
    return known->topic;
  }
  CatalogEntry entry;
  entry.topic = {.identity = {.hub = hub_, .id = id},
                 .name = std::string(name),
                 .directory = FreeDirectory(id, name)};
  entry.created = now;
  RETURN_IF_ERROR(CheckObjectName(entry.topic.directory));
  RETURN_IF_ERROR(Append(ToRecord(entry)));
  return entry.topic;
}

absl::Status CatalogWriter::MarkDeleted(uint32_t id, absl::Time now) {
  RETURN_IF_ERROR(Settle());
  const CatalogEntry* const known = catalog_.Find({.hub = hub_, .id = id});
  if (known == nullptr || known->deleted.has_value()) return absl::OkStatus();
  CatalogEntry entry = *known;
  entry.deleted = now;
  return Append(ToRecord(entry));
}

absl::Status CatalogWriter::Append(const CatalogTopic& topic) {
  CatalogStep step;
  step.set_version(kCatalogVersion);
  *step.add_topics() = topic;
  pending_ = std::move(step);
  return Settle();
}

absl::Status CatalogWriter::Settle() {
  if (!pending_) return absl::OkStatus();
  const absl::Status stored = log_.Append(pending_->SerializeAsString());
  // Only what may be stored has to be stored before anything else is.
  if (!stored.ok() && FaultOf(stored) != StoreFault::kAmbiguous) pending_.reset();
  RETURN_IF_ERROR(stored);
  const CatalogStep step = *std::exchange(pending_, std::nullopt);
  RETURN_IF_ERROR(catalog_.Apply(step.topics()));
  if (log_.last_step() - log_.last_checkpoint() < kStepsToCheckpoint) return absl::OkStatus();
  CatalogCheckpoint checkpoint;
  checkpoint.set_version(kCatalogVersion);
  for (const CatalogEntry& entry : catalog_.entries()) {
    *checkpoint.add_topics() = ToRecord(entry);
  }
  // Without it, readers take longer.
  log_.WriteCheckpoint(checkpoint.SerializeAsString()).IgnoreError();
  return absl::OkStatus();
}

std::string CatalogWriter::FreeDirectory(uint32_t id, absl::string_view name) const {
  std::string directory = absl::StrCat("topic=", name);
  if (catalog_.FindDirectory(directory) == nullptr) return directory;
  absl::StrAppend(&directory, "@", id);
  // The same number in another hub, whose lake this was.
  if (catalog_.FindDirectory(directory) != nullptr) absl::StrAppend(&directory, ".", hub_);
  return directory;
}

}  // namespace eventhub::lake
