#include "server/core/link/link_changes.h"

#include <utility>

#include "google/protobuf/util/message_differencer.h"
#include "server/core/base/errors.h"
#include "server/core/link/link_settings.h"
#include "storage/base/status_macros.h"

namespace eventhub {
namespace {

// Whether a change of the settings affects the link's reader.
bool ChangesWhatIsRead(const v1::Link& before, const v1::Link& after) {
  using google::protobuf::util::MessageDifferencer;
  return before.remote_address() != after.remote_address() ||
         before.disabled() != after.disabled() || before.has_filter() != after.has_filter() ||
         !MessageDifferencer::Equals(before.filter(), after.filter());
}

}  // namespace

CreateLinkTask::CreateLinkTask(LinkCatalog& links, std::shared_ptr<Topic> topic, v1::Link settings,
                               absl::Time now, LinkDone done)
    : links_(links),
      topic_(std::move(topic)),
      settings_(std::move(settings)),
      now_(now),
      done_(std::move(done)) {}

void CreateLinkTask::Prepare(CommitBuilder& commit) { refused_ = Create(commit); }

absl::Status CreateLinkTask::Create(CommitBuilder& commit) {
  if (topic_->closing()) return TopicNotFound(topic_->name());
  stored::Link record;
  record.set_topic_id(topic_->id().value());
  *record.mutable_settings() = settings_;
  auto link = std::make_shared<Link>(links_.TakeId(), topic_, record, now_,
                                     commit.store().visible_commits());
  RETURN_IF_ERROR(links_.AddPending(link));
  link_ = std::move(link);
  link_->SetRecord(record, commit);
  return absl::OkStatus();
}

void CreateLinkTask::Done(const absl::Status& status) {
  const absl::Status outcome = OutcomeOf(refused_, status);
  if (!outcome.ok()) {
    std::move(done_)(outcome);
    return;
  }
  links_.Add(link_);
  std::move(done_)(settings_);
}

UpdateLinkTask::UpdateLinkTask(LinkCatalog& links, std::shared_ptr<Link> link,
                               v1::UpdateLinkRequest request, LinkDone done)
    : links_(links), link_(std::move(link)), request_(std::move(request)), done_(std::move(done)) {}

void UpdateLinkTask::Prepare(CommitBuilder& commit) { refused_ = Update(commit); }

absl::Status UpdateLinkTask::Update(CommitBuilder& commit) {
  if (link_->closing()) return LinkNotFound(link_->name());
  record_ = link_->pending().record;
  ASSIGN_OR_RETURN(const v1::Link settings, ChangedLinkSettings(record_.settings(), request_.link(),
                                                                request_.update_mask()));
  if (ChangesWhatIsRead(record_.settings(), settings)) link_->NextGeneration();
  *record_.mutable_settings() = settings;
  link_->SetRecord(record_, commit);
  return absl::OkStatus();
}

void UpdateLinkTask::Done(const absl::Status& status) {
  const absl::Status outcome = OutcomeOf(refused_, status);
  if (!outcome.ok()) {
    std::move(done_)(outcome);
    return;
  }
  links_.NotifyChange();
  std::move(done_)(record_.settings());
}

DeleteLinkTask::DeleteLinkTask(LinkCatalog& links, std::shared_ptr<Link> link, StatusDone done)
    : links_(links), link_(std::move(link)), done_(std::move(done)) {}

void DeleteLinkTask::Prepare(CommitBuilder& commit) {
  if (link_->closing()) {
    refused_ = LinkNotFound(link_->name());
    return;
  }
  link_->Delete(commit);
  links_.RemovePending(*link_);
}

void DeleteLinkTask::Done(const absl::Status& status) {
  const absl::Status outcome = OutcomeOf(refused_, status);
  if (outcome.ok()) links_.Remove(*link_);
  std::move(done_)(outcome);
}

}  // namespace eventhub
