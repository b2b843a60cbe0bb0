#include "client/src/subscribe/handling.h"

#include <algorithm>
#include <cstdint>
#include <exception>
#include <utility>

namespace eventhub::client {
namespace {

constexpr size_t kMaxPace = 64;
constexpr absl::Duration kFast = absl::Microseconds(50);
constexpr absl::Duration kSlow = absl::Milliseconds(1);

// Runs a handler. An exception counts as a retry of all events that the handler got.
template <typename Result, typename Handler, typename Argument>
Result CallHandler(const Handler& handler, const Argument& argument) {
  try {
    return handler(argument);
  } catch (const std::exception& exception) {
    return Outcome::Retry(exception.what());
  } catch (...) {
    return Outcome::Retry("the handler threw something other than a std::exception");
  }
}

void AddRun(size_t first, size_t count, Outcome outcome, Handled& handled) {
  if (count == 0) return;
  if (outcome.kind == Outcome::Kind::kAck && !handled.runs.empty() &&
      handled.runs.back().outcome.kind == Outcome::Kind::kAck) {
    handled.runs.back().count += count;
    return;
  }
  handled.runs.push_back({.first = first, .count = count, .outcome = std::move(outcome)});
}

Handled HandleBatch(const SubscriberOptions& options, const WorkQueue::Chunk& chunk) {
  const Delivery& delivery = *chunk.delivery;
  BatchOutcome outcome;
  if (chunk.count == delivery.batch().size()) {
    outcome = CallHandler<BatchOutcome>(options.on_batch, delivery.batch());
  } else {
    outcome = CallHandler<BatchOutcome>(options.on_batch, delivery.Part(chunk.at, chunk.count));
  }
  Handled handled{.next = chunk.first + chunk.count, .at = chunk.at};
  size_t next = 0;
  for (auto& [index, exception] : outcome.except) {
    if (index < next || index >= chunk.count) continue;
    AddRun(chunk.first + next, index - next, outcome.all, handled);
    AddRun(chunk.first + index, 1, std::move(exception), handled);
    next = index + 1;
  }
  AddRun(chunk.first + next, chunk.count - next, std::move(outcome.all), handled);
  return handled;
}

}  // namespace

void Pace::Learn(absl::Duration took, bool whole) {
  if (took > kFast * 4) {
    events_ = 1;
  } else if (whole && took < kFast) {
    events_ = std::min(events_ * 2, kMaxPace);
  }
}

size_t ChunkSize(const SubscriberOptions& options, const Pace& pace) {
  if (!options.on_batch) return pace.events();
  return options.max_batch_events == 0 ? SIZE_MAX : options.max_batch_events;
}

Handled Handle(const SubscriberOptions& options, const WorkQueue::Chunk& chunk, bool stop_at_retry,
               const Clock& clock, Pace& pace) {
  if (options.on_batch) return HandleBatch(options, chunk);
  Handled handled{.next = chunk.first, .at = chunk.at};
  const size_t end = chunk.first + chunk.count;
  const absl::Duration start = clock.Monotonic();
  absl::Duration took;
  bool stop = false;
  while (handled.next < end && !stop && took < kSlow) {
    Outcome outcome = CallHandler<Outcome>(options.on_event, *handled.at);
    stop = stop_at_retry && outcome.kind == Outcome::Kind::kRetry;
    AddRun(handled.next, 1, std::move(outcome), handled);
    ++handled.next;
    ++handled.at;
    took = clock.Monotonic() - start;
  }
  pace.Learn(took, handled.next == end);
  return handled;
}

void HandleAsync(const SubscriberOptions& options, const ReceivedEvent& event, Settler settler) {
  try {
    options.on_event_async(event, std::move(settler));
  } catch (...) {  // NOLINT(bugprone-empty-catch)
  }
}

}  // namespace eventhub::client
