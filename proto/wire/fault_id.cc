#include "proto/wire/fault_id.h"

#include <openssl/sha.h>

#include <array>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"

namespace eventhub::wire {

std::string FaultId(const FaultPlace& place) {
  // Each part is preceded by its length, so that no two places have the same text.
  std::string text;
  for (const absl::string_view part :
       {place.subscription, place.pipeline, place.event_source, place.event_id}) {
    absl::StrAppend(&text, part.size(), ":", part);
  }
  absl::StrAppend(&text, place.partition, "/", place.offset);
  // Publishers choose ids of events. They must not be able to make two faults the same.
  std::array<unsigned char, SHA256_DIGEST_LENGTH> digest;
  SHA256(reinterpret_cast<const unsigned char*>(text.data()), text.size(), digest.data());
  constexpr size_t kIdBytes = 16;
  return absl::BytesToHexString(
      absl::string_view(reinterpret_cast<const char*>(digest.data()), kIdBytes));
}

}  // namespace eventhub::wire
