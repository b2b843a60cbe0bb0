#include "client/src/base/reason.h"

#include <cstddef>
#include <cstdint>

namespace eventhub::client {
namespace {

constexpr size_t kMaxReasonBytes = 512;

// The length of the well-formed character that `s` begins with; 0 if it does not. `s` is not empty.
size_t CharacterLength(std::string_view s) {
  const auto byte = [s](size_t i) { return static_cast<uint8_t>(s[i]); };
  const uint8_t lead = byte(0);
  if (lead < 0x80) return 1;
  if (lead < 0xC2 || lead > 0xF4) return 0;
  const size_t length = lead < 0xE0 ? 2 : lead < 0xF0 ? 3 : 4;
  if (s.size() < length) return 0;
  for (size_t i = 1; i < length; ++i) {
    if ((byte(i) & 0xC0) != 0x80) return 0;
  }
  const bool overlong = (lead == 0xE0 && byte(1) < 0xA0) || (lead == 0xF0 && byte(1) < 0x90);
  const bool surrogate = lead == 0xED && byte(1) > 0x9F;
  const bool beyond = lead == 0xF4 && byte(1) > 0x8F;
  return overlong || surrogate || beyond ? 0 : length;
}

// Moves well-formed text of at most `max_bytes` out of `text`.
std::string TakeClean(std::string_view& text, size_t max_bytes) {
  std::string clean;
  while (!text.empty()) {
    const size_t length = CharacterLength(text);
    const std::string_view character = length == 0 ? "?" : text.substr(0, length);
    if (clean.size() + character.size() > max_bytes) break;
    clean += character;
    text.remove_prefix(length == 0 ? 1 : length);
  }
  return clean;
}

}  // namespace

std::string CleanReason(std::string_view reason) { return TakeClean(reason, kMaxReasonBytes); }

std::string CleanText(std::string_view text, size_t max_bytes) {
  if (text.size() <= max_bytes) return TakeClean(text, max_bytes);
  constexpr size_t kNoteBytes = 32;
  std::string clean = TakeClean(text, max_bytes - kNoteBytes);
  return clean + " [" + std::to_string(text.size()) + " bytes cut]";
}

}  // namespace eventhub::client
