#include "eventhub/connection/dead_letter_calls.h"

#include "client/src/connection/unimplemented.h"

namespace eventhub::client {

absl::StatusOr<Page<DeadLetter>> DeadLetterCalls::ListDeadLetters(const std::string&,
                                                                  const DeadLetterSelector&, bool,
                                                                  uint32_t, const std::string&,
                                                                  absl::Duration) {
  return Unimplemented("ListDeadLetters");
}

absl::StatusOr<RedriveResult> DeadLetterCalls::RedriveDeadLetters(const std::string&,
                                                                  const DeadLetterSelector&, bool,
                                                                  absl::Duration) {
  return Unimplemented("RedriveDeadLetters");
}

absl::StatusOr<Page<DeadLetterGroup>> DeadLetterCalls::CountDeadLetters(const std::string&,
                                                                        const DeadLetterSelector&,
                                                                        const std::string&,
                                                                        absl::Duration) {
  return Unimplemented("CountDeadLetters");
}

absl::StatusOr<RedriveResult> DeadLetterCalls::RedriveDeadLetterPage(const std::string&,
                                                                     const CloseLettersSpec&,
                                                                     absl::Duration) {
  return Unimplemented("RedriveDeadLetterPage");
}

absl::StatusOr<RedriveResult> DeadLetterCalls::DiscardDeadLetterPage(const std::string&,
                                                                     const CloseLettersSpec&,
                                                                     absl::Duration) {
  return Unimplemented("DiscardDeadLetterPage");
}

absl::StatusOr<uint64_t> DeadLetterCalls::DiscardDeadLetters(const std::string&,
                                                             const DeadLetterSelector&, bool,
                                                             absl::Duration) {
  return Unimplemented("DiscardDeadLetters");
}

}  // namespace eventhub::client
