#include "server/core/topology/link_kind.h"

#include <limits>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "server/core/base/errors.h"
#include "server/core/link/link_settings.h"
#include "storage/base/status_macros.h"

namespace eventhub {
namespace {

const v1::Link& AsLink(const google::protobuf::Message& message) {
  return static_cast<const v1::Link&>(message);
}

LinkDone WithoutLink(StatusDone done) {
  return [done = std::move(done)](const absl::StatusOr<v1::Link>& link) mutable {
    std::move(done)(link.status());
  };
}

}  // namespace

std::vector<std::unique_ptr<TopologyKind::Message>> LinkKind::Present(
    const Caller& /*caller*/) const {
  std::vector<std::unique_ptr<Message>> present;
  for (const auto& link : links_.catalog().List("", std::numeric_limits<size_t>::max())) {
    present.push_back(std::make_unique<v1::Link>(link->settings()));
  }
  return present;
}

absl::StatusOr<std::unique_ptr<TopologyKind::Message>> LinkKind::Complete(
    const Message& asked, const TopologyState&) const {
  ASSIGN_OR_RETURN(const v1::Link link, NewLinkSettings(AsLink(asked), absl::UnixEpoch()));
  return std::make_unique<v1::Link>(link);
}

absl::Status LinkKind::CheckChange(const Message& from, const Message& to,
                                   const google::protobuf::FieldMask& mask) const {
  return ChangedLinkSettings(AsLink(from), AsLink(to), mask).status();
}

absl::Status LinkKind::CheckPlace(const Message& settings, const TopologyState& hub) const {
  const std::string& topic = AsLink(settings).local_topic();
  if (hub.Find<v1::Topic>(topic) != nullptr) return absl::OkStatus();
  return InvalidField("link.local_topic", absl::StrCat("topic ", topic, " will not exist"));
}

absl::Status LinkKind::CheckDelete(const std::string&, const TopologyState&) const {
  return absl::OkStatus();
}

void LinkKind::Create(const Caller& caller, const Message& settings, StatusDone done) {
  v1::CreateLinkRequest request;
  *request.mutable_link() = AsLink(settings);
  links_.Create(caller, request, WithoutLink(std::move(done)));
}

void LinkKind::Update(const Caller& caller, const Message& settings,
                      const google::protobuf::FieldMask& mask, StatusDone done) {
  v1::UpdateLinkRequest request;
  *request.mutable_link() = AsLink(settings);
  *request.mutable_update_mask() = mask;
  links_.Update(caller, request, WithoutLink(std::move(done)));
}

void LinkKind::Delete(const Caller& caller, const std::string& name, StatusDone done) {
  links_.Delete(caller, name, std::move(done));
}

}  // namespace eventhub
