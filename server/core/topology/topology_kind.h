// What a topology has to know of a kind of object: one class for each of topics, subscriptions and
// so on, and nothing elsewhere that depends on the kind.
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
#include "server/core/topic/topic_tasks.h"
#include "server/core/topology/topology_state.h"

namespace eventhub {

// Stateless but for what it works on; thread-safe. Messages given are of the kind's type. Errors
// that are about a field name it by its path as the kind's own requests do, e.g.
// `topic.partitions`.
class TopologyKind {
 public:
  using Message = google::protobuf::Message;

  virtual ~TopologyKind() = default;

  virtual v1::TopologyChange::Kind kind() const = 0;
  // The type, e.g. v1::Topic's. The words for the kind are its name, and its field in v1::Topology
  // is the one of this type.
  virtual const google::protobuf::Descriptor& type() const = 0;

  // All there are.
  virtual std::vector<std::unique_ptr<Message>> Present() const = 0;

  // The settings that an object has that is created as `asked`: checked by themselves, defaults
  // filled in, where need be from what `hub` has of others.
  virtual absl::StatusOr<std::unique_ptr<Message>> Complete(const Message& asked,
                                                            const TopologyState& hub) const = 0;

  // Whether the fields of the mask can be changed from one to the other; an error of the field
  // `update_mask` says that they cannot whatever the values.
  virtual absl::Status CheckChange(const Message& from, const Message& to,
                                   const google::protobuf::FieldMask& mask) const = 0;

  // Whether an object of these settings can be in a hub with these others.
  virtual absl::Status CheckPlace(const Message& settings, const TopologyState& hub) const = 0;

  // Whether one can be taken out of such a hub.
  virtual absl::Status CheckDelete(const std::string& name, const TopologyState& hub) const = 0;

  // Whether a change keeps out, or removes, what was kept until then. It is made after all that may
  // have to lead events elsewhere first.
  virtual bool Tightens(const Message& /*from*/, const Message& /*to*/) const { return false; }

  // A topic that is there because the object is, unless it is named itself.
  virtual std::optional<v1::Topic> ImpliedTopic(const Message& /*settings*/) const {
    return std::nullopt;
  }

  // The changes, as a client asks for them.
  virtual void Create(const Message& settings, StatusDone done) = 0;
  virtual void Update(const Message& settings, const google::protobuf::FieldMask& mask,
                      StatusDone done) = 0;
  virtual void Delete(const std::string& name, StatusDone done) = 0;
};

// In the order in which they are made.
using TopologyKinds = std::vector<std::unique_ptr<TopologyKind>>;

// The word for it in messages, e.g. "topic".
std::string WordFor(const TopologyKind& kind);

// The field of v1::Topology that has its objects.
const google::protobuf::FieldDescriptor& FieldOf(const TopologyKind& kind);

// The name of an object of any kind.
std::string NameOf(const google::protobuf::Message& object);

// KeepSettings of Complete.
absl::StatusOr<std::unique_ptr<google::protobuf::Message>> CompleteSettings(
    const TopologyKind& kind, const google::protobuf::Message& asked, const TopologyState& hub);

// Without what is there at completion anyway: the least that has to be asked for to get `settings`,
// which are complete.
std::unique_ptr<google::protobuf::Message> LeastSettings(const TopologyKind& kind,
                                                         const google::protobuf::Message& settings,
                                                         const TopologyState& hub);

}  // namespace eventhub
