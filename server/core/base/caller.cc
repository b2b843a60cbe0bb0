#include "server/core/base/caller.h"

#include "absl/hash/hash.h"
#include "absl/strings/str_cat.h"
#include "server/core/base/errors.h"
#include "server/core/base/peer_address.h"

namespace eventhub {

Caller Caller::Internal(absl::string_view part) {
  return {absl::StrCat("hub/", part), "internal", Clock::System(), absl::InfiniteDuration(),
          [] { return absl::OkStatus(); }};
}

std::string Caller::host() const { return HostOf(peer_); }

CommitFlow Caller::SharedFlow() const {
  return absl::HashOf(principal_, peer_) | CommitFlow{1} << 63;
}

absl::Status Caller::Interruption(absl::string_view done) const {
  const absl::Status why = deadline_ <= clock_->Monotonic()
                               ? absl::DeadlineExceededError("the deadline of the call has passed")
                               : ending_();
  if (why.ok() || done.empty()) return why;
  return WithMessage(why, absl::StrCat(why.message(), "; before that ", done));
}

}  // namespace eventhub
