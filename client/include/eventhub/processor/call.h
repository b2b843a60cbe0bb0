// Calls: the steps of a pipeline that wait for another service.
#pragma once

#include <cstddef>
#include <functional>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "eventhub/processor/internal/attempt.h"

namespace eventhub::processor {

// Whether the same call may succeed later, judged by its code: UNAVAILABLE, DEADLINE_EXCEEDED,
// RESOURCE_EXHAUSTED, ABORTED and CANCELLED. These are the codes of transports, timeouts, and
// services that are overloaded.
bool IsTransient(const absl::Status& status);

// The status of an HTTP response: OK for 2xx; errors that are transient for 408, 425, 429 and 5xx
// except 501; errors that are not for all others. The message begins with the code.
absl::Status HttpStatus(int code, std::string_view detail = {});

// When a failed call is retried. Retry n comes after a random delay between 0 and min(max_delay,
// initial_delay * multiplier^(n-1)), so that callers that failed together do not retry together.
struct CallRetry {
  // At least 1; 1: no retries.
  int max_attempts = 10;
  absl::Duration initial_delay = absl::Milliseconds(100);  // More than 0.
  absl::Duration max_delay = absl::Seconds(10);            // At least `initial_delay`.
  double multiplier = 2.0;                                 // At least 1.
  // Returns whether an error is retried; any other error is a fault at once.
  std::function<bool(const absl::Status&)> retryable = IsTransient;
};

// When a step stops calling a service that does not respond. After `failures` retryable errors in a
// row the circuit opens: nothing is called for `open_for`, then one unit is tried. If it succeeds,
// the circuit closes, otherwise it opens again for twice as long, up to `max_open_for`. Any answer
// of the service, even a fault, counts as success.
//
// While the circuit is open, units wait: they use up no attempts, and do not fail. Their events are
// not settled and hold credit; when the credit is used up, the hub stops delivering.
struct CircuitBreaker {
  // 0: no circuit breaker. At most CallRetry::max_attempts, so that an outage causes no faults.
  int failures = 8;
  absl::Duration open_for = absl::Seconds(1);      // More than 0.
  absl::Duration max_open_for = absl::Minutes(1);  // At least `open_for`.
};

// What becomes of errors that the function of a step returns, e.g. because it reads a view whose
// store is busy. It is the same for all steps: as for calls, errors that may pass are retried, and
// circuits open. Units of the same lane (see Pipeline::InOrder) wait behind the one that is
// retried; others pass. Exceptions, and all other errors, are faults at once.
struct StepOptions {
  CallRetry retry{};
  CircuitBreaker breaker{};
};

struct CallOptions {
  // How many calls are in progress at a time, at least 1. (A call that was given up after `timeout`
  // does not count.)
  size_t parallel = 8;
  // How long an attempt may take; afterwards it fails with DEADLINE_EXCEEDED, and its reply is
  // ignored. More than 0.
  absl::Duration timeout = absl::Seconds(1);
  CallRetry retry{};
  CircuitBreaker breaker{};
};

// When a batch or group is complete: when it has `units` (at least 1) or `bytes` of events, or when
// its first unit has waited for `wait` (0 to 1 h). The units of one event are not divided, so it
// may have more. While a processor stops, nothing waits.
struct Window {
  size_t units = 100;
  size_t bytes = 1024 * 1024;
  absl::Duration wait = absl::Milliseconds(10);
};

// Answers one attempt of a call, once, from any thread, during the call or later.
//
// Call it with a T or an error, or a Reply<void> with a status. Only the first answer counts. If a
// reply is destroyed without an answer, the attempt fails with CANCELLED. The arguments of the call
// stay valid until the reply is destroyed. The destructor of a Processor waits for all replies, so
// pass `timeout` on to the service to bound that wait.
//
// Movable. Thread-compatible.
template <typename T>
class Reply : public internal::Answer<
                  std::conditional_t<std::is_void_v<T>, absl::Status, absl::StatusOr<T>>> {
 public:
  using Reply::Answer::Answer;
};

// The same for a batch: one answer for each unit, in order, or one error for all units. If the
// number of answers differs from the number of units, all units fail.
template <typename T>
class BatchReply
    : public internal::Answer<absl::StatusOr<
          std::vector<std::conditional_t<std::is_void_v<T>, absl::Status, absl::StatusOr<T>>>>> {
 public:
  using BatchReply::Answer::Answer;
};

}  // namespace eventhub::processor
