#include "server/lake/store/checksum.h"

#include <openssl/evp.h>

#include <algorithm>
#include <limits>

#include "isa-l/crc.h"
#include "storage/base/check.h"

namespace eventhub::lake {

uint32_t Crc32c(absl::string_view bytes) {
  constexpr size_t kMaxPiece = std::numeric_limits<int>::max();
  uint32_t crc = ~uint32_t{0};
  while (!bytes.empty()) {
    const absl::string_view piece = bytes.substr(0, kMaxPiece);
    // The library does not write to its input.
    auto* const data = reinterpret_cast<unsigned char*>(const_cast<char*>(piece.data()));
    crc = crc32_iscsi(data, static_cast<int>(piece.size()), crc);
    bytes.remove_prefix(piece.size());
  }
  return ~crc;
}

struct Sha256::State {
  EVP_MD_CTX* const context = EVP_MD_CTX_new();
  State() {
    EVENTHUB_CHECK(context != nullptr && EVP_DigestInit_ex(context, EVP_sha256(), nullptr) == 1,
                   "SHA-256 is available");
  }
  ~State() { EVP_MD_CTX_free(context); }
  State(const State&) = delete;
  State& operator=(const State&) = delete;
};

Sha256::Sha256() : state_(std::make_unique<State>()) {}
Sha256::~Sha256() = default;

void Sha256::Update(absl::string_view bytes) {
  EVENTHUB_CHECK(EVP_DigestUpdate(state_->context, bytes.data(), bytes.size()) == 1,
                 "SHA-256 takes any bytes");
}

std::string Sha256::Finish() {
  std::string digest(32, '\0');
  EVENTHUB_CHECK(EVP_DigestFinal_ex(state_->context,
                                    reinterpret_cast<unsigned char*>(digest.data()), nullptr) == 1,
                 "SHA-256 is finished once");
  return digest;
}

}  // namespace eventhub::lake
