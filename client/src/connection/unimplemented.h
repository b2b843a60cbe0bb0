// The default results of the parts of a connection.
#pragma once

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "client/src/base/failure.h"

namespace eventhub::client {

// UNIMPLEMENTED for a call that the connection does not override; nothing was done.
inline absl::Status Unimplemented(absl::string_view method) {
  return WithNothingDone(
      absl::UnimplementedError(absl::StrCat("this connection does not implement ", method)));
}

}  // namespace eventhub::client
