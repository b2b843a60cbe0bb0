// The lake as the target of a hub's archive: one hub's topics, in an object store.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "server/core/archive/archive_target.h"
#include "server/lake/manifest/catalog.h"
#include "server/lake/manifest/manifest_writer.h"
#include "server/lake/manifest/owner.h"
#include "server/lake/store/object_store.h"
#include "storage/base/clock.h"
#include "storage/base/mutex.h"

namespace eventhub {

struct LakeArchiveOptions {
  std::string hub;          // The hub's id.
  std::string description;  // Of the hub, for people.
  bool takeover = false;    // Takes the lake from another hub.
  // Whether events are missing because they were dropped, not because the topic was not archived.
  bool drops = false;
};

// Owns the lake from the first call that reaches it: a claim with a new epoch, which fences every
// other process. If the lake is taken over later, all calls fail with ABORTED.
//
// Thread-safe, as ArchiveTarget requires. Calls that open a topic wait for each other.
class LakeArchive final : public ArchiveTarget {
 public:
  // Opens the lake, see OpenObjectStore, and claims it. If it is not available at the moment, it is
  // claimed by the first call that finds it. FAILED_PRECONDITION:
  // another hub owns it. Other errors: `location` cannot be a lake.
  static absl::StatusOr<std::unique_ptr<LakeArchive>> Open(const std::string& location,
                                                           LakeArchiveOptions options,
                                                           const Clock& clock);

  // `clock` outlives this object.
  LakeArchive(std::unique_ptr<lake::ObjectStore> store, LakeArchiveOptions options,
              const Clock& clock);
  ~LakeArchive() override;

  // Claims the lake, unless it is claimed. FAILED_PRECONDITION: another hub owns it. Errors of the
  // store: another call may try again.
  absl::Status Claim();

  void Interrupt() override { store_->Interrupt(); }
  absl::StatusOr<uint64_t> NextSequence(const ArchivedTopic& topic) override;
  absl::StatusOr<std::vector<LakePosition>> Positions(const ArchivedTopic& topic) override;
  absl::StatusOr<std::unique_ptr<Object>> Begin(const ArchivedTopic& topic,
                                                const stored::ArchiveObject& object) override;
  absl::Status List(const ArchivedTopic& topic, const stored::ArchiveObject& object) override;
  absl::Status KeepOnly(const std::vector<TopicId>& present, TopicId upto) override;
  absl::Status KeepSettings(const HubSettings& settings) override;

 private:
  struct Opened;

  absl::Status ClaimLocked() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // The topic's manifest, which is read when the topic is first used.
  absl::StatusOr<std::shared_ptr<Opened>> Find(const ArchivedTopic& topic);
  // ABORTED, naming the new owner, if the lake was taken over.
  absl::Status CheckOwned();
  // Names the new owner if there is one.
  absl::Status Explain(const absl::Status& status);

  const std::unique_ptr<lake::ObjectStore> store_;
  const LakeArchiveOptions options_;
  const Clock& clock_;

  Mutex mutex_;
  std::optional<lake::LakeOwner> owner_ ABSL_GUARDED_BY(mutex_);
  std::unique_ptr<lake::CatalogWriter> catalog_ ABSL_GUARDED_BY(mutex_);
  absl::flat_hash_map<TopicId, std::shared_ptr<Opened>> topics_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace eventhub
