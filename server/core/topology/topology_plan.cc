#include "server/core/topology/topology_plan.h"

#include <array>
#include <memory>
#include <optional>
#include <utility>

#include "absl/container/btree_set.h"
#include "absl/strings/str_cat.h"
#include "server/core/base/errors.h"
#include "server/core/topology/change_order.h"
#include "server/core/topology/fault_list.h"
#include "server/core/topology/settings_diff.h"
#include "storage/base/status_macros.h"

namespace eventhub {
namespace {

using google::protobuf::FieldMask;
using google::protobuf::Message;

constexpr absl::string_view kMaskField = "update_mask";

// The first component of a path: the field that masks name.
std::string FirstOf(const std::string& path) { return path.substr(0, path.find('.')); }

std::string OrUnset(const std::string& json) { return json.empty() ? "unset" : json; }

class Planner {
 public:
  Planner(const TopologyKinds& kinds, const TopologyState& present, const v1::Topology& topology,
          bool prune)
      : kinds_(kinds), present_(present), topology_(topology), prune_(prune), after_(present) {}

  absl::StatusOr<TopologyPlan> Make() {
    for (const auto& kind : kinds_) Take(*kind);
    for (const auto& kind : kinds_) AddImplied(*kind);
    for (const auto& kind : kinds_) FindUnnamed(*kind);
    for (const Wanted& wanted : wanted_) CheckAndCompare(wanted);
    if (faults_.empty()) {
      plan_.changes = OrderChanges(std::move(plan_.changes), present_, faults_);
    }
    RETURN_IF_ERROR(faults_.ToStatus());
    return std::move(plan_);
  }

 private:
  // An object of the resulting state.
  struct Wanted {
    TopologyKind* kind;
    std::string name;
    std::string path;  // In the request; empty for implied topics.
    Settings settings;
  };

  // Completes and collects the objects of a kind from the topology.
  void Take(TopologyKind& kind) {
    const google::protobuf::FieldDescriptor& field = FieldOf(kind);
    const google::protobuf::Reflection& reflection = *topology_.GetReflection();
    for (int i = 0; i < reflection.FieldSize(topology_, &field); ++i) {
      const Message& asked = reflection.GetRepeatedMessage(topology_, &field, i);
      Wanted wanted{&kind, NameOf(asked), absl::StrCat("topology.", field.name(), "[", i, "]"), {}};
      if (!wanted.name.empty() && !named_[kind.kind()].insert(wanted.name).second) {
        AddFault(wanted, InvalidField(absl::StrCat(WordFor(kind), ".name"), "is used twice"));
        continue;
      }
      auto settings = CompleteSettings(kind, asked, after_);
      if (!settings.ok()) {
        AddFault(wanted, settings.status());
        // Keep the object, so that objects that refer to it are not reported too.
        settings = std::unique_ptr<Message>(asked.New());
        (*settings)->CopyFrom(asked);
        after_.of(kind.kind())[wanted.name] = *std::move(settings);
        continue;
      }
      wanted.settings = *std::move(settings);
      after_.of(kind.kind())[wanted.name] = wanted.settings;
      wanted_.push_back(std::move(wanted));
    }
  }

  // Adds the topics that the objects of a kind imply, unless they exist.
  void AddImplied(const TopologyKind& kind) {
    const size_t explicit_count = wanted_.size();
    for (size_t i = 0; i < explicit_count; ++i) {
      if (wanted_[i].kind != &kind) continue;
      const std::optional<v1::Topic> topic = kind.ImpliedTopic(*wanted_[i].settings);
      if (!topic.has_value() ||
          !named_[v1::TopologyChange::KIND_TOPIC].insert(topic->name()).second ||
          after_.Find<v1::Topic>(topic->name()) != nullptr) {
        continue;
      }
      TopologyKind& topics = *kinds_.front();
      Wanted implied{&topics, topic->name(), "", {}};
      auto settings = CompleteSettings(topics, *topic, after_);
      if (!settings.ok()) {
        AddFault(implied, settings.status());
        continue;
      }
      implied.settings = *std::move(settings);
      after_.of(topics.kind())[implied.name] = implied.settings;
      wanted_.push_back(std::move(implied));
    }
  }

