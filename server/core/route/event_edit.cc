#include "server/core/route/event_edit.h"

#include <algorithm>

#include "eventhub/v1/event.pb.h"
#include "proto/wire/event_rules.h"
#include "proto/wire/field_reader.h"
#include "proto/wire/fields.h"
#include "proto/wire/writer.h"
#include "server/core/event/event_scanner.h"
#include "server/filter/casts.h"
#include "server/filter/event_view.h"

namespace eventhub {
namespace {

// A tag and a length, at most.
constexpr size_t kFieldOverhead = 6;

}  // namespace

EventEdit::EventEdit(const v1::Route& route)
    : key_(route.partition_key()), sets_key_(route.has_partition_key()) {
  v1::Event event;
  *event.mutable_attributes() = route.set_attributes();
  attributes_ = event.SerializeAsString();
  for (const auto& [name, value] : route.set_attributes()) names_.push_back(name);
  std::sort(names_.begin(), names_.end());
  growth_ = attributes_.size() + kFieldOverhead;
  if (sets_key_) growth_ += key_.constant().size() + kFieldOverhead;
}

std::string EventEdit::KeyOf(absl::string_view event) const {
  if (key_.key_case() == v1::PartitionKeyOverride::kConstant) return key_.constant();
  if (key_.key_case() != v1::PartitionKeyOverride::kFromAttribute) return "";
  const filter::Value value = EventView(event).Find(key_.from_attribute());
  filter::Scratch scratch;
  absl::string_view text;
  if (value.missing() || !filter::ToText(value, scratch, &text)) return "";
  return text.size() > wire::kMaxStringAttributeBytes ? "" : std::string(text);
}

bool EventEdit::Replaces(absl::string_view attribute_entry) const {
  return std::binary_search(names_.begin(), names_.end(),
                            wire::LastBytes(attribute_entry, wire::kEntryName));
}

bool EventEdit::Apply(absl::string_view event, std::string* out) const {
  std::string copy;
  copy.reserve(event.size() + attributes_.size());
  size_t attributes = names_.size();
  wire::FieldReader field(event);
  const char* kept = event.data();  // The event is copied up to here.
  while (field.Next()) {
    const bool attribute = field.Is(v1::Event::kAttributesFieldNumber);
    const bool replaced = (field.Is(v1::Event::kPartitionKeyFieldNumber) && sets_key_) ||
                          (attribute && !names_.empty() && Replaces(field.bytes()));
    if (attribute && !replaced) ++attributes;
    if (!replaced) continue;
    copy.append(kept, field.field().data());
    kept = field.after().data();
  }
  if (!names_.empty() && attributes > kMaxStoredAttributes) return false;
  copy.append(kept, event.data() + event.size());
  if (sets_key_) {
    if (const std::string key = KeyOf(event); !key.empty()) {
      wire::AppendBytes(v1::Event::kPartitionKeyFieldNumber, key, &copy);
    }
  }
  copy += attributes_;
  wire::AppendBytes(wire::kEventsField, copy, out);
  return true;
}

}  // namespace eventhub
