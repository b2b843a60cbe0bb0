#include "proto/wire/message_fields.h"

#include "proto/wire/field_reader.h"

namespace eventhub::wire {
namespace {

constexpr int kMaxDepth = 100;  // As protobuf's.

// Subtracts the fields from `left`; false if there are more.
bool Count(const google::protobuf::Descriptor& type, absl::string_view message, int depth,
           size_t* left) {
  if (depth > kMaxDepth) return false;
  FieldReader field(message);
  while (field.Next()) {
    if ((*left)-- == 0) return false;
    if (field.type() != WireType::kBytes) continue;
    const auto* const known = type.FindFieldByNumber(static_cast<int>(field.number()));
    if (known == nullptr || known->type() != google::protobuf::FieldDescriptor::TYPE_MESSAGE) {
      continue;
    }
    if (!Count(*known->message_type(), field.bytes(), depth + 1, left)) return false;
  }
  return true;
}

}  // namespace

size_t CountFields(const google::protobuf::Descriptor& type, absl::string_view message,
                   size_t most) {
  size_t left = most;
  return Count(type, message, 1, &left) ? most - left : most + 1;
}

}  // namespace eventhub::wire
