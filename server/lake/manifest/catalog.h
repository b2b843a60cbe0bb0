// The catalog of a lake: which topic of which hub has its history in which directory.
//
// The directory of a topic is `topic=NAME` unless the history of another topic is there; then it is
// `topic=NAME@ID`. A record is never removed: the history of a deleted topic stays, and a topic
// that is created again under its name has a directory of its own.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "server/lake/manifest/manifest.pb.h"
#include "server/lake/manifest/owner.h"
#include "server/lake/manifest/step_log.h"
#include "server/lake/object/object_plan.h"
#include "server/lake/store/object_store.h"

namespace eventhub::lake {

struct CatalogEntry {
  LakeTopic topic;
  absl::Time created;
  std::optional<absl::Time> deleted;
};

// The catalog as it was when it was loaded. Thread-compatible.
class Catalog {
 public:
  // DATA_LOSS or UNIMPLEMENTED, naming the file, if a record is damaged or of a later version.
  static absl::StatusOr<Catalog> Load(const ObjectStore& store);

  // In the order in which they were added.
  const std::vector<CatalogEntry>& entries() const { return entries_; }

  const CatalogEntry* Find(const TopicIdentity& identity) const;
  const CatalogEntry* FindDirectory(absl::string_view directory) const;

  // The topic that people mean by `name`: that of this name which is not deleted, or was created
  // last; else the one whose directory is `topic=NAME`, which may have the form `orders@7`.
  const CatalogEntry* FindName(absl::string_view name) const;

 private:
  friend class CatalogWriter;
  absl::Status Visit(RecordKind kind, uint64_t number, absl::string_view payload);
  absl::Status Apply(const google::protobuf::RepeatedPtrField<CatalogTopic>& topics);

  std::vector<CatalogEntry> entries_;
};

// Adds topics. Only for the owner of the lake. Thread-compatible; the store must outlive it.
class CatalogWriter {
 public:
  static absl::StatusOr<std::unique_ptr<CatalogWriter>> Open(ObjectStore& store,
                                                             const LakeOwner& owner);

  const Catalog& catalog() const { return catalog_; }

  // The topic `id` of this hub: its record, which is added if there is none. ABORTED if another hub
  // wrote the catalog meanwhile. May be repeated after any error.
  absl::StatusOr<LakeTopic> Ensure(uint32_t id, absl::string_view name, absl::Time now);

  // Notes that the topic is deleted; nothing if it is not in the catalog.
  absl::Status MarkDeleted(uint32_t id, absl::Time now);

 private:
  CatalogWriter(ObjectStore& store, std::string hub);
  absl::Status Append(const CatalogTopic& topic);
  // Stores the pending step, if there is one.
  absl::Status Settle();
  std::string FreeDirectory(uint32_t id, absl::string_view name) const;

  const std::string hub_;
  StepLog log_;
  Catalog catalog_;
  std::optional<CatalogStep> pending_;  // It may be stored.
};

}  // namespace eventhub::lake
