// The topics of a lake that a hub owns, with the writers of their manifests.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "server/lake/manifest/catalog.h"
#include "server/lake/manifest/manifest_writer.h"
#include "server/lake/manifest/owner.h"
#include "server/lake/object/object_plan.h"
#include "server/lake/store/object_store.h"
#include "storage/base/clock.h"
#include "storage/base/mutex.h"

namespace eventhub {

// A topic of the lake. Thread-safe.
class OwnedTopic {
 public:
  OwnedTopic(lake::LakeTopic topic, std::unique_ptr<lake::ManifestWriter> manifest)
      : topic_(std::move(topic)), manifest_(std::move(manifest)) {}

  const lake::LakeTopic& topic() const { return topic_; }

  // Calls `use` with the writer of the manifest. Calls wait for each other.
  absl::Status WithManifest(absl::FunctionRef<absl::Status(lake::ManifestWriter&)> use) {
    MutexLock lock(mutex_);
    return use(*manifest_);
  }

 private:
  const lake::LakeTopic topic_;
  Mutex mutex_;
  const std::unique_ptr<lake::ManifestWriter> manifest_ ABSL_PT_GUARDED_BY(mutex_);
};

// Owns the lake from the first call that reaches it: a claim with a new epoch, which fences every
// other process.
//
// Thread-safe. Calls that open a topic wait for each other.
class LakeTopics {
 public:
  // `claim.now` is of no account. The arguments outlive this object.
  LakeTopics(lake::ObjectStore& store, lake::LakeClaim claim, const Clock& clock);

  // Claims the lake, unless it is claimed. FAILED_PRECONDITION: another hub owns it. Errors of the
  // store: another call may try again.
  absl::Status Claim();

  // The owner, after a claim. Errors as those of Claim.
  absl::StatusOr<lake::LakeOwner> Owner();

  // A topic of this hub, which is added to the catalog if it is not there. FAILED_PRECONDITION: the
  // topic of this id has another name.
  absl::StatusOr<std::shared_ptr<OwnedTopic>> Open(uint32_t id, const std::string& name);

  // A topic that List returned.
  absl::StatusOr<std::shared_ptr<OwnedTopic>> Open(const lake::LakeTopic& topic);

  // All topics of the catalog, those of other hubs and deleted ones included.
  absl::StatusOr<std::vector<lake::LakeTopic>> List();

  // Notes that the topics of this hub with ids up to `upto` are deleted, except the `present` ones.
  absl::Status KeepOnly(const std::vector<uint32_t>& present, uint32_t upto);

  // ABORTED, naming the new owner, if the lake was taken over. OK if it is not claimed.
  absl::Status CheckOwned();

  // Names the new owner if `status` is ABORTED and there is one.
  absl::Status Explain(const absl::Status& status);

 private:
  absl::Status ClaimLocked() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  absl::StatusOr<std::shared_ptr<OwnedTopic>> OpenLocked(const lake::LakeTopic& topic)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  lake::ObjectStore& store_;
  const lake::LakeClaim claim_;
  const Clock& clock_;

  Mutex mutex_;
  std::optional<lake::LakeOwner> owner_ ABSL_GUARDED_BY(mutex_);
  std::unique_ptr<lake::CatalogWriter> catalog_ ABSL_GUARDED_BY(mutex_);
  // The topics of this hub, by id, which stay open.
  absl::flat_hash_map<uint32_t, std::shared_ptr<OwnedTopic>> ours_ ABSL_GUARDED_BY(mutex_);
  // By directory: a manifest has one writer at a time.
  absl::flat_hash_map<std::string, std::weak_ptr<OwnedTopic>> opened_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace eventhub
