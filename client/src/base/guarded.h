// Calls of code that is not the SDK's, on threads that must go on whatever it throws.
#pragma once

#include <exception>
#include <string>
#include <utility>

#include "absl/status/status.h"

namespace eventhub::client {

// Runs `call`. UNKNOWN, naming `what` was called, if it throws.
template <typename Call>
absl::Status Guarded(const char* what, Call&& call) {
  try {
    std::forward<Call>(call)();
    return absl::OkStatus();
  } catch (const std::exception& exception) {
    return absl::UnknownError(std::string(what) + " threw an exception: " + exception.what());
  } catch (...) {
    return absl::UnknownError(std::string(what) + " threw something that is no std::exception");
  }
}

}  // namespace eventhub::client
