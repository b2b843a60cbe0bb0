// Checksums of the lake: CRC32C of small parts, SHA-256 of whole objects.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "absl/strings/string_view.h"

namespace eventhub::lake {

uint32_t Crc32c(absl::string_view bytes);

// SHA-256 of bytes that come in parts. Thread-compatible.
class Sha256 {
 public:
  Sha256();
  ~Sha256();
  Sha256(const Sha256&) = delete;
  Sha256& operator=(const Sha256&) = delete;

  void Update(absl::string_view bytes);

  // The 32 bytes; to be called once, last.
  std::string Finish();

 private:
  struct State;
  const std::unique_ptr<State> state_;
};

}  // namespace eventhub::lake
