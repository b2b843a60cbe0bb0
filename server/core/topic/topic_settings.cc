#include "server/core/topic/topic_settings.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "server/core/base/errors.h"
#include "server/core/base/field_checks.h"
#include "server/core/base/timestamps.h"
#include "storage/base/status_macros.h"

namespace eventhub {
namespace {

constexpr int64_t kDefaultDeleteMarkerSeconds = 24 * 60 * 60;

// Fills in the defaults; the values may be invalid.
void Complete(v1::LatestPerKey& latest) {
  const bool longer = latest.mutable_min_age()->seconds() >= kDefaultDeleteMarkerSeconds;
  if (latest.has_delete_marker_age()) return;
  latest.mutable_delete_marker_age()->set_seconds(kDefaultDeleteMarkerSeconds);
  if (longer) *latest.mutable_delete_marker_age() = latest.min_age();
}

absl::Status CheckLatestPerKey(const v1::LatestPerKey& latest) {
  RETURN_IF_ERROR(CheckDuration("topic.retention.latest_per_key.min_age", latest.min_age(),
                                absl::ZeroDuration(), absl::InfiniteDuration()));
  return CheckDuration("topic.retention.latest_per_key.delete_marker_age",
                       latest.delete_marker_age(), ToDuration(latest.min_age()),
                       absl::InfiniteDuration());
}

absl::Status CheckRetention(const v1::Retention& retention) {
  const bool limited = retention.has_max_age() || retention.max_bytes() > 0 ||
                       retention.keep_until_acked() || retention.keep_until_acked_max_bytes() > 0 ||
                       retention.refuse_when_full();
  if (retention.none() && limited) {
    return InvalidField("topic.retention.none", "excludes all other limits");
  }
  if (retention.has_latest_per_key()) {
    if (limited || retention.none()) {
      return InvalidField("topic.retention.latest_per_key", "excludes all other limits");
    }
    return CheckLatestPerKey(retention.latest_per_key());
  }
  if (retention.refuse_when_full() && retention.max_bytes() == 0) {
    return InvalidField("topic.retention.refuse_when_full", "requires max_bytes");
  }
  return absl::OkStatus();
}

absl::Status Check(const v1::Topic& topic) {
  RETURN_IF_ERROR(CheckName("topic.name", topic.name()));
  if (topic.partitions() < 1 || topic.partitions() > kMaxPartitions) {
    return InvalidField("topic.partitions", absl::StrCat("must be 1 to ", kMaxPartitions));
  }
  if (topic.retention().has_max_age()) {
    RETURN_IF_ERROR(CheckDuration("topic.retention.max_age", topic.retention().max_age(),
                                  absl::Seconds(1), absl::InfiniteDuration()));
  }
  RETURN_IF_ERROR(CheckRetention(topic.retention()));
  if (topic.has_deduplication_window()) {
    RETURN_IF_ERROR(CheckDuration("topic.deduplication_window", topic.deduplication_window(),
                                  absl::Seconds(1), absl::Hours(24 * 30)));
  }
  if (topic.default_durability() != v1::DURABILITY_SYNCED &&
      topic.default_durability() != v1::DURABILITY_WRITTEN) {
    return InvalidField("topic.default_durability", "must be WRITTEN or SYNCED");
  }
  if (topic.max_event_bytes() < 1 || topic.max_event_bytes() > kMaxMaxEventBytes) {
    return InvalidField("topic.max_event_bytes", absl::StrCat("must be 1 to ", kMaxMaxEventBytes));
  }
  return CheckDescription("topic.description", topic.description());
}

// Keys are looked up from the first event on, and in the partition they hash to.
absl::Status CheckLatestKept(const v1::Topic& from, const v1::Topic& to) {
  if (from.retention().has_latest_per_key() != to.retention().has_latest_per_key()) {
    return InvalidField("topic.retention.latest_per_key",
                        "can only be set when the topic is created, and stays");
  }
  if (from.retention().has_latest_per_key() && from.partitions() != to.partitions()) {
    return InvalidField("topic.partitions",
                        "cannot change in a topic that keeps the latest event per key");
  }
  return absl::OkStatus();
}

// The size of the rest of a request with one event: names, sequence, offsets; a generous bound.
constexpr size_t kBesideEventBytes = 1024;

absl::Status CheckEventBytes(uint32_t max_event_bytes, const TopicLimits& limits) {
  if (max_event_bytes <= limits.max_event_bytes) return absl::OkStatus();
  return InvalidField("topic.max_event_bytes",
                      absl::StrCat("is ", max_event_bytes,
                                   ", but the hub accepts no request with an event of more than ",
                                   limits.max_event_bytes, " bytes (--max_request)"));
}

}  // namespace

TopicLimits TopicLimitsFor(size_t max_request_bytes) {
  const size_t beside = std::min(kBesideEventBytes, max_request_bytes / 2);
  return {.max_event_bytes = static_cast<uint32_t>(
              std::min<size_t>(max_request_bytes - beside, kMaxMaxEventBytes))};
}

absl::StatusOr<v1::Topic> NewTopicSettings(const v1::Topic& asked, const TopicLimits& limits,
                                           absl::Time now) {
  v1::Topic topic = asked;
  if (topic.partitions() == 0) topic.set_partitions(1);
  if (topic.default_durability() == v1::DURABILITY_UNSPECIFIED) {
    topic.set_default_durability(v1::DURABILITY_SYNCED);
  }
  if (topic.max_event_bytes() == 0) {
    topic.set_max_event_bytes(std::min(kDefaultMaxEventBytes, limits.max_event_bytes));
  }
  if (topic.retention().has_latest_per_key()) {
    Complete(*topic.mutable_retention()->mutable_latest_per_key());
  }
  *topic.mutable_create_time() = TimestampOf(now);
  if (topic.archive()) topic.clear_archive();  // Equal settings have one form.
  DropUnknownFields(topic);
  RETURN_IF_ERROR(Check(topic));
  RETURN_IF_ERROR(CheckEventBytes(topic.max_event_bytes(), limits));
  if (topic.erasable() && !limits.can_seal) return NoMasterKey();
  return topic;
}

absl::StatusOr<v1::Topic> ChangedTopicSettings(const v1::Topic& current, const v1::Topic& asked,
                                               const google::protobuf::FieldMask& mask,
                                               const TopicLimits& limits) {
  if (mask.paths().empty()) return InvalidField("update_mask", "is required");
  v1::Topic topic = current;
  for (const std::string& path : mask.paths()) {
    if (path == "partitions") {
      if (asked.partitions() < current.partitions()) {
        return InvalidField(
            "topic.partitions",
            absl::StrCat("cannot shrink from ", current.partitions(), " to ", asked.partitions()));
      }
      topic.set_partitions(asked.partitions());
    } else if (path == "retention") {
      *topic.mutable_retention() = asked.retention();
    } else if (path == "retention.max_age") {
      topic.mutable_retention()->clear_max_age();
      if (asked.retention().has_max_age()) {
        *topic.mutable_retention()->mutable_max_age() = asked.retention().max_age();
      }
    } else if (path == "retention.max_bytes") {
      topic.mutable_retention()->set_max_bytes(asked.retention().max_bytes());
    } else if (path == "retention.keep_until_acked") {
      topic.mutable_retention()->set_keep_until_acked(asked.retention().keep_until_acked());
    } else if (path == "retention.keep_until_acked_max_bytes") {
      topic.mutable_retention()->set_keep_until_acked_max_bytes(
          asked.retention().keep_until_acked_max_bytes());
    } else if (path == "retention.none") {
      topic.mutable_retention()->set_none(asked.retention().none());
    } else if (path == "retention.latest_per_key") {
      topic.mutable_retention()->clear_latest_per_key();
      if (asked.retention().has_latest_per_key()) {
        *topic.mutable_retention()->mutable_latest_per_key() = asked.retention().latest_per_key();
      }
    } else if (path == "retention.refuse_when_full") {
      topic.mutable_retention()->set_refuse_when_full(asked.retention().refuse_when_full());
    } else if (path == "default_durability") {
      topic.set_default_durability(asked.default_durability());
    } else if (path == "max_event_bytes") {
      topic.set_max_event_bytes(asked.max_event_bytes());
    } else if (path == "description") {
      topic.set_description(asked.description());
    } else if (path == "deduplication_window") {
      topic.clear_deduplication_window();
      if (asked.has_deduplication_window()) {
        *topic.mutable_deduplication_window() = asked.deduplication_window();
      }
    } else if (path == "archive") {
      topic.clear_archive();
      if (asked.has_archive()) topic.set_archive(asked.archive());
    } else if (path == "erasable") {
      topic.set_erasable(asked.erasable());
    } else {
      return InvalidField("update_mask", absl::StrCat("names ", path, ", which cannot be changed"));
    }
  }
  if (topic.archive()) topic.clear_archive();
  RETURN_IF_ERROR(CheckLatestKept(current, topic));
  if (topic.retention().has_latest_per_key()) {
    Complete(*topic.mutable_retention()->mutable_latest_per_key());
  }
  DropUnknownFields(topic);
  RETURN_IF_ERROR(Check(topic));
  if (topic.max_event_bytes() != current.max_event_bytes()) {
    RETURN_IF_ERROR(CheckEventBytes(topic.max_event_bytes(), limits));
  }
  if (topic.erasable() && !current.erasable() && !limits.can_seal) return NoMasterKey();
  return topic;
}

absl::Duration MaxAgeOf(const v1::Topic& settings) {
  if (!settings.retention().has_max_age()) return absl::InfiniteDuration();
  return ToDuration(settings.retention().max_age());
}

bool IsArchived(const v1::Topic& settings) {
  return (settings.archive() || !settings.has_archive()) && !settings.retention().none();
}

absl::Duration DeduplicationWindowOf(const v1::Topic& settings) {
  return settings.has_deduplication_window() ? ToDuration(settings.deduplication_window())
                                             : absl::ZeroDuration();
}

}  // namespace eventhub
