// Links, as a kind of object of a topology.
#include <limits>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "server/core/base/errors.h"
#include "server/core/link/link_settings.h"
#include "server/core/topology/topology_kinds.h"
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

class LinkKind final : public TopologyKind {
 public:
  explicit LinkKind(Links& links) : links_(links) {}

  v1::TopologyChange::Kind kind() const override { return v1::TopologyChange::KIND_LINK; }
  const google::protobuf::Descriptor& type() const override { return *v1::Link::descriptor(); }

  std::vector<std::unique_ptr<Message>> Present(const Caller& /*caller*/) const override {
    std::vector<std::unique_ptr<Message>> present;
    for (const auto& link : links_.catalog().List("", std::numeric_limits<size_t>::max())) {
      present.push_back(std::make_unique<v1::Link>(link->settings()));
    }
    return present;
  }

  absl::StatusOr<std::unique_ptr<Message>> Complete(const Message& asked,
                                                    const TopologyState&) const override {
    ASSIGN_OR_RETURN(const v1::Link link, NewLinkSettings(AsLink(asked), absl::UnixEpoch()));
    return std::make_unique<v1::Link>(link);
  }

  absl::Status CheckChange(const Message& from, const Message& to,
                           const google::protobuf::FieldMask& mask) const override {
    return ChangedLinkSettings(AsLink(from), AsLink(to), mask).status();
  }

  absl::Status CheckPlace(const Message& settings, const TopologyState& hub) const override {
    const std::string& topic = AsLink(settings).local_topic();
    if (hub.Find<v1::Topic>(topic) != nullptr) return absl::OkStatus();
    return InvalidField("link.local_topic", absl::StrCat("topic ", topic, " will not exist"));
  }

  absl::Status CheckDelete(const std::string&, const TopologyState&) const override {
    return absl::OkStatus();
  }

  void Create(const Caller& caller, const Message& settings, StatusDone done) override {
    v1::CreateLinkRequest request;
    *request.mutable_link() = AsLink(settings);
    links_.Create(caller, request, WithoutLink(std::move(done)));
  }

  void Update(const Caller& caller, const Message& settings,
              const google::protobuf::FieldMask& mask, StatusDone done) override {
    v1::UpdateLinkRequest request;
    *request.mutable_link() = AsLink(settings);
    *request.mutable_update_mask() = mask;
    links_.Update(caller, request, WithoutLink(std::move(done)));
  }

  void Delete(const Caller& caller, const std::string& name, StatusDone done) override {
    links_.Delete(caller, name, std::move(done));
  }

 private:
  Links& links_;
};

}  // namespace

std::unique_ptr<TopologyKind> MakeLinkKind(Links& links) {
  return std::make_unique<LinkKind>(links);
}

}  // namespace eventhub
