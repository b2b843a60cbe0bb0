// The keys with which the hub's data keys are wrapped, given by the operator, and AES-256-GCM.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace eventhub {

inline constexpr size_t kNonceBytes = 12;
inline constexpr size_t kTagBytes = 16;

// A key of AES-256. Its bytes are overwritten when it is destroyed.
class SecretKey {
 public:
  static constexpr size_t kSize = 32;

  // Zeros.
  SecretKey() = default;
  // `bytes` has kSize bytes.
  explicit SecretKey(absl::string_view bytes);
  SecretKey(const SecretKey& other) = default;
  SecretKey& operator=(const SecretKey& other) = default;
  ~SecretKey();

  static SecretKey Random();

  absl::string_view view() const { return {bytes_.data(), kSize}; }
  const uint8_t* data() const { return reinterpret_cast<const uint8_t*>(bytes_.data()); }

 private:
  std::array<char, kSize> bytes_{};
};

// Bytes from OpenSSL's generator.
std::string RandomBytes(size_t count);

// Appends the encryption of `text`, kTagBytes longer, to `out`. The pair of key and nonce must
// never be used twice; `nonce` has kNonceBytes. `context` is authenticated, and not part of the
// output.
void Seal(const SecretKey& key, absl::string_view nonce, absl::string_view context,
          absl::string_view text, std::string* out);

// The reverse; nullopt if `sealed` was not made by Seal with the same key, nonce and context.
std::optional<std::string> Unseal(const SecretKey& key, absl::string_view nonce,
                                  absl::string_view context, absl::string_view sealed);

// Immutable, thread-safe.
class MasterKeys {
 public:
  static constexpr size_t kIdBytes = 8;

  // None.
  MasterKeys() = default;

  // Parses keys of 64 hexadecimal digits, one a line; the first one is the present key. Empty lines
  // and those that begin with # are passed over. INVALID_ARGUMENT, without any part of a key, if
  // another line is not a key, or there is none.
  static absl::StatusOr<MasterKeys> Parse(absl::string_view text);

  bool empty() const { return keys_.empty(); }
  // Of kIdBytes. Requires that there is a key.
  const std::string& present_id() const { return keys_.front().id; }
  bool Has(absl::string_view id) const { return Find(id) != nullptr; }
  // FAILED_PRECONDITION unless Has(id); `whose` has keys that are wrapped with it.
  absl::Status Require(absl::string_view id, absl::string_view whose) const;

  // Wraps a data key with the present key: kWrappedBytes.
  std::string Wrap(const SecretKey& key, absl::string_view context) const;
  static constexpr size_t kWrappedBytes = kIdBytes + kNonceBytes + SecretKey::kSize + kTagBytes;

  // The id of the key with which a key was wrapped. `wrapped` has kWrappedBytes.
  static absl::string_view IdOf(absl::string_view wrapped) { return wrapped.substr(0, kIdBytes); }

  // DATA_LOSS if `wrapped` was not made by Wrap with one of these keys and the context.
  absl::StatusOr<SecretKey> Unwrap(absl::string_view wrapped, absl::string_view context) const;

 private:
  struct Key {
    std::string id;
    SecretKey key;
  };
  const Key* Find(absl::string_view id) const;

  std::vector<Key> keys_;
};

}  // namespace eventhub
