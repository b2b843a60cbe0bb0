#include "client/processor/complete_event.h"

#include <string>

#include "absl/strings/str_cat.h"
#include "client/src/publish/event_check.h"
#include "eventhub/partition.h"

namespace eventhub::processor::internal {
namespace {

constexpr size_t kMaxIdBytes = 1024;

// An id is unique within its source only, so the source of the cause is part of the id.
std::string IdOf(const v1::Event& cause, std::string_view pipeline, std::string_view place) {
  const std::string rest =
      absl::StrCat(".", std::string(pipeline), ".", std::string(place), ".",
                   absl::Hex(client::KeyHash(cause.source()), absl::kZeroPad16));
  if (cause.id().size() + rest.size() <= kMaxIdBytes) return cause.id() + rest;
  return absl::StrCat(absl::Hex(client::KeyHash(cause.id()), absl::kZeroPad16),
                      absl::Hex(client::KeyHash(cause.id() + "2"), absl::kZeroPad16), rest);
}

void SetString(const char* name, const std::string& value, v1::Event& event) {
  v1::AttributeValue& attribute = (*event.mutable_attributes())[name];
  if (attribute.value_case() == v1::AttributeValue::VALUE_NOT_SET) attribute.set_string(value);
}

void CarryOn(const char* name, const v1::Event& cause, v1::Event& event) {
  const auto it = cause.attributes().find(name);
  if (it != cause.attributes().end()) event.mutable_attributes()->insert({name, it->second});
}

}  // namespace

absl::Status CompleteEvent(const v1::Event& cause, std::string_view pipeline,
                           std::string_view place, std::string_view source, v1::Event& event) {
  if (event.id().empty()) event.set_id(IdOf(cause, pipeline, place));
  if (event.source().empty()) event.set_source(source.data(), source.size());
  if (event.partition_key().empty()) event.set_partition_key(cause.partition_key());
  SetString("causationid", cause.id(), event);
  CarryOn("correlationid", cause, event);
  SetString("correlationid", cause.id(), event);
  CarryOn("traceparent", cause, event);
  CarryOn("tracestate", cause, event);
  return client::CheckEvent(event);
}

}  // namespace eventhub::processor::internal
