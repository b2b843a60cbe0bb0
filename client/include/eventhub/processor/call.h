// Calls: the steps of a pipeline that wait for something outside of the process.
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

// When a failed call is tried again: after a random delay between 0 and min(max_delay,
// initial_delay * multiplier^(n-1)) before retry n, so that callers that failed together do not
// return together.
struct CallRetry {
  // At least 1; 1: never.
  int max_attempts = 10;
  absl::Duration initial_delay = absl::Milliseconds(100);  // More than 0.
  absl::Duration max_delay = absl::Seconds(10);            // At least `initial_delay`.
  double multiplier = 2.0;                                 // At least 1.
  // Decides whether an error is worth a retry; all others are faults at once.
  std::function<bool(const absl::Status&)> retryable = IsTransient;
};

// When a step stops calling a service that does not respond. After `failures` retryable errors in a
// row the circuit opens: nothing is called for `open_for`, then one unit is tried. If it succeeds,
// the circuit closes, otherwise it opens again for twice as long, up to `max_open_for`. Any answer
// of the service, even a fault, counts as success.
//
// An open circuit uses up no attempts and makes no faults: units wait for it. Their events are not
// settled, so they take up credit, and when that is used up the hub stops delivering.
struct CircuitBreaker {
  // 0: no circuit breaker. Not more than CallRetry::max_attempts, so that an outage does not make
  // faults.
  int failures = 8;
  absl::Duration open_for = absl::Seconds(1);      // More than 0.
  absl::Duration max_open_for = absl::Minutes(1);  // At least `open_for`.
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

// How many units are gathered: until there are `units` (at least 1), or `bytes` of events, or until
// the first has waited for `wait` (0 to 1 h). Parts of one event are not divided, so there may be
// more. While a processor stops, nothing waits.
struct Window {
  size_t units = 100;
  size_t bytes = 1024 * 1024;
  absl::Duration wait = absl::Milliseconds(10);
};

// The right to answer one attempt at a call, once, from any thread, inside the call or later.
//
// Give it a T or an error; a Reply<void> is given a status. Only the first answer counts. A reply
// that is destroyed without an answer fails the attempt with CANCELLED. The arguments of the call
// stay valid until then. A Processor is not destroyed before every reply was: pass `timeout` on to
// the service, so that its answer does not take longer.
//
// Movable. Thread-compatible.
template <typename T>
class Reply : public internal::Answer<
                  std::conditional_t<std::is_void_v<T>, absl::Status, absl::StatusOr<T>>> {
 public:
  using Reply::Answer::Answer;
};

// The same for a batch: one answer for each unit, in their order, or one error for all of them. It
// is a fault of all if the number of answers is not that of the units.
template <typename T>
class BatchReply
    : public internal::Answer<absl::StatusOr<
          std::vector<std::conditional_t<std::is_void_v<T>, absl::Status, absl::StatusOr<T>>>>> {
 public:
  using BatchReply::Answer::Answer;
};

}  // namespace eventhub::processor
