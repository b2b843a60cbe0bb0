#include "eventhub/processor/call.h"

#include <string>

#include "absl/strings/str_cat.h"
#include "client/src/base/failure.h"
#include "eventhub/processor/internal/spec.h"

namespace eventhub::processor {
namespace {

absl::StatusCode CodeOfHttp(int code) {
  switch (code) {
    case 400:
      return absl::StatusCode::kInvalidArgument;
    case 401:
      return absl::StatusCode::kUnauthenticated;
    case 403:
      return absl::StatusCode::kPermissionDenied;
    case 404:
    case 410:
      return absl::StatusCode::kNotFound;
    case 408:
    case 504:
      return absl::StatusCode::kDeadlineExceeded;
    case 409:
    case 412:
      return absl::StatusCode::kFailedPrecondition;
    case 425:
      return absl::StatusCode::kUnavailable;
    case 429:
      return absl::StatusCode::kResourceExhausted;
    case 501:
      return absl::StatusCode::kUnimplemented;
    default:
      return code >= 500 && code < 600 ? absl::StatusCode::kUnavailable
                                       : absl::StatusCode::kUnknown;
  }
}

}  // namespace

bool IsTransient(const absl::Status& status) { return client::IsTransientCode(status.code()); }

absl::Status HttpStatus(int code, std::string_view detail) {
  if (code >= 200 && code < 300) return absl::OkStatus();
  std::string message = absl::StrCat("HTTP ", code);
  if (!detail.empty()) absl::StrAppend(&message, ": ", std::string(detail));
  return absl::Status(CodeOfHttp(code), message);
}

namespace internal {
namespace {

absl::Status Invalid(const std::string& step, const char* what) {
  return absl::InvalidArgumentError(absl::StrCat("step ", step, ": ", what));
}

// The hub delays events by a year at most.
bool IsTimely(absl::Duration delay) {
  return delay == absl::InfiniteDuration() ||
         (delay > absl::ZeroDuration() && delay <= absl::Hours(24 * 365));
}

}  // namespace

absl::Status CheckPart(const std::string& step, const CallOptions& options) {
  if (step.empty()) return absl::InvalidArgumentError("a call must have a name");
  if (options.parallel < 1) return Invalid(step, "parallel must be at least 1");
  if (options.timeout <= absl::ZeroDuration()) return Invalid(step, "timeout must be more than 0");
  const CallRetry& retry = options.retry;
  if (retry.max_attempts < 1) return Invalid(step, "retry.max_attempts must be at least 1");
  if (retry.initial_delay <= absl::ZeroDuration()) {
    return Invalid(step, "retry.initial_delay must be more than 0");
  }
  if (retry.max_delay < retry.initial_delay) {
    return Invalid(step, "retry.max_delay must be at least retry.initial_delay");
  }
  if (retry.multiplier < 1.0) return Invalid(step, "retry.multiplier must be at least 1");
  if (!retry.retryable) return Invalid(step, "retry.retryable must be set");
  const CircuitBreaker& breaker = options.breaker;
  if (breaker.failures < 0) return Invalid(step, "breaker.failures must be at least 0");
  if (breaker.open_for <= absl::ZeroDuration()) {
    return Invalid(step, "breaker.open_for must be more than 0");
  }
  if (breaker.max_open_for < breaker.open_for) {
    return Invalid(step, "breaker.max_open_for must be at least breaker.open_for");
  }
  return absl::OkStatus();
}

absl::Status CheckPart(const std::string& step, const Window& window) {
  if (window.units < 1) return Invalid(step, "window.units must be at least 1");
  if (window.wait < absl::ZeroDuration() || window.wait > absl::Hours(1)) {
    return Invalid(step, "window.wait must be 0 to 1 h");
  }
  return absl::OkStatus();
}

absl::Status CheckPart(const std::string& step, const MaterializeOptions& options) {
  if (options.max_rows < 1) return Invalid(step, "max_rows must be at least 1");
  if (options.timeout < absl::Milliseconds(1) || options.timeout > absl::Minutes(1)) {
    return Invalid(step, "timeout must be 1 ms to 1 min");
  }
  return absl::OkStatus();
}

absl::Status CheckPart(const std::string& step, const Memory& memory) {
  if (memory.max_entries < 1) return Invalid(step, "max_entries must be at least 1");
  if (memory.ttl <= absl::ZeroDuration()) return Invalid(step, "ttl must be more than 0");
  return absl::OkStatus();
}

absl::Status CheckPart(const std::string& step, const DurableMemory& memory) {
  if (memory.state.empty()) return Invalid(step, "state must be set");
  if (!IsTimely(memory.remember) || memory.remember == absl::InfiniteDuration()) {
    return Invalid(step, "remember must be more than 0 and at most 365 days");
  }
  if (memory.max_ids < 1 || memory.max_ids > 1000) {
    return Invalid(step, "max_ids must be 1 to 1,000");
  }
  return absl::OkStatus();
}

absl::Status CheckPart(const std::string& step, const Rate& rate) {
  // Also if it is not a number.
  if (!(rate.per_second > 0)) return Invalid(step, "per_second must be more than 0");
  if (!(rate.burst >= 1)) return Invalid(step, "burst must be at least 1");
  return absl::OkStatus();
}

absl::Status CheckPart(const std::string& step, const LookupOptions& options) {
  if (options.max_entries < 1) return Invalid(step, "max_entries must be at least 1");
  if (options.ttl < absl::ZeroDuration()) return Invalid(step, "ttl must not be negative");
  if (options.error_ttl < absl::ZeroDuration()) {
    return Invalid(step, "error_ttl must not be negative");
  }
  return CheckPart(step, options.call);
}

absl::Status CheckPart(const std::string& step, const CorrelateOptions& options) {
  if (options.state.empty()) return Invalid(step, "state must be set");
  if (!IsTimely(options.within)) {
    return Invalid(step, "within must be more than 0 and at most 365 days, or infinite");
  }
  if (!IsTimely(options.remember)) {
    return Invalid(step, "remember must be more than 0 and at most 365 days, or infinite");
  }
  if (options.max_facts < 1 || options.max_facts > 1000) {
    return Invalid(step, "max_facts must be 1 to 1,000");
  }
  return absl::OkStatus();
}

absl::Status CheckPart(const std::string& step, const JobOptions& options) {
  if (options.state.empty()) return Invalid(step, "state must be set");
  if (options.pause < absl::ZeroDuration() || options.pause > absl::Hours(24)) {
    return Invalid(step, "pause must be 0 to 1 day");
  }
  if (!IsTimely(options.remember)) {
    return Invalid(step, "remember must be more than 0 and at most 365 days, or infinite");
  }
  return absl::OkStatus();
}

absl::Status CheckPart(const std::string& step, const std::shared_ptr<View>& view) {
  if (view == nullptr) return Invalid(step, "the view must be set");
  return absl::OkStatus();
}

}  // namespace internal
}  // namespace eventhub::processor
