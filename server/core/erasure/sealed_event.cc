#include "server/core/erasure/sealed_event.h"

#include <openssl/evp.h>

#include <utility>

#include "absl/strings/str_cat.h"
#include "eventhub/v1/event.pb.h"
#include "proto/wire/event_rules.h"
#include "proto/wire/field_reader.h"
#include "proto/wire/fields.h"
#include "proto/wire/writer.h"
#include "server/core/event/event_scanner.h"
#include "storage/base/check.h"
#include "storage/key_codec.h"

namespace eventhub {
namespace {

using v1::AttributeValue;
using v1::Event;

// The attribute `datasealed`: version, name of the key, nonce.
constexpr char kSealVersion = 1;
constexpr size_t kNameBytes = kSubjectHashBytes + kDataKeyIdBytes;
constexpr size_t kSealBytes = 1 + kNameBytes + kNonceBytes;

struct Attribute {
  absl::string_view name;
  absl::string_view value;  // An encoded AttributeValue.
};

Attribute ReadAttribute(absl::string_view entry) {
  Attribute attribute;
  wire::FieldReader field(entry);
  while (field.Next()) {
    if (field.Is(wire::kEntryName)) attribute.name = field.bytes();
    if (field.Is(wire::kEntryValue)) attribute.value = field.bytes();
  }
  return attribute;
}

// The kind and the bytes of a value that has bytes; 0 for others. The last field holds.
std::pair<uint32_t, absl::string_view> ReadValue(absl::string_view value) {
  std::pair<uint32_t, absl::string_view> last;
  wire::FieldReader field(value);
  while (field.Next()) {
    last = {field.number(),
            field.type() == wire::WireType::kBytes ? field.bytes() : absl::string_view()};
  }
  return last;
}

void AppendAttribute(absl::string_view name, absl::string_view value, std::string* event) {
  std::string entry;
  wire::AppendBytes(wire::kEntryName, name, &entry);
  wire::AppendBytes(wire::kEntryValue, value, &entry);
  wire::AppendBytes(Event::kAttributesFieldNumber, entry, event);
}

// What the sealed data belongs to, so that it cannot be moved to another event. Copies by routes
// and dead letters keep all of it.
std::string ContextOf(absl::string_view name, absl::string_view source, absl::string_view id) {
  std::string context(1, kSealVersion);
  absl::StrAppend(&context, name);
  AppendLittle32(&context, static_cast<uint32_t>(source.size()));
  absl::StrAppend(&context, source, id);
  return context;
}

// The event without its data, and, unless `keep_seal`, without `datasealed`.
std::string WithoutData(absl::string_view event, bool keep_seal) {
  std::string rest;
  rest.reserve(event.size() + 128);
  wire::FieldReader field(event);
  while (field.Next()) {
    if (field.Is(Event::kDataFieldNumber)) continue;
    if (!keep_seal && field.Is(Event::kAttributesFieldNumber) &&
        ReadAttribute(field.bytes()).name == kSealedAttribute) {
      continue;
    }
    rest.append(field.field().data(), field.field().size());
  }
  return rest;
}

}  // namespace

absl::string_view KeyName::subject_hash() const {
  return absl::string_view(bytes).substr(0, kSubjectHashBytes);
}

absl::string_view KeyName::id() const { return absl::string_view(bytes).substr(kSubjectHashBytes); }

std::string HashOfSubject(absl::string_view subject) {
  uint8_t digest[EVP_MAX_MD_SIZE];
  EVENTHUB_CHECK(
      EVP_Digest(subject.data(), subject.size(), digest, nullptr, EVP_sha256(), nullptr) == 1,
      "SHA-256 is available");
  return std::string(reinterpret_cast<const char*>(digest), kSubjectHashBytes);
}

std::optional<absl::string_view> SubjectOf(absl::string_view event) {
  std::pair<uint32_t, absl::string_view> value;
  wire::FieldReader field(event);
  while (field.Next()) {
    if (!field.Is(Event::kAttributesFieldNumber)) continue;
    const Attribute attribute = ReadAttribute(field.bytes());
    if (attribute.name == kSubjectAttribute) value = ReadValue(attribute.value);
  }
  if (value.first != AttributeValue::kStringFieldNumber || value.second.empty() ||
      value.second.size() > wire::kMaxStringAttributeBytes) {
    return std::nullopt;
  }
  return value.second;
}

void AppendSealedEvent(absl::string_view event, const KeyName& name, const SecretKey& key,
                       std::string* region) {
  absl::string_view source;
  absl::string_view id;
  absl::string_view data;
  wire::FieldReader field(event);
  while (field.Next()) {
    if (field.Is(Event::kSourceFieldNumber)) source = field.bytes();
    if (field.Is(Event::kIdFieldNumber)) id = field.bytes();
    if (field.Is(Event::kDataFieldNumber)) data = field.bytes();
  }
  const std::string nonce = RandomBytes(kNonceBytes);
  std::string sealed = WithoutData(event, /*keep_seal=*/false);
  std::string value;
  wire::AppendBytes(AttributeValue::kBinaryFieldNumber,
                    absl::StrCat(std::string(1, kSealVersion), name.bytes, nonce), &value);
  AppendAttribute(kSealedAttribute, value, &sealed);
  wire::AppendHead(Event::kDataFieldNumber, data.size() + kTagBytes, &sealed);
  Seal(key, nonce, ContextOf(name.bytes, source, id), data, &sealed);
  wire::AppendBytes(wire::kEventsField, sealed, region);
}

std::optional<SealedData> FindSealedData(absl::string_view event) {
  SealedData sealed;
  std::pair<uint32_t, absl::string_view> seal;
  wire::FieldReader field(event);
  while (field.Next()) {
    if (field.Is(Event::kSourceFieldNumber)) sealed.source = field.bytes();
    if (field.Is(Event::kIdFieldNumber)) sealed.id = field.bytes();
    if (field.Is(Event::kDataFieldNumber)) sealed.data = field.bytes();
    if (!field.Is(Event::kAttributesFieldNumber)) continue;
    const Attribute attribute = ReadAttribute(field.bytes());
    if (attribute.name == kSealedAttribute) seal = ReadValue(attribute.value);
  }
  if (sealed.data.empty() || seal.first != AttributeValue::kBinaryFieldNumber ||
      seal.second.size() != kSealBytes || seal.second.front() != kSealVersion) {
    return std::nullopt;
  }
  sealed.key.bytes = std::string(seal.second.substr(1, kNameBytes));
  sealed.nonce = seal.second.substr(1 + kNameBytes);
  return sealed;
}

std::optional<std::string> OpenData(const SealedData& sealed, const SecretKey& key) {
  return Unseal(key, sealed.nonce, ContextOf(sealed.key.bytes, sealed.source, sealed.id),
                sealed.data);
}

void AppendOpened(absl::string_view event, absl::string_view data, std::string* region) {
  std::string opened = WithoutData(event, /*keep_seal=*/false);
  wire::AppendBytes(Event::kDataFieldNumber, data, &opened);
  wire::AppendBytes(wire::kEventsField, opened, region);
}

void AppendErased(absl::string_view event, int64_t erased_micros, std::string* region) {
  using google::protobuf::Timestamp;
  constexpr int64_t kMicros = 1'000'000;
  std::string erased = WithoutData(event, /*keep_seal=*/false);
  std::string time;
  wire::AppendNumber(Timestamp::kSecondsFieldNumber, static_cast<uint64_t>(erased_micros / kMicros),
                     &time);
  wire::AppendNumber(Timestamp::kNanosFieldNumber,
                     static_cast<uint64_t>(erased_micros % kMicros * 1000), &time);
  std::string value;
  wire::AppendBytes(AttributeValue::kTimestampFieldNumber, time, &value);
  AppendAttribute(kErasedAttribute, value, &erased);
  wire::AppendBytes(wire::kEventsField, erased, region);
}

void AppendUnopened(absl::string_view event, std::string* region) {
  wire::AppendBytes(wire::kEventsField, WithoutData(event, /*keep_seal=*/true), region);
}

}  // namespace eventhub
