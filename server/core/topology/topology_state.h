// The settings of all objects of a hub, present or planned, by kind and name. The check of one
// object looks up others here, so checks can run before any of them exists.
#pragma once

#include <array>
#include <memory>
#include <string>
#include <utility>

#include "absl/container/btree_map.h"
#include "absl/strings/string_view.h"
#include "eventhub/v1/topology.pb.h"
#include "google/protobuf/message.h"

namespace eventhub {

template <typename T>
struct TopologyKindOf;
template <>
struct TopologyKindOf<v1::Topic> {
  static constexpr v1::TopologyChange::Kind value = v1::TopologyChange::KIND_TOPIC;
};
template <>
struct TopologyKindOf<v1::Subscription> {
  static constexpr v1::TopologyChange::Kind value = v1::TopologyChange::KIND_SUBSCRIPTION;
};
template <>
struct TopologyKindOf<v1::Route> {
  static constexpr v1::TopologyChange::Kind value = v1::TopologyChange::KIND_ROUTE;
};
template <>
struct TopologyKindOf<v1::Link> {
  static constexpr v1::TopologyChange::Kind value = v1::TopologyChange::KIND_LINK;
};

using Settings = std::shared_ptr<const google::protobuf::Message>;

// Settings as KeepSettings (settings_diff.h) leaves them. Copies share the settings. Not
// thread-safe.
class TopologyState {
 public:
  using Objects = absl::btree_map<std::string, Settings, std::less<>>;

  Objects& of(v1::TopologyChange::Kind kind) { return objects_[kind]; }
  const Objects& of(v1::TopologyChange::Kind kind) const { return objects_[kind]; }

  // Returns null if there is none.
  template <typename T>
  const T* Find(absl::string_view name) const {
    const Objects& objects = of(TopologyKindOf<T>::value);
    const auto it = objects.find(name);
    return it == objects.end() ? nullptr : static_cast<const T*>(it->second.get());
  }

  // Calls `visit(settings)` for each object of a kind, ordered by name.
  template <typename T, typename Visit>
  void ForEach(Visit visit) const {
    for (const auto& [name, settings] : of(TopologyKindOf<T>::value)) {
      visit(static_cast<const T&>(*settings));
    }
  }

 private:
  std::array<Objects, v1::TopologyChange::Kind_ARRAYSIZE> objects_;
};

}  // namespace eventhub
