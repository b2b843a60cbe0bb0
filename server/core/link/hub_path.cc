#include "server/core/link/hub_path.h"

#include <utility>

#include "absl/container/inlined_vector.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "eventhub/v1/event.pb.h"
#include "proto/wire/field_reader.h"
#include "proto/wire/fields.h"
#include "proto/wire/writer.h"

namespace eventhub {
namespace {

constexpr absl::string_view kName = "hubpath";

// An event split around its attribute `hubpath`, and the value of the attribute.
struct ParsedPath {
  absl::InlinedVector<absl::string_view, 2> others;
  size_t others_bytes = 0;
  absl::string_view path;
};

ParsedPath ParsePath(absl::string_view event) {
  ParsedPath parsed;
  const char* begin = event.data();
  const auto take = [&parsed, &begin](const char* end) {
    if (begin == end) return;
    parsed.others.emplace_back(begin, static_cast<size_t>(end - begin));
    parsed.others_bytes += parsed.others.back().size();
  };
  wire::FieldReader field(event);
  while (field.Next()) {
    if (!field.Is(v1::Event::kAttributesFieldNumber)) continue;
    const absl::string_view entry = field.bytes();
    if (wire::LastBytes(entry, wire::kEntryName) != kName) continue;
    parsed.path = wire::LastBytes(wire::LastBytes(entry, wire::kEntryValue),
                                  v1::AttributeValue::kStringFieldNumber);
    take(field.field().data());
    begin = field.after().data();
  }
  take(event.data() + event.size());
  return parsed;
}

bool Holds(absl::string_view path, absl::string_view hub) {
  for (const absl::string_view id : absl::StrSplit(path, ',')) {
    if (id == hub) return true;
  }
  return false;
}

}  // namespace

HubPathOutcome HubPath::Add(absl::string_view event, size_t max_event_bytes,
                            std::string* region) const {
  const ParsedPath parsed = ParsePath(event);
  if (Holds(parsed.path, this_hub_)) return HubPathOutcome::kLooped;
  std::string value;
  wire::AppendBytes(v1::AttributeValue::kStringFieldNumber,
                    parsed.path.empty() ? remote_hub_ : absl::StrCat(parsed.path, ",", remote_hub_),
                    &value);
  std::string entry;
  wire::AppendBytes(wire::kEntryName, kName, &entry);
  wire::AppendBytes(wire::kEntryValue, value, &entry);
  std::string attribute;
  wire::AppendBytes(v1::Event::kAttributesFieldNumber, entry, &attribute);
  // The path does not count: a topic with the remote topic's limit accepts whatever that topic
  // accepted.
  if (parsed.others_bytes > max_event_bytes) return HubPathOutcome::kTooLarge;
  wire::AppendHead(wire::kEventsField, parsed.others_bytes + attribute.size(), region);
  for (const absl::string_view part : parsed.others) region->append(part.data(), part.size());
  *region += attribute;
  return HubPathOutcome::kAdded;
}

v1::Filter HubPath::RemoteFilter(const v1::Filter* filter) const {
  v1::Filter not_here;
  not_here.mutable_negation()->set_sql(absl::StrCat(kName, " LIKE '%", this_hub_, "%'"));
  if (filter == nullptr) return not_here;
  v1::Filter both;
  *both.mutable_all()->add_filters() = *filter;
  *both.mutable_all()->add_filters() = std::move(not_here);
  return both;
}

}  // namespace eventhub
