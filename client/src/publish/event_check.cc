#include "client/src/publish/event_check.h"

#include <string>

#include "absl/strings/str_cat.h"
#include "eventhub/error.h"
#include "proto/wire/event_rules.h"

namespace eventhub::client {
namespace {

absl::Status Invalid(const char* field, std::string_view what) {
  absl::Status status =
      absl::InvalidArgumentError(absl::StrCat("event.", field, " ", std::string(what)));
  SetErrorInfo({.reason = ErrorReason::kInvalidField, .field = field}, status);
  return status;
}

bool TooLong(const std::string& value) { return value.size() > wire::kMaxStringAttributeBytes; }

absl::Status FindFault(const v1::Event& event, size_t more_attributes) {
  const struct {
    const char* name;
    const std::string& value;
    bool required;
  } fields[] = {
      {"id", event.id(), true},
      {"source", event.source(), true},
      {"type", event.type(), true},
      {"subject", event.subject(), false},
      {"partition_key", event.partition_key(), false},
      {"data_content_type", event.data_content_type(), false},
      {"data_schema", event.data_schema(), false},
  };
  for (const auto& field : fields) {
    if (field.required && field.value.empty()) return Invalid(field.name, "is required");
    if (TooLong(field.value)) return Invalid(field.name, "is longer than 1,024 bytes");
  }
  if (event.attributes().size() + more_attributes > wire::kMaxAttributes)
    return Invalid("attributes", "are more than 256");
  for (const auto& [name, value] : event.attributes()) {
    if (name.empty() || name.size() > wire::kMaxAttributeNameBytes) {
      return Invalid("attributes", "have a name that is not 1 to 256 bytes long");
    }
    if (!wire::IsAttributeName(name)) {
      return Invalid(
          "attributes",
          absl::StrCat("have a name with characters other than a-z and 0-9: '", name, "'"));
    }
  }
  if (event.has_deliver_at() && event.has_deliver_after()) {
    return Invalid("deliver_after", "cannot be set together with deliver_at");
  }
  if (event.deliver_after().seconds() < 0 || event.deliver_after().nanos() < 0) {
    return Invalid("deliver_after", "is negative");
  }
  return absl::OkStatus();
}

}  // namespace

absl::Status CheckEvent(const v1::Event& event, size_t more_attributes) {
  const bool plain = !event.id().empty() && !event.source().empty() && !event.type().empty() &&
                     !TooLong(event.id()) && !TooLong(event.source()) && !TooLong(event.type()) &&
                     !TooLong(event.subject()) && !TooLong(event.partition_key()) &&
                     !TooLong(event.data_content_type()) && !TooLong(event.data_schema()) &&
                     event.attributes().empty() && !event.has_deliver_after();
  return plain ? absl::OkStatus() : FindFault(event, more_attributes);
}

}  // namespace eventhub::client
