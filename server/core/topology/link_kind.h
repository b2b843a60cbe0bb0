// Links, as a kind of object of a topology.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "server/core/link/links.h"
#include "server/core/topology/topology_kind.h"

namespace eventhub {

class LinkKind final : public TopologyKind {
 public:
  // The argument outlives this object.
  explicit LinkKind(Links& links) : links_(links) {}

  v1::TopologyChange::Kind kind() const override { return v1::TopologyChange::KIND_LINK; }
  const google::protobuf::Descriptor& type() const override { return *v1::Link::descriptor(); }

  std::vector<std::unique_ptr<Message>> Present(const Caller& caller) const override;
  absl::StatusOr<std::unique_ptr<Message>> Complete(const Message& asked,
                                                    const TopologyState& hub) const override;
  absl::Status CheckChange(const Message& from, const Message& to,
                           const google::protobuf::FieldMask& mask) const override;
  absl::Status CheckPlace(const Message& settings, const TopologyState& hub) const override;
  absl::Status CheckDelete(const std::string& name, const TopologyState& hub) const override;

  void Create(const Caller& caller, const Message& settings, StatusDone done) override;
  void Update(const Caller& caller, const Message& settings,
              const google::protobuf::FieldMask& mask, StatusDone done) override;
  void Delete(const Caller& caller, const std::string& name, StatusDone done) override;

 private:
  Links& links_;
};

}  // namespace eventhub
