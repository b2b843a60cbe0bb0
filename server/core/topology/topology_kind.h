// The interface of a kind of object in a topology: one class each for topics, subscriptions and so
// on. No other code of topologies depends on the kind.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "eventhub/v1/topology.pb.h"
#include "google/protobuf/field_mask.pb.h"
#include "google/protobuf/message.h"
#include "server/core/base/caller.h"
#include "server/core/topic/topic_tasks.h"
#include "server/core/topology/topology_state.h"

namespace eventhub {

// Stateless apart from the hub it works on; thread-safe. Messages passed in have the kind's type.
// Errors about a field name it by the path that the kind's own requests use, e.g.
// `topic.partitions`.
class TopologyKind {
 public:
  using Message = google::protobuf::Message;

  virtual ~TopologyKind() = default;

  virtual v1::TopologyChange::Kind kind() const = 0;
  // The message type, e.g. that of v1::Topic. It names the kind, and the field of v1::Topology with
  // this type holds the kind's objects.
  virtual const google::protobuf::Descriptor& type() const = 0;

  // All objects of this kind in the hub.
  virtual std::vector<std::unique_ptr<Message>> Present(const Caller& caller) const = 0;

  // Returns the settings of an object created as `asked`: checked on their own, with defaults
  // filled in, if necessary from other objects in `hub`.
  virtual absl::StatusOr<std::unique_ptr<Message>> Complete(const Message& asked,
                                                            const TopologyState& hub) const = 0;

  // Checks that the fields of the mask can be changed from `from` to `to`; an error about the field
  // `update_mask` means that they cannot be changed whatever the values.
  virtual absl::Status CheckChange(const Message& from, const Message& to,
                                   const google::protobuf::FieldMask& mask) const = 0;

  // Checks that an object with these settings can exist in `hub`.
  virtual absl::Status CheckPlace(const Message& settings, const TopologyState& hub) const = 0;

  // Checks that the object can be deleted from `hub`.
  virtual absl::Status CheckDelete(const std::string& name, const TopologyState& hub) const = 0;

  // Returns whether the change excludes or removes what was kept before. It is applied after all
  // changes that may have to lead events elsewhere first.
  virtual bool Tightens(const Message& /*from*/, const Message& /*to*/) const { return false; }

  // The topic that exists because the object does, unless it is named itself.
  virtual std::optional<v1::Topic> ImpliedTopic(const Message& /*settings*/) const {
    return std::nullopt;
  }

  // These submit the change like a client's request.
  virtual void Create(const Caller& caller, const Message& settings, StatusDone done) = 0;
  virtual void Update(const Caller& caller, const Message& settings,
                      const google::protobuf::FieldMask& mask, StatusDone done) = 0;
  virtual void Delete(const Caller& caller, const std::string& name, StatusDone done) = 0;
};

// In the order in which changes are applied.
using TopologyKinds = std::vector<std::unique_ptr<TopologyKind>>;

// The word for the kind in messages, e.g. "topic".
std::string WordFor(const TopologyKind& kind);

// The field of v1::Topology that holds the kind's objects.
const google::protobuf::FieldDescriptor& FieldOf(const TopologyKind& kind);

// The name of an object of any kind.
std::string NameOf(const google::protobuf::Message& object);

// Complete, followed by KeepSettings.
absl::StatusOr<std::unique_ptr<google::protobuf::Message>> CompleteSettings(
    const TopologyKind& kind, const google::protobuf::Message& asked, const TopologyState& hub);

// Returns the smallest request that yields `settings`, which are complete: fields that completion
// would fill in are omitted.
std::unique_ptr<google::protobuf::Message> LeastSettings(const TopologyKind& kind,
                                                         const google::protobuf::Message& settings,
                                                         const TopologyState& hub);

}  // namespace eventhub
