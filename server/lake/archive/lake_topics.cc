#include "server/lake/archive/lake_topics.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "storage/base/status_macros.h"

namespace eventhub {

LakeTopics::LakeTopics(lake::ObjectStore& store, lake::LakeClaim claim, const Clock& clock)
    : store_(store), claim_(std::move(claim)), clock_(clock) {}

absl::Status LakeTopics::Claim() {
  MutexLock lock(mutex_);
  return ClaimLocked();
}

absl::StatusOr<lake::LakeOwner> LakeTopics::Owner() {
  MutexLock lock(mutex_);
  RETURN_IF_ERROR(ClaimLocked());
  return *owner_;
}

absl::Status LakeTopics::ClaimLocked() {
  if (!owner_.has_value()) {
    lake::LakeClaim claim = claim_;
    claim.now = clock_.Now();
    ASSIGN_OR_RETURN(owner_, lake::ClaimLake(store_, claim));
  }
  if (catalog_ == nullptr) {
    ASSIGN_OR_RETURN(catalog_, lake::CatalogWriter::Open(store_, *owner_));
  }
  return absl::OkStatus();
}

absl::StatusOr<std::shared_ptr<OwnedTopic>> LakeTopics::Open(uint32_t id, const std::string& name) {
  MutexLock lock(mutex_);
  const auto found = ours_.find(id);
  if (found != ours_.end()) return found->second;
  RETURN_IF_ERROR(ClaimLocked());
  ASSIGN_OR_RETURN(const lake::LakeTopic topic, catalog_->Ensure(id, name, clock_.Now()));
  // A backup of the hub was restored, and a new topic has the number of one that is only here.
  if (topic.name != name) {
    return absl::FailedPreconditionError(
        absl::StrCat("in the lake ", store_.Describe(), ", topic ", id, " of this hub is ",
                     topic.name, ", not ", name, ": the lake is newer than the hub's data"));
  }
  ASSIGN_OR_RETURN(std::shared_ptr<OwnedTopic> opened, OpenLocked(topic));
  ours_[id] = opened;
  return opened;
}

absl::StatusOr<std::shared_ptr<OwnedTopic>> LakeTopics::Open(const lake::LakeTopic& topic) {
  MutexLock lock(mutex_);
  RETURN_IF_ERROR(ClaimLocked());
  return OpenLocked(topic);
}

absl::StatusOr<std::shared_ptr<OwnedTopic>> LakeTopics::OpenLocked(const lake::LakeTopic& topic) {
  std::weak_ptr<OwnedTopic>& slot = opened_[topic.directory];
  if (std::shared_ptr<OwnedTopic> open = slot.lock()) return open;
  ASSIGN_OR_RETURN(std::unique_ptr<lake::ManifestWriter> manifest,
                   lake::ManifestWriter::Open(store_, topic, *owner_));
  auto opened = std::make_shared<OwnedTopic>(topic, std::move(manifest));
  slot = opened;
  return opened;
}

absl::StatusOr<std::vector<lake::LakeTopic>> LakeTopics::List() {
  MutexLock lock(mutex_);
  RETURN_IF_ERROR(ClaimLocked());
  std::vector<lake::LakeTopic> topics;
  for (const lake::CatalogEntry& entry : catalog_->catalog().entries()) {
    topics.push_back(entry.topic);
  }
  return topics;
}

absl::Status LakeTopics::KeepOnly(const std::vector<uint32_t>& present, uint32_t upto) {
  MutexLock lock(mutex_);
  RETURN_IF_ERROR(ClaimLocked());
  std::vector<uint32_t> deleted;
  for (const lake::CatalogEntry& entry : catalog_->catalog().entries()) {
    const lake::TopicIdentity& identity = entry.topic.identity;
    if (identity.hub != claim_.hub || entry.deleted.has_value() || identity.id > upto) continue;
    if (!std::binary_search(present.begin(), present.end(), identity.id)) {
      deleted.push_back(identity.id);
    }
  }
  for (const uint32_t id : deleted) {
    RETURN_IF_ERROR(catalog_->MarkDeleted(id, clock_.Now()));
    ours_.erase(id);
  }
  return absl::OkStatus();
}

absl::Status LakeTopics::CheckOwned() {
  std::optional<lake::LakeOwner> owner;
  {
    MutexLock lock(mutex_);
    owner = owner_;
  }
  return owner.has_value() ? lake::CheckOwner(store_, *owner) : absl::OkStatus();
}

absl::Status LakeTopics::Explain(const absl::Status& status) {
  if (!absl::IsAborted(status)) return status;
  const absl::Status owned = CheckOwned();
  return absl::IsAborted(owned) ? owned : status;
}

}  // namespace eventhub
