#include "client/src/base/reconnect.h"

#include "absl/strings/cord.h"
#include "absl/strings/str_cat.h"
#include "eventhub/error.h"

namespace eventhub::client {

void Reconnect::OnConnected() {
  failing_since_.reset();
  backoff_.Reset();
}

absl::StatusOr<absl::Duration> Reconnect::OnFailed(const absl::Status& error, absl::Duration now) {
  if (!failing_since_) failing_since_ = now;
  if (now - *failing_since_ >= deadline_) return GivenUp(error);
  return backoff_.DelayAfter(error);
}

// An error of the hub itself is kept: its code and detail say how to react.
absl::Status Reconnect::GivenUp(const absl::Status& error) const {
  const std::string since =
      absl::StrCat(purpose_, " for ", absl::FormatDuration(deadline_), ": ", error.message());
  if (error.ok() || !GetErrorInfo(error)) {
    return absl::UnavailableError(absl::StrCat("no connection to ", since));
  }
  absl::Status refused(error.code(), absl::StrCat("the hub has refused to ", since));
  error.ForEachPayload([&refused](absl::string_view url, const absl::Cord& payload) {
    refused.SetPayload(url, payload);
  });
  return refused;
}

}  // namespace eventhub::client
