#include "server/lake/object/line_encoder.h"

#include <cstddef>
#include <cstdint>
#include <utility>

#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/strip.h"
#include "eventhub/v1/event.pb.h"
#include "proto/json/event_writer.h"
#include "proto/json/timestamp.h"
#include "proto/wire/event_rules.h"
#include "proto/wire/fields.h"
#include "proto/wire/utf8.h"
#include "proto/wire/writer.h"
#include "server/lake/object/event_line.h"
#include "storage/base/status_macros.h"

namespace eventhub::lake {
namespace {

using google::protobuf::Timestamp;
using v1::AttributeValue;
using v1::Event;

void AppendVarintField(uint32_t field, uint64_t value, std::string* to) {
  wire::AppendVarint(uint64_t{field} << 3, to);
  wire::AppendVarint(value, to);
}

// Encodes the events of nearly all lines. The others have escapes, types that JSON does not have,
// or bytes that no member can express.
class PlainLine {
 public:
  PlainLine(absl::string_view line, std::string* to) : rest_(line), to_(to) {}

  // False, with some of it appended, if the line is not plain.
  bool Encode() {
    if (!absl::ConsumePrefix(&rest_, R"({"specversion":"1.0")") ||
        !absl::ConsumeSuffix(&rest_, "}") || !wire::IsUtf8(rest_)) {
      return false;
    }
    while (!rest_.empty()) {
      absl::string_view name;
      if (!absl::ConsumePrefix(&rest_, ",") || !TakeString(&name) ||
          !absl::ConsumePrefix(&rest_, ":") || !TakeMember(name)) {
        return false;
      }
    }
    return true;
  }

 private:
  bool TakeMember(absl::string_view name) {
    if (name == "id") return TakeText(Event::kIdFieldNumber);
    if (name == "source") return TakeText(Event::kSourceFieldNumber);
    if (name == "type") return TakeText(Event::kTypeFieldNumber);
    if (name == "subject") return TakeText(Event::kSubjectFieldNumber);
    if (name == "time") return TakeTime();
    if (name == "partitionkey") return TakeText(Event::kPartitionKeyFieldNumber);
    if (name == "dataschema") return TakeText(Event::kDataSchemaFieldNumber);
    if (name == json::kPartition || name == json::kOffset || name == json::kAppendTime) {
      absl::string_view value;
      return TakeScalar(&value);
    }
    if (name == "datacontenttype") return TakeContentType();
    if (name == json::kUntyped) return untyped_ = absl::ConsumePrefix(&rest_, "true");
    if (name == "data") return TakeData();
    if (name == "data_base64") return TakeBase64();
    return wire::IsAttributeName(name) && !wire::IsReservedName(name) && TakeAttribute(name);
  }

  // A string without escapes.
  bool TakeString(absl::string_view* text) {
    if (!absl::ConsumePrefix(&rest_, "\"")) return false;
    const size_t size = rest_.find('"');
    if (size == absl::string_view::npos) return false;
    *text = rest_.substr(0, size);
    rest_.remove_prefix(size + 1);
    return !absl::StrContains(*text, '\\');
  }

  // A value that is neither an object nor an array; a string without its quotes.
  bool TakeScalar(absl::string_view* value) {
    if (absl::StartsWith(rest_, "\"")) return TakeString(value);
    *value = rest_.substr(0, rest_.find(','));
    rest_.remove_prefix(value->size());
    return true;
  }

  bool TakeText(uint32_t field) {
    absl::string_view text;
    if (!TakeString(&text)) return false;
    if (!text.empty()) wire::AppendBytes(field, text, to_);
    return true;
  }

  bool TakeTime() {
    absl::string_view text;
    int64_t seconds = 0;
    int32_t nanos = 0;
    if (!TakeString(&text) || !json::ParseWrittenTimestamp(text, &seconds, &nanos)) return false;
    std::string time;  // Short: on the stack.
    wire::AppendNumber(Timestamp::kSecondsFieldNumber, static_cast<uint64_t>(seconds), &time);
    wire::AppendNumber(Timestamp::kNanosFieldNumber, static_cast<uint64_t>(nanos), &time);
    wire::AppendBytes(Event::kTimeFieldNumber, time, to_);
    return true;
  }

