#include "server/core/link/hub_path.h"

#include <utility>

#include "absl/container/inlined_vector.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "server/core/wire.h"

namespace eventhub {
namespace {

constexpr absl::string_view kName = "hubpath";
constexpr uint32_t kAttributesField = 9;  // Of v1::Event, a map entry: 1 is the name, 2 the value.
constexpr uint32_t kStringField = 3;      // Of v1::AttributeValue.

char BytesTag(uint32_t field) { return static_cast<char>((field << 3) | 2); }

size_t VarintSize(size_t value) {
  size_t size = 1;
  for (; value >= 0x80; value >>= 7) ++size;
  return size;
}

void AppendVarint(size_t value, std::string* to) {
  for (; value >= 0x80; value >>= 7) to->push_back(static_cast<char>(value | 0x80));
  to->push_back(static_cast<char>(value));
}

void AppendField(uint32_t field, absl::string_view bytes, std::string* to) {
  to->push_back(BytesTag(field));
  AppendVarint(bytes.size(), to);
  to->append(bytes.data(), bytes.size());
}

// Of a field of a message, the last value; empty if there is none. The message is well-formed, as
// all is that a hub stores; what is not reads as empty, and is refused by the scan of the request.
absl::string_view LastBytes(absl::string_view message, uint32_t wanted) {
  WireReader reader(message);
  absl::string_view last;
  while (!reader.AtEnd()) {
    uint32_t field;
    WireType type;
    absl::string_view bytes;
    if (!reader.ReadTag(&field, &type)) return {};
    if (field != wanted || type != WireType::kBytes) {
      if (!reader.Skip(type)) return {};
    } else if (reader.ReadBytes(&bytes)) {
      last = bytes;
    } else {
      return {};
    }
  }
  return last;
}

// The parts of an event around its attribute `hubpath`, and the value of that.
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
  WireReader reader(event);
  while (!reader.AtEnd()) {
    const char* const start = reader.position();
    uint32_t field;
    WireType type;
    absl::string_view entry;
    if (!reader.ReadTag(&field, &type)) break;
    if (field != kAttributesField || type != WireType::kBytes) {
      if (!reader.Skip(type)) break;
      continue;
    }
    if (!reader.ReadBytes(&entry)) break;
    if (LastBytes(entry, 1) != kName) continue;
    parsed.path = LastBytes(LastBytes(entry, 2), kStringField);
    take(start);
    begin = reader.position();
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
  AppendField(kStringField,
              parsed.path.empty() ? remote_hub_ : absl::StrCat(parsed.path, ",", remote_hub_),
              &value);
  std::string entry;
  AppendField(1, kName, &entry);
  AppendField(2, value, &entry);
  const size_t size = parsed.others_bytes + 1 + VarintSize(entry.size()) + entry.size();
  // The path is on top: what the remote hub took, a topic of the same limit takes.
  if (parsed.others_bytes > max_event_bytes) return HubPathOutcome::kTooLarge;
  region->push_back(kEventsTag);
  AppendVarint(size, region);
  for (const absl::string_view part : parsed.others) region->append(part.data(), part.size());
  AppendField(kAttributesField, entry, region);
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
