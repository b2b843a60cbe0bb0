// Calls code of the program on threads that must survive its exceptions.
#pragma once

#include <exception>
#include <string>
#include <utility>

#include "absl/status/status.h"

namespace eventhub::client {

// Runs `call`. Returns UNKNOWN, naming `what` was called, if it throws.
template <typename Call>
absl::Status Guarded(const char* what, Call&& call) {
  try {
    std::forward<Call>(call)();
    return absl::OkStatus();
  } catch (const std::exception& exception) {
    return absl::UnknownError(std::string(what) + " threw an exception: " + exception.what());
  } catch (...) {
    return absl::UnknownError(std::string(what) + " threw something other than a std::exception");
  }
}

}  // namespace eventhub::client
