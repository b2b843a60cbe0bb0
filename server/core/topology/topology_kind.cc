#include "server/core/topology/topology_kind.h"

#include <utility>

#include "absl/strings/ascii.h"
#include "server/core/topology/settings_diff.h"
#include "storage/base/status_macros.h"

namespace eventhub {
namespace {

using google::protobuf::FieldDescriptor;
using google::protobuf::Message;

// Clears the fields of `part`, which is `root` or a message in it, that completing `root` restores.
void ClearDefaults(const TopologyKind& kind, const TopologyState& hub, const Message& complete,
                   const Message& root, Message& part) {
  const google::protobuf::Reflection& reflection = *part.GetReflection();
  std::vector<const FieldDescriptor*> fields;
  reflection.ListFields(part, &fields);
  for (const FieldDescriptor* field : fields) {
    const std::unique_ptr<Message> before(part.New());
    before->CopyFrom(part);
    reflection.ClearField(&part, field);
    const auto again = CompleteSettings(kind, root, hub);
    if (again.ok() && SameSettings(**again, complete)) continue;
    part.CopyFrom(*before);
    if (IsSettingsGroup(*field)) {
      ClearDefaults(kind, hub, complete, root, *reflection.MutableMessage(&part, field));
    }
  }
}

}  // namespace

std::string WordFor(const TopologyKind& kind) { return absl::AsciiStrToLower(kind.type().name()); }

const FieldDescriptor& FieldOf(const TopologyKind& kind) {
  const google::protobuf::Descriptor& topology = *v1::Topology::descriptor();
  int i = 0;
  while (topology.field(i)->message_type() != &kind.type()) ++i;
  return *topology.field(i);
}

std::string NameOf(const Message& object) {
  return object.GetReflection()->GetString(object, object.GetDescriptor()->FindFieldByName("name"));
}

absl::StatusOr<std::unique_ptr<Message>> CompleteSettings(const TopologyKind& kind,
                                                          const Message& asked,
                                                          const TopologyState& hub) {
  ASSIGN_OR_RETURN(std::unique_ptr<Message> settings, kind.Complete(asked, hub));
  KeepSettings(*settings);
  return settings;
}

std::unique_ptr<Message> LeastSettings(const TopologyKind& kind, const Message& settings,
                                       const TopologyState& hub) {
  std::unique_ptr<Message> least(settings.New());
  least->CopyFrom(settings);
  // A group that this leaves empty means something: e.g. `latest_per_key` without any setting.
  ClearDefaults(kind, hub, settings, *least, *least);
  return least;
}

}  // namespace eventhub
