// Dead-letter calls: how SubscriptionClient and FaultClient reach the dead letters of a hub.
#pragma once

#include <cstdint>
#include <string>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "eventhub/subscription.h"
#include "eventhub/topic.h"

namespace eventhub::client {

// The dead letters of a subscription; see SubscriptionClient and FaultClient for the contract of
// each call.
// Thread-safe; each call blocks until the reply, an error, or `timeout` (DEADLINE_EXCEEDED). A call
// that a class does not override returns UNIMPLEMENTED.
class DeadLetterCalls {
 public:
  virtual ~DeadLetterCalls() = default;

  virtual absl::StatusOr<Page<DeadLetter>> ListDeadLetters(const std::string& subscription,
                                                           const DeadLetterSelector& selector,
                                                           bool with_data, uint32_t page_size,
                                                           const std::string& page_token,
                                                           absl::Duration timeout);
  virtual absl::StatusOr<RedriveResult> RedriveDeadLetters(const std::string& subscription,
                                                           const DeadLetterSelector& selector,
                                                           bool dry_run, absl::Duration timeout);
  virtual absl::StatusOr<Page<DeadLetterGroup>> CountDeadLetters(const std::string& subscription,
                                                                 const DeadLetterSelector& selector,
                                                                 const std::string& page_token,
                                                                 absl::Duration timeout);
  // One page of a redrive, or of discarding. A dry run changes nothing.
  virtual absl::StatusOr<RedriveResult> RedriveDeadLetterPage(const std::string& subscription,
                                                              const CloseLettersSpec& spec,
                                                              absl::Duration timeout);
  virtual absl::StatusOr<RedriveResult> DiscardDeadLetterPage(const std::string& subscription,
                                                              const CloseLettersSpec& spec,
                                                              absl::Duration timeout);
  virtual absl::StatusOr<uint64_t> DiscardDeadLetters(const std::string& subscription,
                                                      const DeadLetterSelector& selector,
                                                      bool dry_run, absl::Duration timeout);
};

}  // namespace eventhub::client
