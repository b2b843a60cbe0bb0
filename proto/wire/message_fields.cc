#include "proto/wire/message_fields.h"

#include <algorithm>
#include <cstdint>
#include <string>
#include <unordered_map>

#include "google/protobuf/message.h"
#include "google/protobuf/wire_format_lite.h"
#include "proto/wire/field_reader.h"

namespace eventhub::wire {
namespace {

using google::protobuf::Descriptor;
using google::protobuf::FieldDescriptor;
using google::protobuf::internal::WireFormatLite;

constexpr int kMaxDepth = 100;  // As protobuf's.

// What the allocator adds to each object.
constexpr size_t kAllocation = 16;
// An element of a repeated field: a pointer or a number. The array may be twice as large as it has
// to be.
constexpr size_t kElement = 2 * 8;
// Likewise, an unknown field.
constexpr size_t kUnknown = 2 * 16;
// An entry of a map, without what its strings and messages hold.
constexpr size_t kMapEntry = 160;

size_t BytesOfText(size_t size) {
  constexpr size_t kInPlace = 15;
  return sizeof(std::string) + kAllocation + (size > kInPlace ? size + 1 + kAllocation : 0);
}

// The size of an empty message.
size_t SizeOf(const Descriptor& type) {
  if (type.map_key() != nullptr) return kMapEntry;
  // All types are generated ones, and there are a few dozens of them.
  thread_local std::unordered_map<const Descriptor*, size_t> sizes;
  size_t& size = sizes[&type];
  if (size == 0) {
    size =
        google::protobuf::MessageFactory::generated_factory()->GetPrototype(&type)->SpaceUsedLong();
  }
  return size;
}

size_t CountPacked(const FieldDescriptor& field, absl::string_view numbers) {
  switch (
      WireFormatLite::WireTypeForFieldType(static_cast<WireFormatLite::FieldType>(field.type()))) {
    case WireFormatLite::WIRETYPE_FIXED64:
      return numbers.size() / 8;
    case WireFormatLite::WIRETYPE_FIXED32:
      return numbers.size() / 4;
    default:
      return static_cast<size_t>(std::count_if(
          numbers.begin(), numbers.end(), [](char c) { return static_cast<uint8_t>(c) < 0x80; }));
  }
}

class Counter {
 public:
  explicit Counter(size_t most) : most_(most) {}

  // False: the message cannot be parsed, or has too many fields.
  bool Count(const Descriptor& type, absl::string_view message, int depth) {
    if (depth > kMaxDepth) return false;
    FieldReader field(message);
    while (field.Next()) {
      if (!Add(1)) return false;
      const FieldDescriptor* const known = type.FindFieldByNumber(static_cast<int>(field.number()));
      if (known == nullptr || !Has(*known, field)) {
        ++fields_.unknown;
        fields_.parsed_bytes += kUnknown;
        if (field.type() == WireType::kBytes) {
          fields_.parsed_bytes += BytesOfText(field.bytes().size());
        }
        continue;
      }
      if (known->is_repeated()) fields_.parsed_bytes += kElement;
      if (field.type() != WireType::kBytes) continue;
      if (known->type() == FieldDescriptor::TYPE_MESSAGE) {
        fields_.parsed_bytes += SizeOf(*known->message_type()) + kAllocation;
        if (!Count(*known->message_type(), field.bytes(), depth + 1)) return false;
      } else if (known->is_packable()) {
        const size_t numbers = CountPacked(*known, field.bytes());
        fields_.parsed_bytes += numbers * kElement;
        if (!Add(numbers)) return false;
      } else {
        fields_.parsed_bytes += BytesOfText(field.bytes().size());
      }
    }
    return field.ok();
  }

  const MessageFields& fields() const { return fields_; }

 private:
  // Whether the encoding of a field is one of those of its type.
  static bool Has(const FieldDescriptor& known, const FieldReader<absl::string_view>& field) {
    const auto plain =
        WireFormatLite::WireTypeForFieldType(static_cast<WireFormatLite::FieldType>(known.type()));
    return static_cast<int>(field.type()) == static_cast<int>(plain) ||
           (field.type() == WireType::kBytes && known.is_packable());
  }

  bool Add(size_t fields) { return (fields_.count += fields) <= most_; }

  const size_t most_;
  MessageFields fields_;
};

}  // namespace

std::optional<MessageFields> CountFields(const Descriptor& type, absl::string_view message,
                                         size_t most) {
  Counter counter(most);
  if (!counter.Count(type, message, 1) && counter.fields().count <= most) return std::nullopt;
  return counter.fields();
}

}  // namespace eventhub::wire
