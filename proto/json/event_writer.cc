#include "proto/json/event_writer.h"

#include <algorithm>
#include <array>

#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "proto/json/json_slice.h"
#include "proto/json/timestamp.h"
#include "proto/wire/event_rules.h"
#include "proto/wire/utf8.h"

namespace eventhub::json {
namespace {

// Whether a byte of well-formed UTF-8 must be escaped.
constexpr std::array<bool, 256> MakeEscapedBytes() {
  std::array<bool, 256> escaped{};
  for (size_t c = 0; c < 0x20; ++c) escaped[c] = true;
  escaped['"'] = true;
  escaped['\\'] = true;
  return escaped;
}
constexpr std::array<bool, 256> kEscaped = MakeEscapedBytes();

void AppendEscape(char c, std::string* to) {
  constexpr absl::string_view kHex = "0123456789abcdef";
  constexpr absl::string_view kLetters = "btnvfr";  // Of 0x08 to 0x0d; JSON has no \v.
  to->push_back('\\');
  if (c == '"' || c == '\\') return to->push_back(c);
  if (c >= '\b' && c <= '\r' && c != '\v') {
    return to->push_back(kLetters[static_cast<size_t>(c - '\b')]);
  }
  to->append("u00");
  to->push_back(kHex[static_cast<size_t>(c) >> 4]);
  to->push_back(kHex[static_cast<size_t>(c) & 0xf]);
}

void AppendValidText(absl::string_view text, std::string* to) {
  const char* plain = text.data();
  const char* const end = plain + text.size();
  for (const char* at = plain; at != end; ++at) {
    if (!kEscaped[static_cast<uint8_t>(*at)]) continue;
    to->append(plain, static_cast<size_t>(at - plain));
    AppendEscape(*at, to);
    plain = at + 1;
  }
  to->append(plain, static_cast<size_t>(end - plain));
}

void AppendString(absl::string_view text, std::string* to) {
  to->push_back('"');
  if (wire::IsUtf8(text)) {
    AppendValidText(text, to);
  } else {
    // The hub refuses it; it must not stop a reader either.
    while (!text.empty()) {
      const size_t valid = wire::Utf8Prefix(text);
      AppendValidText(text.substr(0, valid), to);
      text.remove_prefix(valid);
      if (text.empty()) break;
      to->append("\uFFFD");
      text.remove_prefix(1);
    }
  }
  to->push_back('"');
}

// In parts, for the library replaces what is in its output.
void AppendBase64(absl::string_view bytes, std::string* to) {
  constexpr size_t kPart = 3 * 1024;
  to->push_back('"');
  std::string part;
  for (; !bytes.empty(); bytes.remove_prefix(std::min(bytes.size(), kPart))) {
    absl::Base64Escape(bytes.substr(0, kPart), &part);
    to->append(part);
  }
  to->push_back('"');
}

void AppendTime(const TimestampView& time, std::string* to) {
  to->push_back('"');
  AppendTimestamp(absl::FromUnixSeconds(time.seconds) + absl::Nanoseconds(time.nanos), to);
  to->push_back('"');
}

// Whether JSON data can stand in a line as it is, and is the same when it is cut out again.
bool FitsLine(absl::string_view data) {
  return data.find_first_of("\r\n") == absl::string_view::npos && IsJsonValue(data);
}

bool IsTextType(absl::string_view content_type) {
  return absl::StartsWithIgnoreCase(content_type, "text/");
}

// Whether a member of that name can be nothing but this attribute.
bool IsMemberName(absl::string_view name) {
  return wire::IsAttributeName(name) && !wire::IsReservedName(name);
}

// Writes the members of one object.
class ObjectWriter {
 public:
  explicit ObjectWriter(std::string* to) : to_(to) { to_->push_back('{'); }
  void End() { to_->push_back('}'); }

  // Begins a member; its value is to be appended. `name` needs no escapes.
  std::string* Name(absl::string_view name) {
    absl::StrAppend(to_, first_ ? "\"" : ",\"", name, "\":");
    first_ = false;
    return to_;
  }
  std::string* AnyName(absl::string_view name) {
    if (!first_) to_->push_back(',');
    AppendString(name, to_);
    to_->push_back(':');
    first_ = false;
    return to_;
  }

  void String(absl::string_view name, absl::string_view value) { AppendString(value, Name(name)); }
  void StringIfSet(absl::string_view name, absl::string_view value) {
    if (!value.empty()) String(name, value);
  }
  void Number(absl::string_view name, int64_t value) { absl::StrAppend(Name(name), value); }
  void Boolean(absl::string_view name, bool value) { Name(name)->append(value ? "true" : "false"); }

