// Events with sealed data, in their encoded form; see FORMAT.md.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "absl/strings/string_view.h"
#include "server/core/erasure/master_keys.h"

namespace eventhub {

// Names a data key: the hash of its subject and its id. `bytes` has both, 32 bytes.
struct KeyName {
  std::string bytes;

  absl::string_view subject_hash() const;
  absl::string_view id() const;
};

// The first bytes of the SHA-256 of a subject.
std::string HashOfSubject(absl::string_view subject);

// The value of `datasubject` of an encoded event; nullopt if it is not a string of 1 to 1,024
// bytes.
std::optional<absl::string_view> SubjectOf(absl::string_view event);

// Appends the event with its data sealed, as a field of a region. The event has data, and none of
// it is sealed yet.
void AppendSealedEvent(absl::string_view event, const KeyName& name, const SecretKey& key,
                       std::string* region);

// What an event says of its sealed data; views it.
struct SealedData {
  KeyName key;
  absl::string_view nonce;
  absl::string_view data;
  absl::string_view source;
  absl::string_view id;
};

// nullopt if the event has no sealed data.
std::optional<SealedData> FindSealedData(absl::string_view event);

// The clear data; nullopt if it was not sealed with this key for this event.
std::optional<std::string> OpenData(const SealedData& sealed, const SecretKey& key);

// Append an event with sealed data, as a field of a region: with clear data; without data, and with
// the time at which it was erased; without data.
void AppendOpened(absl::string_view event, absl::string_view data, std::string* region);
void AppendErased(absl::string_view event, int64_t erased_micros, std::string* region);
void AppendUnopened(absl::string_view event, std::string* region);

}  // namespace eventhub