  bool TakeContentType() {
    if (!TakeString(&content_type_)) return false;
    wire::AppendBytes(Event::kDataContentTypeFieldNumber, content_type_, to_);
    return true;
  }

  bool TakeAttribute(absl::string_view name) {
    const bool is_string = absl::StartsWith(rest_, "\"");
    absl::string_view value;
    if (!TakeScalar(&value)) return false;
    if (is_string) {
      BeginAttribute(name, 1 + wire::VarintSize(value.size()) + value.size());
      wire::AppendBytes(AttributeValue::kStringFieldNumber, value, to_);
      return true;
    }
    if (value == "true" || value == "false") {
      BeginAttribute(name, 2);
      AppendVarintField(AttributeValue::kBooleanFieldNumber, value == "true" ? 1 : 0, to_);
      return true;
    }
    int32_t integer = 0;
    if (!absl::SimpleAtoi(value, &integer)) return false;
    const auto encoded = static_cast<uint64_t>(int64_t{integer});
    BeginAttribute(name, 1 + wire::VarintSize(encoded));
    AppendVarintField(AttributeValue::kIntegerFieldNumber, encoded, to_);
    return true;
  }

  // Appends an entry of the attributes up to its value, which has `size` bytes.
  void BeginAttribute(absl::string_view name, size_t size) {
    const size_t entry =
        1 + wire::VarintSize(name.size()) + name.size() + 1 + wire::VarintSize(size) + size;
    wire::AppendHead(Event::kAttributesFieldNumber, entry, to_);
    wire::AppendBytes(wire::kEntryName, name, to_);
    wire::AppendHead(wire::kEntryValue, size, to_);
  }

  // The last member, unless the line has the whole message besides.
  bool TakeData() {
    const absl::string_view data = std::exchange(rest_, {});
    if (EndsWithMessage(data)) return false;
    const bool is_string = absl::StartsWith(data, "\"");
    if (is_string && !content_type_.empty() && !json::IsJsonType(content_type_)) {
      rest_ = data;
      absl::string_view text;
      if (!TakeString(&text)) return false;
      wire::AppendBytes(Event::kDataFieldNumber, text, to_);
      return true;
    }
    // The format implies JSON where it names no content type.
    if (content_type_.empty() && !untyped_) {
      wire::AppendBytes(Event::kDataContentTypeFieldNumber, "application/json", to_);
    }
    wire::AppendBytes(Event::kDataFieldNumber, data, to_);
    return true;
  }

  // Whether the last member is kMessage. In a string of JSON, a quotation mark has a backslash.
  static bool EndsWithMessage(absl::string_view data) {
    if (!absl::ConsumeSuffix(&data, "\"")) return false;
    const size_t begin = data.rfind('"');
    if (begin == absl::string_view::npos) return false;
    absl::string_view before = data.substr(0, begin);
    return absl::ConsumeSuffix(&before, ":") && absl::ConsumeSuffix(&before, "\"") &&
           absl::ConsumeSuffix(&before, json::kMessage) && absl::EndsWith(before, ",\"");
  }

  bool TakeBase64() {
    absl::string_view text;
    std::string data;
    if (!TakeString(&text) || !absl::Base64Unescape(text, &data)) return false;
    if (!data.empty()) wire::AppendBytes(Event::kDataFieldNumber, data, to_);
    return true;
  }

  absl::string_view rest_;
  std::string* const to_;
  absl::string_view content_type_;
  bool untyped_ = false;
};

}  // namespace

absl::Status AppendEncoded(absl::string_view line, std::string* to) {
  const size_t before = to->size();
  if (PlainLine(line, to).Encode()) return absl::OkStatus();
  to->resize(before);
  ASSIGN_OR_RETURN(const std::string encoded, EncodedOf(line));
  to->append(encoded);
  return absl::OkStatus();
}

}  // namespace eventhub::lake
