// Topics, as a kind of object of a topology.
#include <algorithm>
#include <cstdint>
#include <limits>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/time/time.h"
#include "server/core/admin/topic_users.h"
#include "server/core/base/errors.h"
#include "server/core/topic/topic_settings.h"
#include "server/core/topology/topology_kinds.h"
#include "storage/base/status_macros.h"

namespace eventhub {
namespace {

const v1::Topic& AsTopic(const google::protobuf::Message& message) {
  return static_cast<const v1::Topic&>(message);
}

// The names of all objects of a kind for which `uses` returns true.
template <typename T, typename Uses>
std::vector<std::string> NamesOf(const TopologyState& hub, Uses uses) {
  std::vector<std::string> names;
  hub.ForEach<T>([&](const T& settings) {
    if (uses(settings)) names.push_back(settings.name());
  });
  return names;
}

TopicUsers UsersOf(const std::string& topic, const TopologyState& hub) {
  TopicUsers users;
  users.subscriptions =
      NamesOf<v1::Subscription>(hub, [&](const v1::Subscription& s) { return s.topic() == topic; });
  users.dead_letters_of = NamesOf<v1::Subscription>(
      hub, [&](const v1::Subscription& s) { return s.dead_letter_topic() == topic; });
  users.links = NamesOf<v1::Link>(hub, [&](const v1::Link& l) { return l.local_topic() == topic; });
  users.routes =
      NamesOf<v1::Route>(hub, [&](const v1::Route& r) { return r.source_topic() == topic; });
  users.failing_routes =
      NamesOf<v1::Route>(hub, [&](const v1::Route& r) { return FailsWithout(r, topic); });
  return users;
}

// 0 means no limit.
uint64_t LimitOf(uint64_t bytes) {
  return bytes == 0 ? std::numeric_limits<uint64_t>::max() : bytes;
}

TopicDone WithoutTopic(StatusDone done) {
  return [done = std::move(done)](const absl::StatusOr<v1::Topic>& topic) mutable {
    std::move(done)(topic.status());
  };
}

class TopicKind final : public TopologyKind {
 public:
  explicit TopicKind(Topics& topics) : topics_(topics) {}

  v1::TopologyChange::Kind kind() const override { return v1::TopologyChange::KIND_TOPIC; }
  const google::protobuf::Descriptor& type() const override { return *v1::Topic::descriptor(); }

  std::vector<std::unique_ptr<Message>> Present(const Caller& /*caller*/) const override {
    std::vector<std::unique_ptr<Message>> present;
    for (const auto& topic : topics_.catalog().List("", std::numeric_limits<size_t>::max())) {
      present.push_back(std::make_unique<v1::Topic>(*topic->view()->settings));
    }
    return present;
  }

  absl::StatusOr<std::unique_ptr<Message>> Complete(const Message& asked,
                                                    const TopologyState& hub) const override {
    TopicLimits limits = topics_.limits();
    // A value that already exceeds the limits may stay unchanged.
    const v1::Topic* const present = hub.Find<v1::Topic>(AsTopic(asked).name());
    if (present != nullptr && present->max_event_bytes() == AsTopic(asked).max_event_bytes()) {
      limits.max_event_bytes = std::max(limits.max_event_bytes, present->max_event_bytes());
    }
    ASSIGN_OR_RETURN(const v1::Topic topic,
                     NewTopicSettings(AsTopic(asked), limits, absl::UnixEpoch()));
    return std::make_unique<v1::Topic>(topic);
  }

  absl::Status CheckChange(const Message& from, const Message& to,
                           const google::protobuf::FieldMask& mask) const override {
    return ChangedTopicSettings(AsTopic(from), AsTopic(to), mask, topics_.limits()).status();
  }

  absl::Status CheckPlace(const Message& settings, const TopologyState& hub) const override {
    const v1::Topic& topic = AsTopic(settings);
    if (!topic.retention().none()) return absl::OkStatus();
    TopicUsers users = UsersOf(topic.name(), hub);
    const std::string use = users.KeepEvents();
    if (!use.empty()) return InvalidField("topic.retention.none", use);
    ASSIGN_OR_RETURN(users.open_letters_of, LetterHolders(topic.name(), hub));
    return users.CheckNoLetters(topic.name());
  }

  absl::Status CheckDelete(const std::string& name, const TopologyState& hub) const override {
    TopicUsers users = UsersOf(name, hub);
    ASSIGN_OR_RETURN(users.open_letters_of, LetterHolders(name, hub));
    return users.CheckDelete(name);
  }

  bool Tightens(const Message& from, const Message& to) const override {
    const v1::Topic& before = AsTopic(from);
    const v1::Topic& after = AsTopic(to);
    const v1::Retention& kept = before.retention();
    const v1::Retention& keeps = after.retention();
    return (keeps.none() && !kept.none()) || MaxAgeOf(after) < MaxAgeOf(before) ||
           LimitOf(keeps.max_bytes()) < LimitOf(kept.max_bytes()) ||
           (kept.keep_until_acked() && !keeps.keep_until_acked()) ||
           LimitOf(keeps.keep_until_acked_max_bytes()) <
               LimitOf(kept.keep_until_acked_max_bytes()) ||
           (keeps.refuse_when_full() && !kept.refuse_when_full()) ||
           (IsArchived(before) && !IsArchived(after)) ||
           after.max_event_bytes() < before.max_event_bytes();
  }

  void Create(const Caller& caller, const Message& settings, StatusDone done) override {
    topics_.Create(caller, AsTopic(settings), WithoutTopic(std::move(done)));
  }

  void Update(const Caller& caller, const Message& settings,
              const google::protobuf::FieldMask& mask, StatusDone done) override {
    v1::UpdateTopicRequest request;
    *request.mutable_topic() = AsTopic(settings);
    *request.mutable_update_mask() = mask;
    topics_.Update(caller, request, WithoutTopic(std::move(done)));
  }

  void Delete(const Caller& caller, const std::string& name, StatusDone done) override {
    v1::DeleteTopicRequest request;
    request.set_name(name);
    topics_.Delete(caller, request, std::move(done));
  }

 private:
  // The subscriptions in `hub` that need events of the topic for dead letters.
  absl::StatusOr<std::vector<std::string>> LetterHolders(const std::string& topic,
                                                         const TopologyState& hub) const {
    absl::StatusOr<std::vector<std::string>> names = topics_.LetterHolders(topic);
    // A topic that is not created yet has none.
    if (absl::IsNotFound(names.status())) return std::vector<std::string>();
    if (!names.ok()) return names.status();
    // Deleting a subscription deletes its letters.
    names->erase(std::remove_if(names->begin(), names->end(),
                                [&hub](const std::string& name) {
                                  return hub.Find<v1::Subscription>(name) == nullptr;
                                }),
                 names->end());
    return names;
  }

  Topics& topics_;
};

}  // namespace

std::unique_ptr<TopologyKind> MakeTopicKind(Topics& topics) {
  return std::make_unique<TopicKind>(topics);
}

}  // namespace eventhub
