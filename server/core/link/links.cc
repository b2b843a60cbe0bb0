#include "server/core/link/links.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "server/core/base/errors.h"
#include "server/core/base/field_checks.h"
#include "server/core/link/link_settings.h"
#include "storage/base/status_macros.h"

namespace eventhub {
Links::Links(LogWriter& writer, const Clock& clock, const TopicCatalog& topics,
             DelayedTable& delayed, const AdminLog& admin_log, MemoryMeter& memory,
             std::string hub_id, absl::AnyInvocable<absl::Status() const> writable)
    : writer_(writer),
      clock_(clock),
      topics_(topics),
      delayed_(delayed),
      admin_log_(admin_log),
      memory_(memory),
      hub_id_(std::move(hub_id)),
      writable_(std::move(writable)) {}

absl::Status Links::Load(const LogStore& store) {
  return catalog_.Load(store, topics_, clock_.Now());
}

absl::StatusOr<std::shared_ptr<Link>> Links::FindLink(absl::string_view field,
                                                      absl::string_view name) const {
  if (name.empty()) return InvalidField(field, "is required");
  std::shared_ptr<Link> link = catalog_.Find(name);
  if (link == nullptr) return LinkNotFound(name);
  return link;
}

void Links::Create(const Caller& caller, const v1::CreateLinkRequest& request, LinkDone done) {
  absl::StatusOr<v1::Link> settings = NewLinkSettings(request.link(), clock_.Now());
  if (!settings.ok()) {
    std::move(done)(settings.status());
    return;
  }
  std::shared_ptr<Topic> topic = topics_.Find(settings->local_topic());
  if (topic == nullptr) {
    std::move(done)(TopicNotFound(settings->local_topic()));
    return;
  }
  done =
      admin_log_.Noting(caller, absl::StrCat("created link ", settings->name()), std::move(done));
  writer_.Submit(std::make_unique<CreateLinkTask>(catalog_, std::move(topic), *std::move(settings),
                                                  clock_.Now(), std::move(done)),
                 caller.flow());
}

void Links::Update(const Caller& caller, const v1::UpdateLinkRequest& request, LinkDone done) {
  absl::StatusOr<std::shared_ptr<Link>> link = FindLink("link.name", request.link().name());
  if (!link.ok()) {
    std::move(done)(link.status());
    return;
  }
  done = admin_log_.Noting(caller, UpdateNote("link", request.link().name(), request.update_mask()),
                           std::move(done));
  writer_.Submit(
      std::make_unique<UpdateLinkTask>(catalog_, *std::move(link), request, std::move(done)),
      caller.flow());
}

void Links::Delete(const Caller& caller, const std::string& name, StatusDone done) {
  absl::StatusOr<std::shared_ptr<Link>> link = FindLink("name", name);
  if (!link.ok()) {
    std::move(done)(link.status());
    return;
  }
  done = admin_log_.Noting(caller, absl::StrCat("deleted link ", name), std::move(done));
  writer_.Submit(std::make_unique<DeleteLinkTask>(catalog_, *std::move(link), std::move(done)),
                 caller.flow());
}

absl::StatusOr<v1::GetLinkResponse> Links::Get(const Caller& /*caller*/,
                                               const std::string& name) const {
  ASSIGN_OR_RETURN(const std::shared_ptr<Link> link, FindLink("name", name));
  v1::GetLinkResponse response;
  *response.mutable_link() = link->settings();
  *response.mutable_status() = link->Status(clock_.Now(), /*with_positions=*/true);
  return response;
}

absl::StatusOr<v1::ListLinksResponse> Links::List(const Caller& /*caller*/,
                                                  const v1::ListLinksRequest& request) const {
  const size_t size = PageSize(request.page_size());
  const auto links = catalog_.List(request.page_token(), size + 1);
  v1::ListLinksResponse response;
  for (size_t i = 0; i < std::min(size, links.size()); ++i) {
    *response.add_links() = links[i]->settings();
    *response.add_statuses() = links[i]->Status(clock_.Now(), /*with_positions=*/false);
  }
  if (links.size() > size) response.set_next_page_token(links[size - 1]->name());
  return response;
}

void Links::Submit(const Caller& caller, LinkStep step, LinkStepDone done) {
  const bool appends = std::any_of(step.moves.begin(), step.moves.end(),
                                   [](const LinkMove& move) { return !move.events.empty(); });
  if (const absl::Status refusal = appends ? writable_() : absl::OkStatus(); !refusal.ok()) {
    std::move(done)(refusal);
    return;
  }
  absl::StatusOr<std::vector<TopicAppend>> checked = CheckStep(step, delayed_);
  if (!checked.ok()) {
    std::move(done)(checked.status());
    return;
  }
  writer_.Submit(
      std::make_unique<LinkStepTask>(std::move(step), *std::move(checked), std::move(done)),
      caller.flow());
}

}  // namespace eventhub
