#include "server/core/topic_settings.h"

#include <algorithm>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "google/protobuf/util/time_util.h"
#include "server/core/errors.h"
#include "storage/base/status_macros.h"

namespace eventhub {
namespace {

constexpr size_t kMaxNameBytes = 200;
constexpr size_t kMaxDescriptionBytes = 1024;

absl::Status CheckName(const std::string& name) {
  if (name.empty()) return InvalidField("topic.name", "is required");
  if (name.size() > kMaxNameBytes) return InvalidField("topic.name", "has more than 200 bytes");
  const auto valid = [](char c) {
    return absl::ascii_isalnum(c) || c == '.' || c == '_' || c == '-';
  };
  if (!std::all_of(name.begin(), name.end(), valid) || name[0] == '.' || name[0] == '-') {
    return InvalidField("topic.name",
                        "has to be of a-z A-Z 0-9 . _ - and begin with a letter, a digit or _");
  }
  return absl::OkStatus();
}

absl::Status CheckRetention(const v1::Retention& retention) {
  if (!retention.has_max_age()) return absl::OkStatus();
  const auto& age = retention.max_age();
  constexpr int64_t kMaxSeconds = 315'576'000'000;  // The range of a Duration: 10,000 years.
  if (age.seconds() < 1 || age.seconds() > kMaxSeconds || age.nanos() < 0 ||
      age.nanos() > 999'999'999) {
    return InvalidField("topic.retention.max_age", "has to be 1 s or more");
  }
  return absl::OkStatus();
}

absl::Status Check(const v1::Topic& topic) {
  RETURN_IF_ERROR(CheckName(topic.name()));
  if (topic.partitions() < 1 || topic.partitions() > kMaxPartitions) {
    return InvalidField("topic.partitions", absl::StrCat("has to be 1 to ", kMaxPartitions));
  }
  RETURN_IF_ERROR(CheckRetention(topic.retention()));
  if (topic.default_durability() != v1::DURABILITY_SYNCED &&
      topic.default_durability() != v1::DURABILITY_WRITTEN) {
    return InvalidField("topic.default_durability", "has to be WRITTEN or SYNCED");
  }
  if (topic.max_event_bytes() < 1 || topic.max_event_bytes() > kMaxMaxEventBytes) {
    return InvalidField("topic.max_event_bytes",
                        absl::StrCat("has to be 1 to ", kMaxMaxEventBytes));
  }
  if (topic.description().size() > kMaxDescriptionBytes) {
    return InvalidField("topic.description", "has more than 1024 bytes");
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<v1::Topic> NewTopicSettings(const v1::Topic& asked, absl::Time now) {
  v1::Topic topic = asked;
  if (topic.partitions() == 0) topic.set_partitions(1);
  if (topic.default_durability() == v1::DURABILITY_UNSPECIFIED) {
    topic.set_default_durability(v1::DURABILITY_SYNCED);
  }
  if (topic.max_event_bytes() == 0) topic.set_max_event_bytes(kDefaultMaxEventBytes);
  *topic.mutable_create_time() =
      google::protobuf::util::TimeUtil::MicrosecondsToTimestamp(absl::ToUnixMicros(now));
  topic.DiscardUnknownFields();
  RETURN_IF_ERROR(Check(topic));
  return topic;
}

absl::StatusOr<v1::Topic> ChangedTopicSettings(const v1::Topic& current, const v1::Topic& asked,
                                               const google::protobuf::FieldMask& mask) {
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
    } else if (path == "default_durability") {
      topic.set_default_durability(asked.default_durability());
    } else if (path == "max_event_bytes") {
      topic.set_max_event_bytes(asked.max_event_bytes());
    } else if (path == "description") {
      topic.set_description(asked.description());
    } else {
      return InvalidField("update_mask", absl::StrCat("names ", path, ", which cannot be changed"));
    }
  }
  RETURN_IF_ERROR(Check(topic));
  return topic;
}

absl::Duration MaxAgeOf(const v1::Topic& settings) {
  if (!settings.retention().has_max_age()) return absl::InfiniteDuration();
  const auto& age = settings.retention().max_age();
  return absl::Seconds(age.seconds()) + absl::Nanoseconds(age.nanos());
}

}  // namespace eventhub
