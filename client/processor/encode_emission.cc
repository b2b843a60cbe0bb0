#include "client/processor/encode_emission.h"

#include <cstdint>

#include "absl/strings/str_cat.h"
#include "client/src/publish/event_check.h"
#include "eventhub/partition.h"
#include "proto/wire/event_rules.h"
#include "proto/wire/fields.h"
#include "proto/wire/writer.h"
#include "storage/base/status_macros.h"

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

// Encoded attributes to add to an event. They are not added to its map, whose nodes would cost more
// than the rest of the event.
class AddedAttributes {
 public:
  explicit AddedAttributes(v1::Event& event) : event_(event) {}

  void SetString(const char* name, const std::string& value) {
    if (IsSet(name)) return;
    std::string encoded;
    wire::AppendBytes(v1::AttributeValue::kStringFieldNumber, value, &encoded);
    Add(name, encoded);
  }
  // Copies an attribute of the cause. Returns whether the event now has the attribute.
  bool CarryOn(const char* name, const v1::Event& cause) {
    if (IsSet(name)) return true;
    const auto it = cause.attributes().find(name);
    if (it == cause.attributes().end()) return false;
    Add(name, it->second.SerializeAsString());
    return true;
  }

  const std::string& encoded() const { return encoded_; }
  size_t count() const { return count_; }

 private:
  bool IsSet(const char* name) {
    if (event_.attributes().empty()) return false;
    const auto it = event_.mutable_attributes()->find(name);
    if (it == event_.attributes().end()) return false;
    if (it->second.value_case() != v1::AttributeValue::VALUE_NOT_SET) return true;
    event_.mutable_attributes()->erase(it);
    return false;
  }

  void Add(const char* name, const std::string& value) {
    std::string entry;
    wire::AppendBytes(wire::kEntryName, name, &entry);
    wire::AppendBytes(wire::kEntryValue, value, &entry);
    wire::AppendBytes(v1::Event::kAttributesFieldNumber, entry, &encoded_);
    ++count_;
  }

  v1::Event& event_;
  std::string encoded_;
  size_t count_ = 0;
};

std::string EncodeField(const v1::Event& event, const std::string& rest) {
  const size_t size = event.ByteSizeLong();
  std::string field;
  field.reserve(1 + wire::VarintSize(size + rest.size()) + size + rest.size());
  wire::AppendHead(wire::kEventsField, size + rest.size(), &field);
  const size_t from = field.size();
  field.resize(from + size);
  event.SerializeWithCachedSizesToArray(reinterpret_cast<uint8_t*>(field.data() + from));
  return field += rest;
}

}  // namespace

absl::StatusOr<std::string> EncodeEmission(const v1::Event& cause, std::string_view pipeline,
                                           std::string_view place, std::string_view source,
                                           v1::Event event) {
  if (event.id().empty()) event.set_id(IdOf(cause, pipeline, place));
  if (event.source().empty()) event.set_source(source.data(), source.size());
  if (event.partition_key().empty()) event.set_partition_key(cause.partition_key());
  AddedAttributes added(event);
  added.SetString("causationid", cause.id());
  if (!added.CarryOn("correlationid", cause)) added.SetString("correlationid", cause.id());
  added.CarryOn("traceparent", cause);
  added.CarryOn("tracestate", cause);
  RETURN_IF_ERROR(client::CheckEvent(event, added.count()));
  return EncodeField(event, added.encoded());
}

}  // namespace eventhub::processor::internal
