// Subscriptions, as a kind of object of a topology.
#include <limits>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "server/core/base/errors.h"
#include "server/core/subscription/subscription_settings.h"
#include "server/core/topology/topology_kinds.h"
#include "storage/base/status_macros.h"

namespace eventhub {
namespace {

const v1::Subscription& AsSubscription(const google::protobuf::Message& message) {
  return static_cast<const v1::Subscription&>(message);
}

SubscriptionDone WithoutSubscription(StatusDone done) {
  return [done = std::move(done)](const absl::StatusOr<v1::Subscription>& subscription) mutable {
    std::move(done)(subscription.status());
  };
}

class SubscriptionKind final : public TopologyKind {
 public:
  explicit SubscriptionKind(Subscriptions& subscriptions) : subscriptions_(subscriptions) {}

  v1::TopologyChange::Kind kind() const override { return v1::TopologyChange::KIND_SUBSCRIPTION; }
  const google::protobuf::Descriptor& type() const override {
    return *v1::Subscription::descriptor();
  }

  std::vector<std::unique_ptr<Message>> Present(const Caller& /*caller*/) const override {
    std::vector<std::unique_ptr<Message>> present;
    for (const auto& subscription :
         subscriptions_.catalog().List("", std::numeric_limits<size_t>::max())) {
      present.push_back(std::make_unique<v1::Subscription>(subscription->settings()));
    }
    return present;
  }

  absl::StatusOr<std::unique_ptr<Message>> Complete(const Message& asked,
                                                    const TopologyState& hub) const override {
    const v1::Subscription& subscription = AsSubscription(asked);
    const v1::Topic* const named = hub.Find<v1::Topic>(subscription.topic());
    v1::Topic topic;
    if (named != nullptr) topic = *named;
    if (topic.default_durability() == v1::DURABILITY_UNSPECIFIED) {
      // The topic does not exist, which CheckPlace reports, or is invalid, which is reported for
      // the topic.
      topic.set_default_durability(v1::DURABILITY_SYNCED);
    }
    ASSIGN_OR_RETURN(const v1::Subscription settings,
                     NewSubscriptionSettings(subscription, topic, absl::UnixEpoch()));
    return std::make_unique<v1::Subscription>(settings);
  }

  absl::Status CheckChange(const Message& from, const Message& to,
                           const google::protobuf::FieldMask& mask) const override {
    return ChangedSubscriptionSettings(AsSubscription(from), AsSubscription(to), mask).status();
  }

  absl::Status CheckPlace(const Message& settings, const TopologyState& hub) const override {
    const v1::Subscription& subscription = AsSubscription(settings);
    const v1::Topic* const topic = hub.Find<v1::Topic>(subscription.topic());
    if (topic == nullptr) {
      return InvalidField("subscription.topic",
                          absl::StrCat("topic ", subscription.topic(), " will not exist"));
    }
    if (topic->retention().none()) {
      return InvalidField("subscription.topic",
                          absl::StrCat("topic ", subscription.topic(), " will keep nothing"));
    }
    const std::string& letters = subscription.dead_letter_topic();
    const v1::Topic* const dead_letters = hub.Find<v1::Topic>(letters);
    if (dead_letters == nullptr) {
      return InvalidField("subscription.dead_letter_topic",
                          absl::StrCat("topic ", letters, " will not exist"));
    }
    if (dead_letters->retention().has_latest_per_key()) {
      return InvalidField("subscription.dead_letter_topic",
                          absl::StrCat("topic ", letters, " keeps only the latest event per key"));
    }
    return absl::OkStatus();
  }

  absl::Status CheckDelete(const std::string&, const TopologyState&) const override {
    return absl::OkStatus();
  }

  std::optional<v1::Topic> ImpliedTopic(const Message& settings) const override {
    return DeadLetterTopicFor(AsSubscription(settings));
  }

  void Create(const Caller& caller, const Message& settings, StatusDone done) override {
    v1::CreateSubscriptionRequest request;
    *request.mutable_subscription() = AsSubscription(settings);
    subscriptions_.Create(caller, request, WithoutSubscription(std::move(done)));
  }

  void Update(const Caller& caller, const Message& settings,
              const google::protobuf::FieldMask& mask, StatusDone done) override {
    v1::UpdateSubscriptionRequest request;
    *request.mutable_subscription() = AsSubscription(settings);
    *request.mutable_update_mask() = mask;
    subscriptions_.Update(caller, request, WithoutSubscription(std::move(done)));
  }

  void Delete(const Caller& caller, const std::string& name, StatusDone done) override {
    subscriptions_.Delete(caller, name, std::move(done));
  }

 private:
  Subscriptions& subscriptions_;
};

}  // namespace

std::unique_ptr<TopologyKind> MakeSubscriptionKind(Subscriptions& subscriptions) {
  return std::make_unique<SubscriptionKind>(subscriptions);
}

}  // namespace eventhub
