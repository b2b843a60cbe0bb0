// Entries of column `meta` as one text: what the lake keeps of keys and erasures.
#pragma once

#include <functional>
#include <map>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace eventhub {

// By the key of the entry.
using KeyEntries = std::map<std::string, std::string, std::less<>>;

std::string EncodeEntries(const KeyEntries& entries);

// DATA_LOSS if the text was not made by EncodeEntries, of entries with the keys of DataKeyKey or
// ErasedSubjectKey. Their values may be anything.
absl::StatusOr<KeyEntries> DecodeKeys(absl::string_view text);
absl::StatusOr<KeyEntries> DecodeErasures(absl::string_view text);

}  // namespace eventhub
