// Topics, as a kind of object of a topology.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "server/core/admin/topics.h"
#include "server/core/topology/topology_kind.h"

namespace eventhub {

class TopicKind final : public TopologyKind {
 public:
  // `topics` outlives this object.
  explicit TopicKind(Topics& topics) : topics_(topics) {}

  v1::TopologyChange::Kind kind() const override { return v1::TopologyChange::KIND_TOPIC; }
  const google::protobuf::Descriptor& type() const override { return *v1::Topic::descriptor(); }

  std::vector<std::unique_ptr<Message>> Present(const Caller& caller) const override;
  absl::StatusOr<std::unique_ptr<Message>> Complete(const Message& asked,
                                                    const TopologyState& hub) const override;
  absl::Status CheckChange(const Message& from, const Message& to,
                           const google::protobuf::FieldMask& mask) const override;
  absl::Status CheckPlace(const Message& settings, const TopologyState& hub) const override;
  absl::Status CheckDelete(const std::string& name, const TopologyState& hub) const override;
  bool Tightens(const Message& from, const Message& to) const override;

  void Create(const Caller& caller, const Message& settings, StatusDone done) override;
  void Update(const Caller& caller, const Message& settings,
              const google::protobuf::FieldMask& mask, StatusDone done) override;
  void Delete(const Caller& caller, const std::string& name, StatusDone done) override;

 private:
  // The subscriptions in `hub` that need events of the topic for dead letters.
  absl::StatusOr<std::vector<std::string>> LetterHolders(const std::string& topic,
                                                         const TopologyState& hub) const;

  Topics& topics_;
};

}  // namespace eventhub
