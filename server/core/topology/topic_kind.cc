#include "server/core/topology/topic_kind.h"

#include <algorithm>
#include <cstdint>
#include <limits>
#include <utility>

#include "absl/time/time.h"
#include "server/core/admin/topic_users.h"
#include "server/core/base/errors.h"
#include "server/core/topic/topic_settings.h"
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

}  // namespace

std::vector<std::unique_ptr<TopologyKind::Message>> TopicKind::Present(
    const Caller& /*caller*/) const {
  std::vector<std::unique_ptr<Message>> present;
  for (const auto& topic : topics_.catalog().List("", std::numeric_limits<size_t>::max())) {
    present.push_back(std::make_unique<v1::Topic>(*topic->view()->settings));
  }
  return present;
}

absl::StatusOr<std::unique_ptr<TopologyKind::Message>> TopicKind::Complete(
    const Message& asked, const TopologyState& hub) const {
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

absl::Status TopicKind::CheckChange(const Message& from, const Message& to,
                                    const google::protobuf::FieldMask& mask) const {
  return ChangedTopicSettings(AsTopic(from), AsTopic(to), mask, topics_.limits()).status();
}

absl::Status TopicKind::CheckPlace(const Message& settings, const TopologyState& hub) const {
  const v1::Topic& topic = AsTopic(settings);
  if (!topic.retention().none()) return absl::OkStatus();
  TopicUsers users = UsersOf(topic.name(), hub);
  const std::string use = users.KeepEvents();
  if (!use.empty()) return InvalidField("topic.retention.none", use);
  ASSIGN_OR_RETURN(users.open_letters_of, LetterHolders(topic.name(), hub));
  return users.CheckNoLetters(topic.name());
}

absl::Status TopicKind::CheckDelete(const std::string& name, const TopologyState& hub) const {
  TopicUsers users = UsersOf(name, hub);
  ASSIGN_OR_RETURN(users.open_letters_of, LetterHolders(name, hub));
  return users.CheckDelete(name);
}

absl::StatusOr<std::vector<std::string>> TopicKind::LetterHolders(const std::string& topic,
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

bool TopicKind::Tightens(const Message& from, const Message& to) const {
  const v1::Topic& before = AsTopic(from);
  const v1::Topic& after = AsTopic(to);
  const v1::Retention& kept = before.retention();
  const v1::Retention& keeps = after.retention();
  return (keeps.none() && !kept.none()) || MaxAgeOf(after) < MaxAgeOf(before) ||
         LimitOf(keeps.max_bytes()) < LimitOf(kept.max_bytes()) ||
         (kept.keep_until_acked() && !keeps.keep_until_acked()) ||
         LimitOf(keeps.keep_until_acked_max_bytes()) < LimitOf(kept.keep_until_acked_max_bytes()) ||
         (keeps.refuse_when_full() && !kept.refuse_when_full()) ||
         after.max_event_bytes() < before.max_event_bytes();
}

void TopicKind::Create(const Caller& caller, const Message& settings, StatusDone done) {
  topics_.Create(caller, AsTopic(settings), WithoutTopic(std::move(done)));
}

void TopicKind::Update(const Caller& caller, const Message& settings,
                       const google::protobuf::FieldMask& mask, StatusDone done) {
  v1::UpdateTopicRequest request;
  *request.mutable_topic() = AsTopic(settings);
  *request.mutable_update_mask() = mask;
  topics_.Update(caller, request, WithoutTopic(std::move(done)));
}

void TopicKind::Delete(const Caller& caller, const std::string& name, StatusDone done) {
  v1::DeleteTopicRequest request;
  request.set_name(name);
  topics_.Delete(caller, request, std::move(done));
}

}  // namespace eventhub