  void FindUnnamed(TopologyKind& kind) {
    for (const auto& [name, settings] : present_.of(kind.kind())) {
      if (named_[kind.kind()].contains(name)) continue;
      v1::TopologyChange said;
      said.set_kind(kind.kind());
      said.set_action(v1::TopologyChange::ACTION_DELETE);
      said.set_name(name);
      if (prune_) {
        plan_.changes.push_back({&kind, std::move(said), nullptr, {}});
        after_.of(kind.kind()).erase(name);
      } else {
        plan_.unnamed.push_back(std::move(said));
      }
    }
  }

  void CheckAndCompare(const Wanted& wanted) {
    TopologyKind& kind = *wanted.kind;
    const absl::Status place = kind.CheckPlace(*wanted.settings, after_);
    if (!place.ok()) AddFault(wanted, place);
    const TopologyState::Objects& objects = present_.of(kind.kind());
    const auto present = objects.find(wanted.name);
    PlannedChange change{&kind, {}, wanted.settings, {}};
    change.said.set_kind(kind.kind());
    change.said.set_name(wanted.name);
    std::vector<v1::FieldChange> fields;
    if (present == objects.end()) {
      change.said.set_action(v1::TopologyChange::ACTION_CREATE);
      const std::unique_ptr<Message> none(wanted.settings->New());
      fields = DiffSettings(*none, *LeastSettings(kind, *wanted.settings, after_));
    } else {
      change.said.set_action(v1::TopologyChange::ACTION_UPDATE);
      fields = DiffSettings(*present->second, *wanted.settings);
      if (fields.empty()) return;
      change.mask = CheckFields(wanted, *present->second, fields);
      change.tightens = kind.Tightens(*present->second, *wanted.settings);
    }
    for (v1::FieldChange& field : fields) *change.said.add_fields() = std::move(field);
    plan_.changes.push_back(std::move(change));
  }

  // Checks whether these fields can be changed. Returns the mask of those that are not immutable.
  FieldMask CheckFields(const Wanted& wanted, const Message& present,
                        const std::vector<v1::FieldChange>& fields) {
    FieldMask mask;
    bool changeable = true;
    for (const v1::FieldChange& field : fields) {
      const std::string name = FirstOf(field.path());
      if (!mask.paths().empty() && *mask.paths().rbegin() == name) continue;
      FieldMask alone;
      alone.add_paths(name);
      const auto detail = DetailOf(wanted.kind->CheckChange(present, *wanted.settings, alone));
      if (detail.has_value() && detail->field() == kMaskField) {
        changeable = false;
        AddFault(wanted,
                 InvalidField(absl::StrCat(WordFor(*wanted.kind), ".", field.path()),
                              absl::StrCat("cannot be changed from ", OrUnset(field.old_value()),
                                           " to ", OrUnset(field.new_value()))));
      } else {
        mask.add_paths(name);
      }
    }
    // Otherwise values that depend on an immutable field would be reported too.
    if (!changeable) return mask;
    const absl::Status change = wanted.kind->CheckChange(present, *wanted.settings, mask);
    if (!change.ok()) AddFault(wanted, change);
    return mask;
  }

  void AddFault(const Wanted& wanted, const absl::Status& error) {
    faults_.Add(*wanted.kind, wanted.name, wanted.path, error);
  }

  const TopologyKinds& kinds_;
  const TopologyState& present_;
  const v1::Topology& topology_;
  const bool prune_;
  // The resulting state.
  TopologyState after_;
  std::vector<Wanted> wanted_;
  std::array<absl::btree_set<std::string>, v1::TopologyChange::Kind_ARRAYSIZE> named_;
  FaultList faults_;
  TopologyPlan plan_;
};

}  // namespace

TopologyState PresentState(const Caller& caller, const TopologyKinds& kinds) {
  TopologyState state;
  for (const auto& kind : kinds) {
    for (std::unique_ptr<Message>& object : kind->Present(caller)) {
      KeepSettings(*object);
      const std::string name = NameOf(*object);
      state.of(kind->kind())[name] = std::move(object);
    }
  }
  return state;
}

absl::StatusOr<TopologyPlan> PlanTopology(const TopologyKinds& kinds, const TopologyState& present,
                                          const v1::Topology& topology, bool prune) {
  return Planner(kinds, present, topology, prune).Make();
}

}  // namespace eventhub
