#include "server/core/erasure/master_keys.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/rand.h>

#include <algorithm>
#include <cstring>
#include <memory>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "storage/base/check.h"

namespace eventhub {
namespace {

using CipherContext = std::unique_ptr<EVP_CIPHER_CTX, decltype(&EVP_CIPHER_CTX_free)>;

const uint8_t* BytesOf(absl::string_view text) {
  return reinterpret_cast<const uint8_t*>(text.data());
}

int SizeOf(absl::string_view text) { return static_cast<int>(text.size()); }

// Separates the ids of keys from every other use of SHA-256.
constexpr absl::string_view kIdDomain = "eventhub master key";

std::string IdOfKey(const SecretKey& key) {
  uint8_t digest[EVP_MAX_MD_SIZE];
  std::string input = absl::StrCat(kIdDomain, key.view());
  const int done = EVP_Digest(input.data(), input.size(), digest, nullptr, EVP_sha256(), nullptr);
  OPENSSL_cleanse(input.data(), input.size());
  EVENTHUB_CHECK(done == 1, "SHA-256 is available");
  return std::string(reinterpret_cast<const char*>(digest), MasterKeys::kIdBytes);
}

}  // namespace

SecretKey::SecretKey(absl::string_view bytes) {
  EVENTHUB_CHECK(bytes.size() == kSize, "a key has 32 bytes");
  std::memcpy(bytes_.data(), bytes.data(), kSize);
}

SecretKey::~SecretKey() { OPENSSL_cleanse(bytes_.data(), kSize); }

SecretKey SecretKey::Random() {
  SecretKey key;
  EVENTHUB_CHECK(RAND_priv_bytes(reinterpret_cast<uint8_t*>(key.bytes_.data()), kSize) == 1,
                 "OpenSSL's generator is seeded");
  return key;
}

std::string RandomBytes(size_t count) {
  std::string bytes(count, '\0');
  EVENTHUB_CHECK(RAND_bytes(reinterpret_cast<uint8_t*>(bytes.data()), static_cast<int>(count)) == 1,
                 "OpenSSL's generator is seeded");
  return bytes;
}

void Seal(const SecretKey& key, absl::string_view nonce, absl::string_view context,
          absl::string_view text, std::string* out) {
  const CipherContext cipher(EVP_CIPHER_CTX_new(), EVP_CIPHER_CTX_free);
  const size_t begin = out->size();
  out->resize(begin + text.size() + kTagBytes);
  auto* const to = reinterpret_cast<uint8_t*>(out->data()) + begin;
  int written = 0;
  int rest = 0;
  const bool sealed =
      cipher != nullptr &&
      EVP_EncryptInit_ex(cipher.get(), EVP_aes_256_gcm(), nullptr, key.data(), BytesOf(nonce)) ==
          1 &&
      EVP_EncryptUpdate(cipher.get(), nullptr, &rest, BytesOf(context), SizeOf(context)) == 1 &&
      EVP_EncryptUpdate(cipher.get(), to, &written, BytesOf(text), SizeOf(text)) == 1 &&
      EVP_EncryptFinal_ex(cipher.get(), to + written, &rest) == 1 &&
      EVP_CIPHER_CTX_ctrl(cipher.get(), EVP_CTRL_GCM_GET_TAG, kTagBytes, to + text.size()) == 1;
  EVENTHUB_CHECK(sealed, "AES-256-GCM is available");
}

std::optional<std::string> Unseal(const SecretKey& key, absl::string_view nonce,
                                  absl::string_view context, absl::string_view sealed) {
  if (sealed.size() < kTagBytes || nonce.size() != kNonceBytes) return std::nullopt;
  const absl::string_view from = sealed.substr(0, sealed.size() - kTagBytes);
  std::string tag(sealed.substr(from.size()));
  const CipherContext cipher(EVP_CIPHER_CTX_new(), EVP_CIPHER_CTX_free);
  std::string text(from.size(), '\0');
  auto* const to = reinterpret_cast<uint8_t*>(text.data());
  int written = 0;
  int rest = 0;
  const bool begun =
      cipher != nullptr &&
      EVP_DecryptInit_ex(cipher.get(), EVP_aes_256_gcm(), nullptr, key.data(), BytesOf(nonce)) ==
          1 &&
      EVP_DecryptUpdate(cipher.get(), nullptr, &rest, BytesOf(context), SizeOf(context)) == 1 &&
      EVP_DecryptUpdate(cipher.get(), to, &written, BytesOf(from), SizeOf(from)) == 1 &&
      EVP_CIPHER_CTX_ctrl(cipher.get(), EVP_CTRL_GCM_SET_TAG, kTagBytes, tag.data()) == 1;
  EVENTHUB_CHECK(begun, "AES-256-GCM is available");
  if (EVP_DecryptFinal_ex(cipher.get(), to + written, &rest) != 1) return std::nullopt;
  return text;
}

absl::StatusOr<MasterKeys> MasterKeys::Parse(absl::string_view text) {
  MasterKeys keys;
  size_t number = 0;
  for (absl::string_view line : absl::StrSplit(text, '\n')) {
    ++number;
    line = absl::StripAsciiWhitespace(line);
    if (line.empty() || absl::StartsWith(line, "#")) continue;
    if (line.size() != 2 * SecretKey::kSize ||
        !std::all_of(line.begin(), line.end(), absl::ascii_isxdigit)) {
      return absl::InvalidArgumentError(
          absl::StrCat("line ", number, " is not a key of 64 hexadecimal digits"));
    }
    std::string bytes = absl::HexStringToBytes(line);
    const SecretKey key(bytes);
    OPENSSL_cleanse(bytes.data(), bytes.size());
    std::string id = IdOfKey(key);
    if (keys.Has(id)) {
      return absl::InvalidArgumentError(absl::StrCat("line ", number, " repeats a key"));
    }
    keys.keys_.push_back({std::move(id), key});
  }
  if (keys.empty()) return absl::InvalidArgumentError("there is no key");
  return keys;
}

const MasterKeys::Key* MasterKeys::Find(absl::string_view id) const {
  const auto key =
      std::find_if(keys_.begin(), keys_.end(), [id](const Key& k) { return k.id == id; });
  return key == keys_.end() ? nullptr : &*key;
}

std::string MasterKeys::Wrap(const SecretKey& key, absl::string_view context) const {
  const std::string nonce = RandomBytes(kNonceBytes);
  std::string wrapped = absl::StrCat(present_id(), nonce);
  Seal(keys_.front().key, nonce, context, key.view(), &wrapped);
  return wrapped;
}

absl::Status MasterKeys::Require(absl::string_view id, absl::string_view whose) const {
  if (Has(id)) return absl::OkStatus();
  return absl::FailedPreconditionError(absl::StrCat(
      whose, " has keys of subjects that are wrapped with the master key ",
      absl::BytesToHexString(id),
      ", which is not among those of --erasure_master_key_file or --erasure_master_key_command"));
}

absl::StatusOr<SecretKey> MasterKeys::Unwrap(absl::string_view wrapped,
                                             absl::string_view context) const {
  if (wrapped.size() != kWrappedBytes) return absl::DataLossError("a data key is damaged");
  const Key* const master = Find(IdOf(wrapped));
  if (master == nullptr) {
    return absl::DataLossError(absl::StrCat("the hub does not have the master key ",
                                            absl::BytesToHexString(IdOf(wrapped)),
                                            ", with which a data key is wrapped"));
  }
  std::optional<std::string> bytes = Unseal(master->key, wrapped.substr(kIdBytes, kNonceBytes),
                                            context, wrapped.substr(kIdBytes + kNonceBytes));
  if (!bytes.has_value() || bytes->size() != SecretKey::kSize) {
    return absl::DataLossError("a data key is damaged");
  }
  SecretKey key(*bytes);
  OPENSSL_cleanse(bytes->data(), bytes->size());
  return key;
}

}  // namespace eventhub
