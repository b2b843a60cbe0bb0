#include "client/src/base/reconnect.h"

#include "absl/strings/str_cat.h"

namespace eventhub::client {

void Reconnect::OnConnected() {
  failing_since_.reset();
  backoff_.Reset();
}

absl::StatusOr<absl::Duration> Reconnect::OnFailed(const absl::Status& error, absl::Duration now) {
  if (!failing_since_) failing_since_ = now;
  if (now - *failing_since_ >= deadline_) {
    return absl::UnavailableError(absl::StrCat("no connection to ", purpose_, " for ",
                                               absl::FormatDuration(deadline_), ": ",
                                               error.message()));
  }
  return backoff_.DelayAfter(error);
}

}  // namespace eventhub::client
