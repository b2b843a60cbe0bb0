#include "server/core/route/event_edit.h"

#include <algorithm>

#include "eventhub/v1/event.pb.h"
#include "google/protobuf/io/coded_stream.h"
#include "server/core/event_scanner.h"
#include "server/core/wire.h"
#include "server/filter/casts.h"
#include "server/filter/event_view.h"

namespace eventhub {
namespace {

constexpr uint32_t kSourceField = 2;
constexpr uint32_t kTypeField = 3;
constexpr uint32_t kKeyField = 6;
constexpr uint32_t kAttributesField = 9;

void AppendField(absl::string_view message, std::string* out) {
  using google::protobuf::io::CodedOutputStream;
  uint8_t length[5];
  const uint8_t* const end =
      CodedOutputStream::WriteVarint32ToArray(static_cast<uint32_t>(message.size()), length);
  out->push_back(kEventsTag);
  out->append(reinterpret_cast<const char*>(length), static_cast<size_t>(end - length));
  out->append(message.data(), message.size());
}

}  // namespace

EventHead ReadEventHead(absl::string_view event) {
  EventHead head;
  WireReader reader(event);
  while (!reader.AtEnd()) {
    uint32_t field;
    WireType type;
    if (!reader.ReadTag(&field, &type)) break;
    absl::string_view value;
    if (type != WireType::kBytes) {
      if (!reader.Skip(type)) break;
      continue;
    }
    if (!reader.ReadBytes(&value)) break;
    if (field == kSourceField) head.source = value;
    if (field == kTypeField) head.type = value;
    if (field == kKeyField) head.key = value;
  }
  return head;
}

EventEdit::EventEdit(const v1::Route& route)
    : key_(route.partition_key()), sets_key_(route.has_partition_key()) {
  v1::Event event;
  *event.mutable_attributes() = route.set_attributes();
  attributes_ = event.SerializeAsString();
  for (const auto& [name, value] : route.set_attributes()) names_.push_back(name);
  std::sort(names_.begin(), names_.end());
}

std::string EventEdit::KeyOf(absl::string_view event) const {
  if (key_.key_case() == v1::PartitionKeyOverride::kConstant) return key_.constant();
  if (key_.key_case() != v1::PartitionKeyOverride::kFromAttribute) return "";
  const filter::Value value = EventView(event).Find(key_.from_attribute());
  filter::Scratch scratch;
  absl::string_view text;
  if (value.missing() || !filter::ToText(value, scratch, &text)) return "";
  return text.size() > kMaxStringAttributeBytes ? "" : std::string(text);
}

bool EventEdit::Replaces(absl::string_view attribute_entry) const {
  absl::string_view name;
  WireReader reader(attribute_entry);
  while (!reader.AtEnd()) {
    uint32_t field;
    WireType type;
    if (!reader.ReadTag(&field, &type)) break;
    const bool is_name = field == 1 && type == WireType::kBytes;
    if (is_name ? !reader.ReadBytes(&name) : !reader.Skip(type)) break;
  }
  return std::binary_search(names_.begin(), names_.end(), name);
}

bool EventEdit::Apply(absl::string_view event, std::string* out) const {
  std::string copy;
  copy.reserve(event.size() + attributes_.size());
  size_t attributes = names_.size();
  WireReader reader(event);
  const char* kept = event.data();  // Up to where the event is copied.
  while (!reader.AtEnd()) {
    const char* const start = reader.position();
    uint32_t field;
    WireType type;
    absl::string_view value;
    if (!reader.ReadTag(&field, &type)) break;
    if (type != WireType::kBytes) {
      if (!reader.Skip(type)) break;
      continue;
    }
    if (!reader.ReadBytes(&value)) break;
    const bool replaced = (field == kKeyField && sets_key_) ||
                          (field == kAttributesField && !names_.empty() && Replaces(value));
    if (field == kAttributesField && !replaced) ++attributes;
    if (!replaced) continue;
    copy.append(kept, start);
    kept = reader.position();
  }
  if (!names_.empty() && attributes > kMaxStoredAttributes) return false;
  copy.append(kept, event.data() + event.size());
  if (sets_key_) {
    if (const std::string key = KeyOf(event); !key.empty()) {
      v1::Event field;
      field.set_partition_key(key);
      copy += field.SerializeAsString();
    }
  }
  copy += attributes_;
  AppendField(copy, out);
  return true;
}

}  // namespace eventhub
