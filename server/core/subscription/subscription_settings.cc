#include "server/core/subscription/subscription_settings.h"

#include <cstdint>

#include "absl/algorithm/container.h"
#include "absl/strings/str_cat.h"
#include "google/protobuf/util/field_mask_util.h"
#include "google/protobuf/util/message_differencer.h"
#include "google/protobuf/util/time_util.h"
#include "proto/wire/event_rules.h"
#include "server/core/base/errors.h"
#include "server/filter/filter.h"
#include "storage/base/status_macros.h"

namespace eventhub {
namespace {

using google::protobuf::util::FieldMaskUtil;
using google::protobuf::util::TimeUtil;

constexpr uint32_t kMaxAttempts = 1000;
constexpr absl::string_view kDeadLetterSuffix = ".dead-letters";

constexpr absl::string_view kChangeable[] = {
    "ack_deadline",
    "retry_policy",
    "retry_policy.min_backoff",
    "retry_policy.max_backoff",
    "max_delivery_attempts",
    "dead_letter_topic",
    "expire_after",
    "paused",
    "rate_limit",
    "rate_limit.events_per_second",
    "rate_limit.bytes_per_second",
    "ack_durability",
    "description",
    "filter",
};

void FillRetryPolicy(v1::RetryPolicy& policy) {
  if (!policy.has_min_backoff()) {
    *policy.mutable_min_backoff() = TimeUtil::MillisecondsToDuration(100);
  }
  if (!policy.has_max_backoff()) *policy.mutable_max_backoff() = TimeUtil::SecondsToDuration(60);
}

absl::Status CheckKind(const v1::Subscription& settings) {
  if (settings.kind() != v1::Subscription::KIND_STREAM &&
      settings.kind() != v1::Subscription::KIND_QUEUE) {
    return InvalidField("subscription.kind", "must be STREAM or QUEUE");
  }
  const bool queue = settings.kind() == v1::Subscription::KIND_QUEUE;
  if (settings.ordered_by_key() && !queue) {
    return InvalidField("subscription.ordered_by_key", "is for QUEUE only");
  }
  if (settings.has_ack_deadline()) {
    return CheckDuration("subscription.ack_deadline", settings.ack_deadline(),
                         absl::Milliseconds(100), absl::Hours(12));
  }
  return queue ? InvalidField("subscription.ack_deadline", "is required for QUEUE")
               : absl::OkStatus();
}

absl::Status CheckRetryPolicy(const v1::RetryPolicy& policy) {
  RETURN_IF_ERROR(CheckDuration("subscription.retry_policy.min_backoff", policy.min_backoff(),
                                absl::ZeroDuration(), absl::Hours(1)));
  return CheckDuration("subscription.retry_policy.max_backoff", policy.max_backoff(),
                       ToDuration(policy.min_backoff()), absl::Hours(24));
}

absl::Status CheckDeadLetters(const v1::Subscription& settings) {
  if (settings.max_delivery_attempts() > kMaxAttempts) {
    return InvalidField("subscription.max_delivery_attempts",
                        absl::StrCat("must be at most ", kMaxAttempts));
  }
  RETURN_IF_ERROR(CheckName("subscription.dead_letter_topic", settings.dead_letter_topic()));
  if (settings.dead_letter_topic() == settings.topic()) {
    return InvalidField("subscription.dead_letter_topic",
                        absl::StrCat("is ", settings.topic(), ", the subscription's own topic"));
  }
  return absl::OkStatus();
}

}  // namespace

absl::Status CheckSubscriptionSettings(const v1::Subscription& settings) {
  RETURN_IF_ERROR(CheckName("subscription.name", settings.name()));
  RETURN_IF_ERROR(CheckName("subscription.topic", settings.topic()));
  RETURN_IF_ERROR(CheckKind(settings));
  RETURN_IF_ERROR(CheckRetryPolicy(settings.retry_policy()));
  RETURN_IF_ERROR(CheckDeadLetters(settings));
  if (settings.has_expire_after()) {
    RETURN_IF_ERROR(CheckDuration("subscription.expire_after", settings.expire_after(),
                                  absl::Minutes(1), absl::InfiniteDuration()));
  }
  if (settings.ack_durability() != v1::DURABILITY_SYNCED &&
      settings.ack_durability() != v1::DURABILITY_WRITTEN) {
    return InvalidField("subscription.ack_durability", "must be WRITTEN or SYNCED");
  }
  if (settings.has_filter()) {
    const absl::StatusOr<CompiledFilter> filter =
        CompileFilter(settings.filter(), "subscription.filter");
    if (!filter.ok()) return InvalidFilter(filter.status());
  }
  return CheckDescription("subscription.description", settings.description());
}

namespace {

// A name that leaves no room for the suffix is truncated and made unique by a hash.
std::string DefaultDeadLetterTopic(const std::string& subscription) {
  const size_t room = kMaxNameBytes - kDeadLetterSuffix.size();
  if (subscription.size() <= room) return absl::StrCat(subscription, kDeadLetterSuffix);
  const std::string hash =
      absl::StrCat("-", absl::Hex(wire::HashOfKey(subscription), absl::kZeroPad16));
  return absl::StrCat(subscription.substr(0, room - hash.size()), hash, kDeadLetterSuffix);
}

int64_t ToMicros(const google::protobuf::Duration& duration) {
  return absl::ToInt64Microseconds(ToDuration(duration));
}

}  // namespace

absl::StatusOr<v1::Subscription> NewSubscriptionSettings(const v1::Subscription& asked,
                                                         const v1::Topic& topic, absl::Time now) {
  v1::Subscription settings = asked;
  DropUnknownFields(settings);
  // Checked first, since the name of the dead-letter topic is derived from it.
  RETURN_IF_ERROR(CheckName("subscription.name", settings.name()));
  FillRetryPolicy(*settings.mutable_retry_policy());
  if (!settings.has_ack_deadline() && settings.kind() == v1::Subscription::KIND_QUEUE) {
    *settings.mutable_ack_deadline() = TimeUtil::SecondsToDuration(30);
  }
  if (settings.dead_letter_topic().empty()) {
    settings.set_dead_letter_topic(DefaultDeadLetterTopic(settings.name()));
  }
  if (settings.ack_durability() == v1::DURABILITY_UNSPECIFIED) {
    settings.set_ack_durability(topic.default_durability());
  }
  *settings.mutable_create_time() = TimeUtil::MicrosecondsToTimestamp(absl::ToUnixMicros(now));
  RETURN_IF_ERROR(CheckSubscriptionSettings(settings));
  return settings;
}

absl::StatusOr<v1::Subscription> ChangedSubscriptionSettings(
    const v1::Subscription& current, const v1::Subscription& asked,
    const google::protobuf::FieldMask& mask) {
  if (mask.paths().empty()) return InvalidField("update_mask", "is required");
  for (const std::string& path : mask.paths()) {
    if (!absl::c_linear_search(kChangeable, path)) {
      return InvalidField("update_mask", absl::StrCat("names ", path, ", which cannot be changed"));
    }
  }
  v1::Subscription settings = current;
  FieldMaskUtil::MergeOptions options;
  options.set_replace_message_fields(true);
  FieldMaskUtil::MergeMessageTo(asked, mask, options, &settings);
  DropUnknownFields(settings);
  FillRetryPolicy(*settings.mutable_retry_policy());
  RETURN_IF_ERROR(CheckSubscriptionSettings(settings));
  return settings;
}

v1::Topic DeadLetterTopicFor(const v1::Subscription& settings) {
  v1::Topic topic;
  topic.set_name(settings.dead_letter_topic());
  topic.set_description("Dead letters of subscription " + settings.name());
  return topic;
}

DeliveryRules RulesOf(const v1::Subscription& settings) {
  DeliveryRules rules;
  rules.queue = settings.kind() == v1::Subscription::KIND_QUEUE;
  rules.ordered_by_key = settings.ordered_by_key();
  if (settings.has_ack_deadline()) rules.ack_deadline = ToMicros(settings.ack_deadline());
  rules.min_backoff = ToMicros(settings.retry_policy().min_backoff());
  rules.max_backoff = ToMicros(settings.retry_policy().max_backoff());
  rules.max_attempts = settings.max_delivery_attempts();
  return rules;
}

bool SameFilter(const v1::Subscription& a, const v1::Subscription& b) {
  return a.has_filter() == b.has_filter() &&
         google::protobuf::util::MessageDifferencer::Equals(a.filter(), b.filter());
}

absl::Status CheckFilterMemory(const v1::Filter& filter, const MemoryMeter& memory) {
  const size_t wanted = MemoryOf(filter);
  return wanted <= memory.left() ? absl::OkStatus() : TooMuchForFilters(wanted, memory.limit());
}

std::shared_ptr<const EventFilter> FilterOf(const v1::Subscription& settings, MemoryMeter& memory) {
  if (!settings.has_filter()) return nullptr;
  // Checked when it was set, and when the record was loaded.
  return std::make_shared<const EventFilter>(*CompileFilter(settings.filter()),
                                             memory.ForceTake(MemoryOf(settings.filter())));
}

std::shared_ptr<const EventFilter> ReplayFilterOf(const stored::Subscription& record,
                                                  std::shared_ptr<const EventFilter> filter,
                                                  MemoryMeter& memory) {
  if (!record.has_replay_filter()) return filter;
  return std::make_shared<const EventFilter>(*CompileFilter(record.replay_filter()),
                                             memory.ForceTake(MemoryOf(record.replay_filter())),
                                             std::move(filter));
}

absl::Duration ExpireAfterOf(const v1::Subscription& settings) {
  return settings.has_expire_after() ? ToDuration(settings.expire_after())
                                     : absl::InfiniteDuration();
}

}  // namespace eventhub
