#include "server/core/topology/settings_diff.h"

#include <memory>
#include <string>
#include <utility>

#include "absl/algorithm/container.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "google/protobuf/io/coded_stream.h"
#include "google/protobuf/io/zero_copy_stream_impl_lite.h"
#include "google/protobuf/util/field_mask_util.h"
#include "google/protobuf/util/json_util.h"
#include "google/protobuf/util/message_differencer.h"
#include "google/protobuf/util/type_resolver_util.h"

namespace eventhub {
namespace {

using google::protobuf::FieldDescriptor;
using google::protobuf::Message;
using google::protobuf::util::MessageDifferencer;

constexpr char kTypePrefix[] = "type.googleapis.com";
constexpr absl::string_view kSetByTheHub[] = {"create_time", "update_time"};

// A copy of the message with only this field.
std::unique_ptr<Message> Only(const Message& message, const FieldDescriptor& field) {
  std::unique_ptr<Message> only(message.New());
  google::protobuf::FieldMask mask;
  mask.add_paths(field.name());
  google::protobuf::util::FieldMaskUtil::MergeMessageTo(message, mask, {}, only.get());
  return only;
}

bool IsSet(const Message& message, const FieldDescriptor& field) {
  const google::protobuf::Reflection& reflection = *message.GetReflection();
  return field.is_repeated() ? reflection.FieldSize(message, &field) > 0
                             : reflection.HasField(message, &field);
}

// Like MessageToJsonString, but with map entries sorted, so that equal values yield equal text.
auto ToStableJson(const Message& message, std::string* json) {
  std::string bytes;
  {
    google::protobuf::io::StringOutputStream stream(&bytes);
    google::protobuf::io::CodedOutputStream coded(&stream);
    coded.SetSerializationDeterministic(true);
    message.SerializeToCodedStream(&coded);
  }
  static google::protobuf::util::TypeResolver* const types =
      google::protobuf::util::NewTypeResolverForDescriptorPool(
          kTypePrefix, google::protobuf::DescriptorPool::generated_pool());
  return google::protobuf::util::BinaryToJsonString(
      types, absl::StrCat(kTypePrefix, "/", message.GetDescriptor()->full_name()), bytes, json);
}

// The value of the only field set in `only`, as JSON; empty if it is unset.
std::string JsonOf(const Message& only, const FieldDescriptor& field) {
  if (!IsSet(only, field)) return "";
  std::string json;
  if (!ToStableJson(only, &json).ok()) {
    return only.ShortDebugString();  // E.g. a time outside the range of JSON.
  }
  // The text is {"name":VALUE}.
  const size_t start = json.find(':') + 1;
  std::string value = json.substr(start, json.size() - start - 1);
  const bool is_long = field.cpp_type() == FieldDescriptor::CPPTYPE_INT64 ||
                       field.cpp_type() == FieldDescriptor::CPPTYPE_UINT64;
  // Protobuf quotes 64-bit integers for JavaScript; plain numbers read and compare better.
  if (is_long && !field.is_repeated()) return value.substr(1, value.size() - 2);
  return value;
}

// Whether the group is set, although nothing in it is.
bool IsEmptyGroup(const Message& message, const FieldDescriptor& group) {
  const google::protobuf::Reflection& reflection = *message.GetReflection();
  return reflection.HasField(message, &group) &&
         reflection.GetMessage(message, &group).ByteSizeLong() == 0;
}

void DiffFields(const std::string& prefix, const Message& from, const Message& to,
                std::vector<v1::FieldChange>& changes) {
  const google::protobuf::Descriptor& type = *from.GetDescriptor();
  for (int i = 0; i < type.field_count(); ++i) {
    const FieldDescriptor& field = *type.field(i);
    if (prefix.empty() && field.name() == "name") continue;
    if (!IsSet(from, field) && !IsSet(to, field)) continue;
    const std::string path = absl::StrCat(prefix, field.name());
    if (IsSettingsGroup(field) && !IsEmptyGroup(from, field) && !IsEmptyGroup(to, field)) {
      DiffFields(absl::StrCat(path, "."), from.GetReflection()->GetMessage(from, &field),
                 to.GetReflection()->GetMessage(to, &field), changes);
      continue;
    }
    const std::unique_ptr<Message> before = Only(from, field);
    const std::unique_ptr<Message> after = Only(to, field);
    if (MessageDifferencer::Equals(*before, *after)) continue;
    v1::FieldChange& change = changes.emplace_back();
    change.set_path(path);
    change.set_old_value(JsonOf(*before, field));
    change.set_new_value(JsonOf(*after, field));
  }
}

void RemoveEmptyGroups(Message& message) {
  const google::protobuf::Reflection& reflection = *message.GetReflection();
  std::vector<const FieldDescriptor*> fields;
  reflection.ListFields(message, &fields);
  for (const FieldDescriptor* field : fields) {
    if (!IsSettingsGroup(*field)) continue;
    Message& group = *reflection.MutableMessage(&message, field);
    RemoveEmptyGroups(group);
    if (group.ByteSizeLong() == 0) reflection.ClearField(&message, field);
  }
}

}  // namespace

bool IsSettingsGroup(const FieldDescriptor& field) {
  return field.cpp_type() == FieldDescriptor::CPPTYPE_MESSAGE && !field.is_repeated() &&
         absl::StartsWith(field.message_type()->full_name(), "eventhub.v1.") &&
         field.message_type()->real_oneof_decl_count() == 0;
}

void KeepSettings(Message& object) {
  object.DiscardUnknownFields();
  const google::protobuf::Descriptor& type = *object.GetDescriptor();
  for (int i = 0; i < type.field_count(); ++i) {
    if (absl::c_linear_search(kSetByTheHub, type.field(i)->name())) {
      object.GetReflection()->ClearField(&object, type.field(i));
    }
  }
  RemoveEmptyGroups(object);
}

std::vector<v1::FieldChange> DiffSettings(const Message& from, const Message& to) {
  std::vector<v1::FieldChange> changes;
  DiffFields("", from, to, changes);
  return changes;
}

bool SameSettings(const Message& a, const Message& b) { return MessageDifferencer::Equals(a, b); }

}  // namespace eventhub
