#include "server/core/erasure/key_entries.h"

#include <cstddef>
#include <cstdint>

#include "absl/strings/match.h"
#include "storage/key_codec.h"

namespace eventhub {
namespace {

void AppendSized(absl::string_view bytes, std::string* to) {
  AppendLittle32(to, static_cast<uint32_t>(bytes.size()));
  to->append(bytes.data(), bytes.size());
}

// Takes a text from the front of `rest`; false if it is cut short.
bool TakeSized(absl::string_view* rest, std::string* bytes) {
  if (rest->size() < sizeof(uint32_t)) return false;
  const uint32_t size = LoadLittle32(rest->data());
  rest->remove_prefix(sizeof(uint32_t));
  if (size > rest->size()) return false;
  *bytes = std::string(rest->substr(0, size));
  rest->remove_prefix(size);
  return true;
}

// The keys begin with `prefix`, and have `key_bytes` bytes.
absl::StatusOr<KeyEntries> DecodeEntries(absl::string_view text, absl::string_view prefix,
                                         size_t key_bytes) {
  KeyEntries entries;
  std::string key;
  std::string value;
  while (!text.empty()) {
    if (!TakeSized(&text, &key) || !TakeSized(&text, &value) || key.size() != key_bytes ||
        !absl::StartsWith(key, prefix)) {
      return absl::DataLossError("the keys in the lake are damaged");
    }
    entries[key] = value;
  }
  return entries;
}

}  // namespace

std::string EncodeEntries(const KeyEntries& entries) {
  std::string text;
  for (const auto& [key, value] : entries) {
    AppendSized(key, &text);
    AppendSized(value, &text);
  }
  return text;
}

absl::StatusOr<KeyEntries> DecodeKeys(absl::string_view text) {
  return DecodeEntries(text, kDataKeyPrefix,
                       kDataKeyPrefix.size() + kSubjectHashBytes + kDataKeyIdBytes);
}

absl::StatusOr<KeyEntries> DecodeErasures(absl::string_view text) {
  return DecodeEntries(text, kErasedSubjectPrefix, kErasedSubjectPrefix.size() + kSubjectHashBytes);
}

}  // namespace eventhub
