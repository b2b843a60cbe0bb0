// The commits that create, change and delete links.
#pragma once

#include <memory>

#include "absl/functional/any_invocable.h"
#include "absl/status/statusor.h"
#include "eventhub/v1/link.pb.h"
#include "server/core/link/link_catalog.h"
#include "server/core/topic/topic_tasks.h"

namespace eventhub {

using LinkDone = absl::AnyInvocable<void(absl::StatusOr<v1::Link>) &&>;

class CreateLinkTask final : public TopicChange {
 public:
  // `settings` are checked and complete; `topic` is the local topic.
  CreateLinkTask(LinkCatalog& links, std::shared_ptr<Topic> topic, v1::Link settings,
                 absl::Time now, LinkDone done);
  void Prepare(CommitBuilder& commit) override;
  void Done(const absl::Status& status) override;

 private:
  absl::Status Create(CommitBuilder& commit);

  LinkCatalog& links_;
  const std::shared_ptr<Topic> topic_;
  const v1::Link settings_;
  const absl::Time now_;
  LinkDone done_;
  std::shared_ptr<Link> link_;
  absl::Status refused_;
};

class UpdateLinkTask final : public TopicChange {
 public:
  UpdateLinkTask(LinkCatalog& links, std::shared_ptr<Link> link, v1::UpdateLinkRequest request,
                 LinkDone done);
  void Prepare(CommitBuilder& commit) override;
  void Done(const absl::Status& status) override;

 private:
  absl::Status Update(CommitBuilder& commit);

  LinkCatalog& links_;
  const std::shared_ptr<Link> link_;
  const v1::UpdateLinkRequest request_;
  LinkDone done_;
  stored::Link record_;
  absl::Status refused_;
};

class DeleteLinkTask final : public TopicChange {
 public:
  DeleteLinkTask(LinkCatalog& links, std::shared_ptr<Link> link, StatusDone done);
  void Prepare(CommitBuilder& commit) override;
  void Done(const absl::Status& status) override;

 private:
  LinkCatalog& links_;
  const std::shared_ptr<Link> link_;
  StatusDone done_;
  absl::Status refused_;
};

}  // namespace eventhub
