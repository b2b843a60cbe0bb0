// The settings of a subscription: valid values, and defaults.
#include "server/core/subscription/subscription_settings.h"

#include <cstdint>
#include <functional>
#include <limits>
#include <set>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/server/broker_rig.h"

namespace eventhub {
namespace {

using absl::StatusCode;
using Change = std::function<void(v1::Subscription&)>;

const absl::Time kNow = absl::FromUnixSeconds(1'700'000'000);

v1::Topic OrdersTopic() {
  v1::Topic topic;
  topic.set_name("orders");
  topic.set_default_durability(v1::DURABILITY_WRITTEN);
  return topic;
}

v1::Subscription Named(const std::string& name, v1::Subscription::Kind kind) {
  v1::Subscription subscription;
  subscription.set_name(name);
  subscription.set_topic("orders");
  subscription.set_kind(kind);
  return subscription;
}
v1::Subscription Queue() { return Named("billing", v1::Subscription::KIND_QUEUE); }
v1::Subscription Stream() { return Named("billing", v1::Subscription::KIND_STREAM); }

absl::StatusOr<v1::Subscription> Create(const v1::Subscription& asked) {
  return NewSubscriptionSettings(asked, OrdersTopic(), kNow);
}

absl::StatusOr<v1::Subscription> Update(const v1::Subscription& current,
                                        const v1::Subscription& asked,
                                        const std::vector<std::string>& paths) {
  google::protobuf::FieldMask mask;
  for (const std::string& path : paths) mask.add_paths(path);
  return ChangedSubscriptionSettings(current, asked, mask);
}

// The field that the status names.
std::string FieldOf(const absl::Status& status) {
  EXPECT_THAT(status, Refused(StatusCode::kInvalidArgument, v1::ErrorDetail::REASON_INVALID_FIELD));
  const auto detail = DetailOf(status);
  return detail.has_value() ? detail->field() : "none";
}

std::string FaultOf(v1::Subscription asked, const Change& change) {
  change(asked);
  return FieldOf(Create(asked).status());
}

google::protobuf::Duration Span(int64_t seconds, int32_t nanos = 0) {
  google::protobuf::Duration duration;
  duration.set_seconds(seconds);
  duration.set_nanos(nanos);
  return duration;
}

// The memory of 10,000 idle subscriptions is mostly their settings.
TEST(SubscriptionSettings, DropUnknownFieldsFromMemory) {
  v1::Subscription asked = Queue();
  asked.GetReflection()->MutableUnknownFields(&asked)->AddVarint(1000, 1);
  ASSERT_OK_AND_ASSIGN(const v1::Subscription made, Create(asked));
  v1::Subscription plain;
  ASSERT_TRUE(plain.ParseFromString(made.SerializeAsString()));
  EXPECT_TRUE(made.GetReflection()->GetUnknownFields(made).empty());
  EXPECT_EQ(made.SpaceUsedLong(), plain.SpaceUsedLong());
}

TEST(SubscriptionSettingsTest, QueueHasDefaults) {
  ASSERT_OK_AND_ASSIGN(const v1::Subscription made, Create(Queue()));
  EXPECT_EQ(made.ack_deadline().seconds(), 30);
  EXPECT_EQ(made.retry_policy().min_backoff().nanos(), 100'000'000);
  EXPECT_EQ(made.retry_policy().max_backoff().seconds(), 60);
  EXPECT_EQ(made.max_delivery_attempts(), 0u);
  EXPECT_EQ(made.dead_letter_topic(), "billing.dead-letters");
  EXPECT_EQ(made.ack_durability(), v1::DURABILITY_WRITTEN);
  EXPECT_FALSE(made.has_expire_after());
  EXPECT_FALSE(made.has_rate_limit());
  EXPECT_EQ(made.create_time().seconds(), absl::ToUnixSeconds(kNow));
}

TEST(SubscriptionSettingsTest, DefaultDeadLetterTopicFitsEveryName) {
  const auto topic_of = [](const std::string& name) {
    v1::Subscription settings = Queue();
    settings.set_name(name);
    const absl::StatusOr<v1::Subscription> made = Create(settings);
    EXPECT_THAT(made, IsOk()) << name.size();
    return made.ok() ? made->dead_letter_topic() : "";
  };
  const std::string longest_whole(187, 'n');
  EXPECT_EQ(topic_of(longest_whole), longest_whole + ".dead-letters");
  std::set<std::string> topics;
  for (size_t size = 188; size <= 200; ++size) topics.insert(topic_of(std::string(size, 'n')));
  EXPECT_EQ(topics.size(), 13u);
  for (const std::string& topic : topics) EXPECT_EQ(topic.size(), 200u);
  EXPECT_EQ(topic_of(std::string(200, 'n')),
            std::string(170, 'n') + "-c7d674096dc86278.dead-letters");
}

TEST(SubscriptionSettingsTest, StreamHasNoAckDeadlineByDefault) {
  ASSERT_OK_AND_ASSIGN(v1::Subscription made, Create(Stream()));
  EXPECT_FALSE(made.has_ack_deadline());
  EXPECT_EQ(RulesOf(made).ack_deadline, 0);
  v1::Subscription asked = Stream();
  *asked.mutable_ack_deadline() = Span(5);
  ASSERT_OK_AND_ASSIGN(made, Create(asked));
  EXPECT_EQ(made.ack_deadline().seconds(), 5);
}

TEST(SubscriptionSettingsTest, KeepsRequestedSettings) {
  v1::Subscription asked = Queue();
  asked.set_ordered_by_key(true);
  *asked.mutable_ack_deadline() = Span(0, 100'000'000);
  *asked.mutable_retry_policy()->mutable_min_backoff() = Span(0);
  *asked.mutable_retry_policy()->mutable_max_backoff() = Span(24 * 3600);
  asked.set_max_delivery_attempts(1000);
  asked.set_dead_letter_topic("letters");
  asked.mutable_filter()->set_sql("EXISTS test");
  *asked.mutable_expire_after() = Span(60);
  asked.set_paused(true);
  asked.mutable_rate_limit()->set_bytes_per_second(std::numeric_limits<uint64_t>::max());
  asked.set_ack_durability(v1::DURABILITY_SYNCED);
  asked.set_description(std::string(1024, 'x'));
  asked.mutable_create_time()->set_seconds(1);
  ASSERT_OK_AND_ASSIGN(v1::Subscription made, Create(asked));
  EXPECT_EQ(made.create_time().seconds(), absl::ToUnixSeconds(kNow));
  *made.mutable_create_time() = asked.create_time();
  EXPECT_EQ(made.ShortDebugString(), asked.ShortDebugString());
}

TEST(SubscriptionSettingsTest, DropsUnknownFields) {
  v1::Subscription asked = Queue();
  asked.GetReflection()->MutableUnknownFields(&asked)->AddVarint(1000, 1);
  v1::RateLimit& limit = *asked.mutable_rate_limit();
  limit.GetReflection()->MutableUnknownFields(&limit)->AddVarint(1000, 1);
  ASSERT_OK_AND_ASSIGN(const v1::Subscription made, Create(asked));
  EXPECT_EQ(made.SerializeAsString().size(), made.ByteSizeLong());
  EXPECT_TRUE(made.GetReflection()->GetUnknownFields(made).empty());
  EXPECT_TRUE(limit.GetReflection()->GetUnknownFields(made.rate_limit()).empty());
  ASSERT_OK_AND_ASSIGN(const v1::Subscription now, Update(made, asked, {"rate_limit"}));
  EXPECT_TRUE(limit.GetReflection()->GetUnknownFields(now.rate_limit()).empty());
}

TEST(SubscriptionSettingsTest, ValidatesNames) {
  const auto fault = [](const std::string& name) {
    return FaultOf(Queue(), [&](v1::Subscription& s) { s.set_name(name); });
  };
  for (const char* bad : {"", ".a", "-a", "a b", "a/b", "\xc3\xa4"}) {
    EXPECT_EQ(fault(bad), "subscription.name") << bad;
  }
  EXPECT_EQ(fault(std::string(201, 'x')), "subscription.name");
  v1::Subscription longest = Named(std::string(200, 'x'), v1::Subscription::KIND_QUEUE);
  longest.set_dead_letter_topic("letters");
  EXPECT_THAT(Create(longest), IsOk());
}

TEST(SubscriptionSettingsTest, KindRestrictsSettings) {
  EXPECT_EQ(FaultOf(Queue(), [](auto& s) { s.clear_kind(); }), "subscription.kind");
  EXPECT_EQ(FaultOf(Queue(), [](auto& s) { s.set_kind(static_cast<v1::Subscription::Kind>(7)); }),
            "subscription.kind");
  EXPECT_EQ(FaultOf(Stream(), [](auto& s) { s.set_ordered_by_key(true); }),
            "subscription.ordered_by_key");
}

TEST(SubscriptionSettingsTest, DeadLetterTopicMustDiffer) {
  EXPECT_EQ(FaultOf(Queue(), [](auto& s) { s.set_dead_letter_topic("orders"); }),
            "subscription.dead_letter_topic");
  EXPECT_EQ(FaultOf(Queue(), [](auto& s) { s.set_topic("billing.dead-letters"); }),
            "subscription.dead_letter_topic");
  EXPECT_EQ(FaultOf(Queue(), [](auto& s) { s.set_dead_letter_topic("a b"); }),
            "subscription.dead_letter_topic");
  EXPECT_EQ(FaultOf(Queue(), [](auto& s) { s.clear_topic(); }), "subscription.topic");
}

TEST(SubscriptionSettingsTest, ValidatesLimits) {
  EXPECT_EQ(FaultOf(Queue(), [](auto& s) { s.set_max_delivery_attempts(1001); }),
            "subscription.max_delivery_attempts");
  EXPECT_EQ(FaultOf(Queue(), [](auto& s) { s.set_ack_durability(static_cast<v1::Durability>(9)); }),
            "subscription.ack_durability");
  EXPECT_EQ(FaultOf(Queue(), [](auto& s) { s.set_description(std::string(1025, 'x')); }),
            "subscription.description");
}

TEST(SubscriptionSettingsTest, ValidatesDurations) {
  const auto deadline = [](google::protobuf::Duration span) {
    return FaultOf(Stream(), [&](auto& s) { *s.mutable_ack_deadline() = span; });
  };
  const int64_t most = std::numeric_limits<int64_t>::max();
  const int64_t least = std::numeric_limits<int64_t>::min();
  for (const auto& bad : {Span(0, 99'999'999), Span(12 * 3600, 1), Span(0), Span(-1), Span(1, -1),
                          Span(-1, 1), Span(1, 1'000'000'000), Span(1, -1'000'000'000), Span(most),
                          Span(least), Span(1, std::numeric_limits<int32_t>::min())}) {
    EXPECT_EQ(deadline(bad), "subscription.ack_deadline") << bad.ShortDebugString();
  }
  const auto expiry = [](google::protobuf::Duration span) {
    return FaultOf(Queue(), [&](auto& s) { *s.mutable_expire_after() = span; });
  };
  EXPECT_EQ(expiry(Span(59, 999'999'999)), "subscription.expire_after");
  EXPECT_EQ(expiry(Span(315'576'000'001)), "subscription.expire_after");
}

TEST(SubscriptionSettingsTest, ValidatesBackoffs) {
  const auto fault = [](const google::protobuf::Duration* min,
                        const google::protobuf::Duration* max) {
    return FaultOf(Queue(), [&](auto& s) {
      if (min != nullptr) *s.mutable_retry_policy()->mutable_min_backoff() = *min;
      if (max != nullptr) *s.mutable_retry_policy()->mutable_max_backoff() = *max;
    });
  };
  const auto negative = Span(-1);
  const auto over_hour = Span(3600, 1);
  const auto over_day = Span(24 * 3600, 1);
  const auto two_minutes = Span(120);
  const auto ten_millis = Span(0, 10'000'000);
  EXPECT_EQ(fault(&negative, nullptr), "subscription.retry_policy.min_backoff");
  EXPECT_EQ(fault(&over_hour, &over_day), "subscription.retry_policy.min_backoff");
  EXPECT_EQ(fault(nullptr, &over_day), "subscription.retry_policy.max_backoff");
  // Each compared with the default of the other.
  EXPECT_EQ(fault(&two_minutes, nullptr), "subscription.retry_policy.max_backoff");
  EXPECT_EQ(fault(nullptr, &ten_millis), "subscription.retry_policy.max_backoff");
}

TEST(SubscriptionSettingsTest, UpdatesOnlyMaskedFields) {
  ASSERT_OK_AND_ASSIGN(const v1::Subscription made, Create(Queue()));
  v1::Subscription asked;
  *asked.mutable_ack_deadline() = Span(7);
  *asked.mutable_retry_policy()->mutable_min_backoff() = Span(1);
  *asked.mutable_retry_policy()->mutable_max_backoff() = Span(2);
  asked.set_max_delivery_attempts(5);
  asked.set_dead_letter_topic("letters");
  asked.mutable_filter()->set_sql("EXISTS test");
  *asked.mutable_expire_after() = Span(3600);
  asked.set_paused(true);
  asked.mutable_rate_limit()->set_events_per_second(10);
  asked.mutable_rate_limit()->set_bytes_per_second(20);
  asked.set_ack_durability(v1::DURABILITY_SYNCED);
  asked.set_description("new");

  const auto changed = [&](const std::string& path, const Change& change) {
    v1::Subscription expected = made;
    change(expected);
    const absl::StatusOr<v1::Subscription> now = Update(made, asked, {path});
    ASSERT_THAT(now, IsOk()) << path;
    EXPECT_EQ(now->ShortDebugString(), expected.ShortDebugString()) << path;
  };
  changed("ack_deadline", [](auto& s) { *s.mutable_ack_deadline() = Span(7); });
  changed("retry_policy", [&](auto& s) { *s.mutable_retry_policy() = asked.retry_policy(); });
  changed("retry_policy.min_backoff",
          [](auto& s) { *s.mutable_retry_policy()->mutable_min_backoff() = Span(1); });
  changed("retry_policy.max_backoff",
          [](auto& s) { *s.mutable_retry_policy()->mutable_max_backoff() = Span(2); });
  changed("max_delivery_attempts", [](auto& s) { s.set_max_delivery_attempts(5); });
  changed("dead_letter_topic", [](auto& s) { s.set_dead_letter_topic("letters"); });
  changed("expire_after", [](auto& s) { *s.mutable_expire_after() = Span(3600); });
  changed("paused", [](auto& s) { s.set_paused(true); });
  changed("rate_limit", [&](auto& s) { *s.mutable_rate_limit() = asked.rate_limit(); });
  changed("rate_limit.events_per_second",
          [](auto& s) { s.mutable_rate_limit()->set_events_per_second(10); });
  changed("rate_limit.bytes_per_second",
          [](auto& s) { s.mutable_rate_limit()->set_bytes_per_second(20); });
  changed("ack_durability", [](auto& s) { s.set_ack_durability(v1::DURABILITY_SYNCED); });
  changed("description", [](auto& s) { s.set_description("new"); });
  changed("filter", [&](auto& s) { *s.mutable_filter() = asked.filter(); });
}

TEST(SubscriptionSettingsTest, MaskedUnsetFieldsReturnToDefaults) {
  v1::Subscription asked = Stream();
  *asked.mutable_ack_deadline() = Span(7);
  *asked.mutable_expire_after() = Span(3600);
  *asked.mutable_retry_policy()->mutable_max_backoff() = Span(2);
  asked.mutable_rate_limit()->set_events_per_second(10);
  asked.set_paused(true);
  asked.set_max_delivery_attempts(3);
  ASSERT_OK_AND_ASSIGN(const v1::Subscription made, Create(asked));
  ASSERT_OK_AND_ASSIGN(const v1::Subscription now,
                       Update(made, {},
                              {"ack_deadline", "expire_after", "retry_policy", "rate_limit",
                               "paused", "max_delivery_attempts"}));
  ASSERT_OK_AND_ASSIGN(const v1::Subscription plain, Create(Stream()));
  EXPECT_EQ(now.ShortDebugString(), plain.ShortDebugString());
}

TEST(SubscriptionSettingsTest, RejectsInvalidUpdates) {
  ASSERT_OK_AND_ASSIGN(const v1::Subscription made, Create(Queue()));
  const auto fault = [&](const v1::Subscription& asked, const std::vector<std::string>& paths) {
    return FieldOf(Update(made, asked, paths).status());
  };
  EXPECT_EQ(fault(Stream(), {}), "update_mask");
  for (const char* path : {"name", "topic", "kind", "ordered_by_key", "create_time", "filter.sql",
                           "", "ack_deadline.seconds", "retry_policy.", "*"}) {
    EXPECT_EQ(fault(Stream(), {"paused", path}), "update_mask") << path;
  }
  EXPECT_EQ(fault(Queue(), {"ack_deadline"}), "subscription.ack_deadline");
  EXPECT_EQ(fault(Queue(), {"dead_letter_topic"}), "subscription.dead_letter_topic");
  EXPECT_EQ(fault(Queue(), {"ack_durability"}), "subscription.ack_durability");
  v1::Subscription own = Queue();
  own.set_dead_letter_topic("orders");
  EXPECT_EQ(fault(own, {"dead_letter_topic"}), "subscription.dead_letter_topic");
  v1::Subscription slow = Queue();
  *slow.mutable_retry_policy()->mutable_min_backoff() = Span(61);
  EXPECT_EQ(fault(slow, {"retry_policy.min_backoff"}), "subscription.retry_policy.max_backoff");
}

TEST(SubscriptionSettingsTest, RulesAreInMicroseconds) {
  v1::Subscription asked = Queue();
  asked.set_ordered_by_key(true);
  *asked.mutable_ack_deadline() = Span(1, 500'000'000);
  asked.set_max_delivery_attempts(4);
  ASSERT_OK_AND_ASSIGN(const v1::Subscription made, Create(asked));
  const DeliveryRules rules = RulesOf(made);
  EXPECT_TRUE(rules.queue);
  EXPECT_TRUE(rules.ordered_by_key);
  EXPECT_EQ(rules.ack_deadline, 1'500'000);
  EXPECT_EQ(rules.min_backoff, 100'000);
  EXPECT_EQ(rules.max_backoff, 60'000'000);
  EXPECT_EQ(rules.max_attempts, 4u);
  EXPECT_FALSE(RulesOf(Stream()).queue);
}

TEST(SubscriptionSettingsTest, DoesNotExpireByDefault) {
  v1::Subscription settings = Queue();
  EXPECT_EQ(ExpireAfterOf(settings), absl::InfiniteDuration());
  *settings.mutable_expire_after() = Span(90, 5);
  EXPECT_EQ(ExpireAfterOf(settings), absl::Seconds(90) + absl::Nanoseconds(5));
}

}  // namespace
}  // namespace eventhub