 private:
  std::string* const to_;
  bool first_ = true;
};

void WritePosition(const Position& position, ObjectWriter& object) {
  object.Number(kPartition, position.partition);
  object.Number(kOffset, position.offset);
  std::string* const to = object.Name(kAppendTime);
  to->push_back('"');
  AppendTimestamp(position.append_time, to);
  to->push_back('"');
  if (position.attempt == 0) return;
  object.Number(kDeliveryAttempt, position.attempt);
  object.Boolean(kRedelivered, position.redelivered);
  object.Boolean(kReplayed, position.replayed);
}

// The attributes whose names are those of other members, and, if `exact`, the types that JSON does
// not have.
void WriteOddities(const EventFields& fields, bool exact, ObjectWriter& object) {
  const auto write = [&](absl::string_view member, const auto& wanted, const auto& append) {
    if (std::none_of(fields.attributes.begin(), fields.attributes.end(), wanted)) return;
    ObjectWriter inner(object.Name(member));
    for (const AttributeView& attribute : fields.attributes) {
      if (wanted(attribute)) append(attribute, inner.AnyName(attribute.name));
    }
    inner.End();
  };
  write(
      kAttributes, [](const AttributeView& attribute) { return !IsMemberName(attribute.name); },
      WriteAttribute);
  if (!exact) return;
  write(
      kTypes, [](const AttributeView& attribute) { return !TypeName(attribute.type).empty(); },
      [](const AttributeView& attribute, std::string* to) {
        absl::StrAppend(to, "\"", TypeName(attribute.type), "\"");
      });
}

void WriteData(const EventFields& fields, bool exact, ObjectWriter& object) {
  const absl::string_view type = fields.data_content_type;
  if (!type.empty()) object.String("datacontenttype", type);
  if (fields.data.empty()) return;
  const bool is_json = type.empty() || IsJsonType(type);
  if (is_json && FitsLine(fields.data)) {
    if (exact && type.empty()) object.Boolean(kUntyped, true);
    absl::StrAppend(object.Name("data"), fields.data);
  } else if (!is_json && IsTextType(type) && wire::IsUtf8(fields.data)) {
    object.String("data", fields.data);
  } else {
    AppendBase64(fields.data, object.Name("data_base64"));
  }
}

}  // namespace

bool IsJsonType(absl::string_view content_type) {
  const absl::string_view type =
      absl::StripAsciiWhitespace(content_type.substr(0, content_type.find(';')));
  return absl::EndsWithIgnoreCase(type, "/json") || absl::EndsWithIgnoreCase(type, "+json");
}

absl::string_view TypeName(v1::AttributeValue::ValueCase type) {
  switch (type) {
    case v1::AttributeValue::kBinary:
      return "Binary";
    case v1::AttributeValue::kUri:
      return "URI";
    case v1::AttributeValue::kUriRef:
      return "URI-reference";
    case v1::AttributeValue::kTimestamp:
      return "Timestamp";
    default:
      return "";
  }
}

AttributeView ViewOf(absl::string_view name, const v1::AttributeValue& value) {
  AttributeView view;
  view.name = name;
  view.type = value.value_case();
  switch (view.type) {
    case v1::AttributeValue::kBoolean:
      view.number = value.boolean() ? 1 : 0;
      break;
    case v1::AttributeValue::kInteger:
      view.number = value.integer();
      break;
    case v1::AttributeValue::kString:
      view.text = value.string();
      break;
    case v1::AttributeValue::kBinary:
      view.text = value.binary();
      break;
    case v1::AttributeValue::kUri:
      view.text = value.uri();
      break;
    case v1::AttributeValue::kUriRef:
      view.text = value.uri_ref();
      break;
    case v1::AttributeValue::kTimestamp:
      view.time = {value.timestamp().seconds(), value.timestamp().nanos()};
      break;
    case v1::AttributeValue::VALUE_NOT_SET:
      break;
  }
  return view;
}

void WriteAttribute(const AttributeView& attribute, std::string* to) {
  switch (attribute.type) {
    case v1::AttributeValue::kBoolean:
      to->append(attribute.number != 0 ? "true" : "false");
      return;
    case v1::AttributeValue::kInteger:
      absl::StrAppend(to, attribute.number);
      return;
    case v1::AttributeValue::kString:
    case v1::AttributeValue::kUri:
    case v1::AttributeValue::kUriRef:
      return AppendString(attribute.text, to);
    case v1::AttributeValue::kBinary:
      return AppendBase64(attribute.text, to);
    case v1::AttributeValue::kTimestamp:
      return AppendTime(attribute.time, to);
    case v1::AttributeValue::VALUE_NOT_SET:
      break;
  }
  to->append("null");
}

void WriteEvent(EventFields& fields, const AppendOptions& options, std::string* to) {
  ObjectWriter object(to);
  object.String(kSpecVersion, "1.0");
  object.String("id", fields.id);
  object.String("source", fields.source);
  object.String("type", fields.type);
  object.StringIfSet("subject", fields.subject);
  if (fields.has_time) AppendTime(fields.time, object.Name("time"));
  object.StringIfSet("partitionkey", fields.partition_key);
  object.StringIfSet("dataschema", fields.data_schema);
  std::sort(fields.attributes.begin(), fields.attributes.end(),
            [](const AttributeView& a, const AttributeView& b) { return a.name < b.name; });
  for (const AttributeView& attribute : fields.attributes) {
    if (IsMemberName(attribute.name)) WriteAttribute(attribute, object.Name(attribute.name));
  }
  if (!fields.attributes.empty()) WriteOddities(fields, options.exact, object);
  if (options.position) WritePosition(*options.position, object);
  WriteData(fields, options.exact, object);
  object.End();
}

}  // namespace eventhub::json
