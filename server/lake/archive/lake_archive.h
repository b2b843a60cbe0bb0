// The lake as the target of a hub's archive: one hub's topics, in an object store.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "server/core/archive/archive_target.h"
#include "server/lake/archive/lake_merger.h"
#include "server/lake/archive/lake_topics.h"
#include "server/lake/store/object_store.h"
#include "server/lake/store/watched_store.h"
#include "storage/base/clock.h"

namespace eventhub {

struct LakeArchiveOptions {
  std::string hub;          // The hub's id.
  std::string description;  // Of the hub, for people.
  bool takeover = false;    // Takes the lake from another hub.
  // Whether events are missing because they were dropped, not because the topic was not archived.
  bool drops = false;
  // How small objects are merged; nothing: not at all.
  std::optional<LakeMergerOptions> merger{};
  // Where the calls of the store are noted; null: nowhere.
  std::shared_ptr<lake::StoreCalls> calls{};
};

// Owns the lake from the first call that reaches it: a claim with a new epoch, which fences every
// other process. If the lake is taken over later, all calls fail with ABORTED.
//
// Thread-safe, as ArchiveTarget requires. Calls that open a topic wait for each other. Objects are
// merged in the background from StartMerging() to Interrupt(); the destructor waits for the merge
// in progress.
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

  // Merges from now on, if the options say how. At most once.
  void StartMerging();

  void Interrupt() override;
  absl::StatusOr<uint64_t> NextSequence(const ArchivedTopic& topic) override;
  absl::StatusOr<std::vector<LakePosition>> Positions(const ArchivedTopic& topic) override;
  absl::StatusOr<std::unique_ptr<Object>> Begin(const ArchivedTopic& topic,
                                                const stored::ArchiveObject& object) override;
  absl::Status List(const ArchivedTopic& topic, const stored::ArchiveObject& object) override;
  absl::Status KeepOnly(const std::vector<TopicId>& present, TopicId upto) override;
  absl::Status KeepSettings(const HubSettings& settings) override;
  absl::StatusOr<std::string> Keys(uint32_t part) override;
  absl::StatusOr<std::string> Erasures() override;
  absl::Status KeepKeys(uint32_t part, const std::string& keys, bool purge) override;
  absl::Status KeepErasures(const std::string& erasures) override;
  LakeUpkeep Upkeep() const override;

 private:
  absl::StatusOr<std::shared_ptr<OwnedTopic>> Find(const ArchivedTopic& topic) {
    return topics_.Open(topic.id.value(), topic.name);
  }

  absl::Status ListIn(lake::ManifestWriter& manifest, const std::string& topic,
                      const stored::ArchiveObject& object, const lake::ObjectRecord& record);

  const std::unique_ptr<lake::ObjectStore> store_;
  const LakeArchiveOptions options_;
  const Clock& clock_;
  LakeTopics topics_;
  std::unique_ptr<LakeMerger> merger_;  // Null if nothing is merged. Last: it uses the others.
};

}  // namespace eventhub
