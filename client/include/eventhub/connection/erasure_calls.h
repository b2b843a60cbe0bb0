// Erasure calls: how ErasureClient reaches the keys of a hub.
#pragma once

#include <cstdint>
#include <string>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "eventhub/erasure.h"
#include "eventhub/topic.h"

namespace eventhub::client {

// The erasures of a hub; see ErasureClient for the contract of each call. Thread-safe; each call
// blocks until the reply, an error, or `timeout` (DEADLINE_EXCEEDED). A call that a class does not
// override returns UNIMPLEMENTED.
class ErasureCalls {
 public:
  virtual ~ErasureCalls() = default;

  virtual absl::StatusOr<Erasure> EraseSubject(const std::string& subject, absl::Duration timeout);
  virtual absl::StatusOr<Page<Erasure>> ListErasures(uint32_t page_size,
                                                     const std::string& page_token,
                                                     absl::Duration timeout);
  virtual absl::StatusOr<uint64_t> RewrapKeys(absl::Duration timeout);
};

}  // namespace eventhub::client
