#include "eventhub/connection/erasure_calls.h"

#include "client/src/connection/unimplemented.h"

namespace eventhub::client {

absl::StatusOr<Erasure> ErasureCalls::EraseSubject(const std::string&, absl::Duration) {
  return Unimplemented("EraseSubject");
}

absl::StatusOr<Page<Erasure>> ErasureCalls::ListErasures(uint32_t, const std::string&,
                                                         absl::Duration) {
  return Unimplemented("ListErasures");
}

absl::StatusOr<uint64_t> ErasureCalls::RewrapKeys(absl::Duration) {
  return Unimplemented("RewrapKeys");
}

}  // namespace eventhub::client
